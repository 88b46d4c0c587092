"""What `artisan migrate` prints of how long each migration took, of Laravel 8 and of 9 to 13. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NUMBER = r"\d{1,3}(?:,\d{3}){0,4}(?:\.\d{1,6})?|\d{1,12}(?:\.\d{1,6})?"
_OLD = re.compile(rf"Migrated:\s+(?P<name>\S+)\s+\((?P<took>(?:{_NUMBER})\s*(?:ms|seconds))\)")
_NEW = re.compile(
    rf"(?P<name>\d{{4}}_\d\d_\d\d_\w+)[\s.]+(?<=[\s.])(?P<took>(?:(?:{_NUMBER})\s?(?:ms|s|min|m|h)\s?){{1,4}})\s+DONE"
)
_PART = re.compile(rf"({_NUMBER})\s*(ms|seconds|s|min|m|h)\b")
_LONGEST = 2000
"""A line of Laravel has at most the width of a terminal, or a name."""
_SECONDS = {"ms": 0.001, "s": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def durations(output: str) -> Iterator[tuple[str, float]]:
    """The migrations that ran through, in order, each with its seconds."""
    for line in _ESCAPES.sub("", output).splitlines():
        text = line.strip()[:_LONGEST]
        if found := _OLD.fullmatch(text) or _NEW.fullmatch(text):
            parts = _PART.findall(found["took"])
            yield found["name"], sum(float(number.replace(",", "")) * _SECONDS[unit] for number, unit in parts)
