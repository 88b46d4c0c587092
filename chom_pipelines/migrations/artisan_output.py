"""What `artisan migrate` prints of how long each migration took, of Laravel 8 and of 9 to 13. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OLD = re.compile(r"^\s*Migrated:\s+(?P<name>\S+)\s+\((?P<took>[\d.,]+\s*(?:ms|seconds))\)\s*$")
_NEW = re.compile(r"^\s*(?P<name>\d{4}_\d\d_\d\d_\w+)[\s.]+(?P<took>(?:[\d.,]+\s?(?:ms|s|min|m|h)\s?)+)\s+DONE\s*$")
_PART = re.compile(r"([\d.,]+)\s*(ms|seconds|s|min|m|h)\b")
_SECONDS = {"ms": 0.001, "s": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def durations(text: str) -> Iterator[tuple[str, float]]:
    """The migrations that ran through, in order, each with its seconds."""
    for line in _ESCAPES.sub("", text).splitlines():
        if found := _OLD.match(line) or _NEW.match(line):
            parts = _PART.findall(found["took"])
            yield found["name"], sum(float(number.replace(",", "")) * _SECONDS[unit] for number, unit in parts)
