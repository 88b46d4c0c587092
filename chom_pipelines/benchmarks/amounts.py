"""How people write amounts of data. Pure."""

from __future__ import annotations

import re

from chom_pipelines.errors import ConfigurationError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_LEAST = 10**6
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KM]?)", re.IGNORECASE)


def parsed_size(text: str) -> int:
    """Bytes of `200MB`; raises ConfigurationError where it is no size, or less than a megabyte."""
    found = _SIZE.fullmatch(text.strip())
    count = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if count < _LEAST:
        raise ConfigurationError(f"{text!r} is no size of a megabyte or more", "write it as 200MB or 5GB")
    return count


def parsed_count(text: str) -> int:
    """10,000,000 of `10M`; raises ConfigurationError where it is no number of 1 or more."""
    found = _COUNT.fullmatch(text.strip().replace(",", ""))
    count = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if count < 1:
        raise ConfigurationError(f"{text!r} is no number of rows", "write it as 500000, 500K or 10M")
    return count
