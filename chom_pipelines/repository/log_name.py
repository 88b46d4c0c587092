"""Names of a binary log's files."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"[^/\0]+\.\d{6,}")


def is_log_name(text: str) -> bool:
    """Whether servers make such names."""
    return _NAME.fullmatch(text) is not None


class LogName(NamedTuple):
    """Of `mysql-bin.000123` the base, mysql-bin, and the number, 123, which is its place in the order of files."""

    base: str
    number: int

    @classmethod
    def of(cls, file: str) -> LogName:
        """Read a name as servers make them; raises ValueError where it is none."""
        base, _, number = file.rpartition(".")
        return cls(base, int(number))

    @property
    def following(self) -> str:
        """The name of the file that the server begins after this one."""
        return f"{self.base}.{self.number + 1:06d}"


class InLogFile:
    """What is of, or in, one file of a binary log: `file` is its name."""

    file: str

    @property
    def base(self) -> str:
        """Of `mysql-bin.000123` mysql-bin."""
        return LogName.of(self.file).base

    @property
    def number(self) -> int:
        """Of `mysql-bin.000123` 123: the place of its file in the order of files."""
        return LogName.of(self.file).number
