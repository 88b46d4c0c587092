"""What is called what in the repository; pure.

<path>/<server>/backups/full_20260102_020000/manifest.json, RESTORE.md, schema/..., data/..., proofs/<time>.json
<path>/<server>/backups/full_20260102_020000/drills/<time>.json, restores/<time>.json
<path>/<server>/backups/full_20260102_020000/pinned.json  where somebody has it stay
<path>/<server>/binlogs/<server id>/binlog_mysql-bin.000123_000000000004/manifest.json, mysql-bin.000123.zst.enc
<path>/<server>/binlogs/<server id>/keys/<name>.json
<path>/<server>/binlogs/<server id>/pruned.json  what was deleted, so that it is not archived anew
<path>/<server>/streamed/<server id>/binlog_mysql-bin.000124_000000000004/...  until the whole file is in binlogs
<path>/<server>/streamed/<server id>/heard.json  replaced every few seconds: when nothing lacked last
<path>/<server>/benchmarks/benchmark_20260102_020000.json, and .md and charts beside it
<path>/<server>/growth/tables_20260102.json.zst, and indexes_, queries_: one of each for a day
<path>/<server>/archive/2026-01/full_20260131_020000/...  in the second copy alone: one full backup of each month
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.repository.store import is_name

MANIFEST = "manifest.json"
GUIDE = "RESTORE.md"
PROOFS = "proofs"
DRILLS = "drills"
RESTORES = "restores"
KEYS = "keys"
PINNED = "pinned.json"
INCOMPLETE = "incomplete.json"
"""Stands in the folder of a backup that is being taken, or deleted: without a manifest, all of it may be removed."""

BACKUPS = "backups"
BINLOGS = "binlogs"
STREAMED = "streamed"
"""A server's streams: the full and incremental backups; below the others, one for each server id.

Of binary logs there are whole files, and parts of those that are not whole there yet.
"""

ARCHIVE = "archive"
"""The folder of the second copy's months: each is a stream with one full backup."""

BENCHMARKS = "benchmarks"
"""A server's benchmark reports."""

MIGRATIONS = "migrations"
"""A server's migration checks, with its schema at the time, and what deploys took."""

GROWTH = "growth"
"""What a server's tables, indexes and statements were like, day by day."""

WRITING, READING = "writing", "reading"
"""The two locks of a stream."""

_TIMED = re.compile(r"(?P<kind>full|incremental)_(?P<time>\d{8}_\d{6})")
_SEGMENT = re.compile(r"binlog_(?P<base>.+)\.(?P<number>\d{6,})_(?P<start>\d{12})")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_TIME = "%Y%m%d_%H%M%S"


class Kind(StrEnum):
    """What a backup is: all of a server, what changed since its parent, or a piece of the binary log."""

    FULL = "full"
    INCREMENTAL = "incremental"
    BINLOG = "binlog"


@dataclass(frozen=True)
class BackupId:
    """An id, taken apart.

    Full and incremental backups have the `time` (UTC) at which they were begun; a segment of the binary log has its
    `file`, and the position in it at which it starts.
    """

    kind: Kind
    time: datetime | None = None
    file: str = ""
    start: int = 0

    @property
    def text(self) -> str:
        """Such as full_20260102_020000, binlog_mysql-bin.000123_000000000004."""
        if self.time is None:
            return f"{self.kind.value}_{self.file}_{self.start:012d}"
        return f"{self.kind.value}_{self.time.astimezone(UTC):{_TIME}}"

    @property
    def order(self) -> tuple[str, int, int]:
        """What ids of one stream are sorted by: when, or where in the binary log."""
        if self.time is not None:
            return (f"{self.time:{_TIME}}", 0, 0)
        return (*LogName.of(self.file), self.start)


def parse_id(text: str) -> BackupId | None:
    """The id; None where this is none."""
    if timed := _TIMED.fullmatch(text):
        try:
            time = datetime.strptime(timed["time"], _TIME).replace(tzinfo=UTC)
        except ValueError:
            return None
        return BackupId(Kind(timed["kind"]), time)
    if segment := _SEGMENT.fullmatch(text):
        return BackupId(Kind.BINLOG, file=f"{segment['base']}.{segment['number']}", start=int(segment["start"]))
    return None


def timed_id(kind: Kind, moment: datetime, taken: Container[str] = ()) -> BackupId:
    """The id of a backup begun at this moment (aware); of the next free second where that one is taken.

    Full and incremental backups stand in one line: a second is taken by either.
    """
    moment = moment.astimezone(UTC).replace(microsecond=0)
    while any(BackupId(each, moment).text in taken for each in (Kind.FULL, Kind.INCREMENTAL)):
        moment += timedelta(seconds=1)
    return BackupId(kind, moment)


def stream_name(server: str, *parts: str) -> str:
    """The folder of a stream of a server; raises ConfigurationError where the server's name cannot name a folder."""
    if "/" in server or not is_name(server):
        raise ConfigurationError(f"the server's name {server!r} cannot name a folder", "name it by letters and digits")
    return "/".join((server, *parts))


def is_month(name: str) -> bool:
    """Whether this is a month, as 2026-01."""
    return bool(_MONTH.fullmatch(name))


def month_name(month: str) -> str:
    """The folder of a month in the archive; raises ConfigurationError where it is no month, as 2026-01."""
    if not is_month(month):
        raise ConfigurationError(f"{month!r} is no month", "write it as 2026-01")
    return month


def proof_name(started: datetime, folder: str = PROOFS) -> str:
    """The name of a proof, or of another record, that was begun at this moment (aware); names sort by time."""
    return f"{folder}/{started.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.json"
