"""What a replay may be asked: to end at a moment, a GTID or a place, as people write these, and its route; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.log_lines import utc_text
from chom_pipelines.repository.log_name import InLogFile, is_log_name


class Route(StrEnum):
    """How a log is replayed: by replication from a private server that has it, or as text through the clients."""

    REPLICATION = "replication"
    CLIENT = "client"


@dataclass(frozen=True)
class AtTime:
    """All that was committed up to this moment, which is aware.

    On MariaDB, of which the log notes no commits, the place is in front of the first transaction that cannot have been
    committed up to then. That has all that was, and also what began before the moment and was committed after it, with
    nothing in the log in between that was later by its note or its file.
    """

    moment: datetime

    def __str__(self) -> str:
        """Return it with its time zone."""
        return utc_text(self.moment)


@dataclass(frozen=True)
class ThroughGtid:
    """All up to the transaction with which these GTIDs are complete, that one included."""

    gtid: str

    def __str__(self) -> str:
        """Return it as it was given."""
        return f"GTID {self.gtid}"


@dataclass(frozen=True)
class BeforePlace(InLogFile):
    """All that is before this position of a file, which is where a transaction begins or the file ends.

    A server that began its files anew has had their names before: without a `history`, it is a file of the newest one.
    """

    file: str
    position: int
    history: str = ""

    def __str__(self) -> str:
        """Return it as it was given."""
        return f"{self.history}{'/' if self.history else ''}{self.file}:{self.position}"


@dataclass(frozen=True)
class EndOfArchive:
    """All that is archived: which place that is, the archive says."""

    def __str__(self) -> str:
        """Return it as people write it."""
        return "latest"


Target = AtTime | ThroughGtid | BeforePlace


def parse_time(text: str) -> datetime:
    """A moment with its time zone, as `2026-01-02 03:04:05Z`, `2026-01-02T03:04:05.5+01:00`, `2026-01-02 UTC`.

    A day alone is its midnight.
    Raises ConfigurationError, also where the zone is left out: clocks of clients and servers differ.
    """
    normal = re.sub(r"\s*(?:UTC|utc|z)$", "Z", text.strip())
    normal = re.sub(r"^(\d{4}-\d\d-\d\d)(?=Z$|[+-]\d\d:\d\d$)", r"\1 00:00", normal)
    try:
        moment = datetime.fromisoformat(normal)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no time", "write it as 2026-01-02 03:04:05Z") from error
    if moment.tzinfo is None:
        whole = text.strip() if ":" in text else f"{text.strip()} 00:00"
        remedy = f"say which zone it is of: '{whole}Z' for UTC, or an offset as in '{whole}+01:00'"
        raise ConfigurationError(f"{text!r} has no time zone", remedy)
    return moment.astimezone(UTC)


def parse_place(text: str) -> BeforePlace:
    """`mysql-bin.000123:4567`, or `11/mysql-bin.000123:4567` of an older history; raises ConfigurationError."""
    place, _, position = text.rpartition(":")
    history, _, file = place.rpartition("/")
    is_file = is_log_name(file or text.rpartition("/")[2])
    if not is_file or not position.isdecimal():
        lacks = "no position follows its file" if is_file else "it names no file of a binary log"
        what = f"{text!r} is no place in a binary log: {lacks}"
        raise ConfigurationError(what, "write it as mysql-bin.000123:4567; `chom events` tells places")
    return BeforePlace(file, int(position), history)
