"""Versions of servers and their programs; pure."""

import re
from collections.abc import Sequence

from chom_pipelines.errors import UnsupportedServerError

Version = tuple[int, int, int]


def series(version: Version) -> tuple[int, int]:
    """Within which files do not change: (10, 11) of 10.11.19."""
    return version[:2]


def dotted(numbers: Sequence[int]) -> str:
    """A version or a series, as 10.11.19 or 10.11."""
    return ".".join(map(str, numbers))


def parse_version(text: str) -> Version:
    """The first x.y.z in a version text, or x.y with z = 0.

    Raises UnsupportedServerError where there is none.
    """
    # in front of a MariaDB some proxies keep the prefix that old replicas needed
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text.removeprefix("5.5.5-"))
    if not found:
        message = f"the server calls its version {text!r}, which no MySQL or MariaDB does"
        raise UnsupportedServerError(message, "connect to the server itself, not to something in between")
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)
