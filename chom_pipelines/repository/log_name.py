"""Names of a binary log's files."""

from __future__ import annotations

from typing import NamedTuple


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
