"""Segments and full backups as values, for tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import FIRST, Identity, Segment
from chom_pipelines.binlogs.recovery.windows import Full
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Position
from chom_pipelines.repository.store import Folder
from chom_pipelines.repository.streams import Stream
from chom_pipelines.server.binlog_settings import BinlogSettings
from chom_pipelines.server.facts import Flavour

MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)
HERE = Identity(11, None)
UUID = "51c53387-e94f-11f1-bafe-02fc00000001"
SIZE = 1000
"""Bytes of a file; each has ten transactions and is closed after an hour."""


def at(hours: float) -> datetime:
    """So many hours after midnight."""
    return MIDNIGHT + timedelta(hours=hours)


def segment(number: int, **changes: Any) -> Segment:  # noqa: ANN401  (of any field)
    """The whole file of that number, written from the hour `number` to the next."""
    gtids = f"{UUID}:1-{{}}" if changes.get("flavour") is Flavour.MYSQL else "0-11-{}"
    values: dict[str, Any] = {
        "history": "11",
        "identity": HERE,
        "flavour": Flavour.MARIADB,
        "file": f"mysql-bin.{number:06d}",
        "start": FIRST,
        "end": SIZE,
        "complete": True,
        "following": f"mysql-bin.{number + 1:06d}",
        "before": gtids.format(number * 10) if number else "",
        "after": gtids.format(number * 10 + 10),
        "opened": at(number),
        "as_of": at(number + 1) + timedelta(seconds=1),
        "written": at(number + 1),
        "transactions": 10,
        "incidents": 0,
        "head": f"{number:064x}",
        "previous": f"{number - 1:064x}" if number else None,
        "digest": f"{number:064x}",
        "stored_bytes": 500,
        "server_bytes": SIZE,
        "stream_key": None,
        "logging": BinlogSettings(("ROW",)),
        **changes,
    }
    identity = changes.pop("id", f"binlog_{values['file']}_{values['start']:012d}")
    return Segment(**{"id": identity, **values})


def history(*segments: Segment) -> History:
    """The history of these, which is stored nowhere."""
    nowhere = Stream("source", Folder(LocalStore(Path("nowhere"))))
    return History("11", nowhere, nowhere, segments, {})


def full(hours: float, position: int | None = 500, **changes: Any) -> Full:  # noqa: ANN401
    """A full backup taken then, in the middle of the file of that hour; None: of a server without a binary log."""
    number = int(hours)
    place = Position(file=f"mysql-bin.{number:06d}", position=position) if position is not None else None
    values: dict[str, Any] = {
        "id": f"full_{at(hours):%Y%m%d_%H%M%S}",
        "flavour": Flavour.MARIADB,
        "as_of": at(hours),
        "identity": HERE,
        "place": place,
        "proof": Outcome.PASSED,
        "proved": at(hours + 0.1),
        "everything": True,
        **changes,
    }
    return Full(**values)
