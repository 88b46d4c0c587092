"""How people write amounts of data. Pure."""

from __future__ import annotations

import re

from chom_pipelines.errors import ConfigurationError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_LEAST = 10**6


def parsed_size(text: str) -> int:
    """Bytes of `200MB`; raises ConfigurationError where it is no size, or less than a megabyte."""
    found = _SIZE.fullmatch(text.strip())
    count = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if count < _LEAST:
        raise ConfigurationError(f"{text!r} is no size of a megabyte or more", "write it as 200MB or 5GB")
    return count
