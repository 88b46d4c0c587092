"""Asking a server for what is kept of a day: the sizes of its tables, the counts of its indexes, its statements."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from chom_pipelines import __version__
from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.growth.record import IndexesOfDay, QueriesOfDay, TablesOfDay
from chom_pipelines.monitoring.readers.daily_digests import SOURCE as DIGEST_SOURCE
from chom_pipelines.monitoring.readers.daily_digests import read_digests
from chom_pipelines.monitoring.readers.file_sizes import file_source, read_file_sizes
from chom_pipelines.monitoring.readers.indexes import indexes_and_source
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.room import read_room
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.monitoring.readers.tables import read_tables
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.questions import status

_SECONDS = 120.0
"""The longest that one question may take: once a day, of 50,000 tables, with a cold cache."""

GRACE = timedelta(hours=1)
"""How long after a day's end a reading still counts for it: it may have waited in the queue."""

T = TypeVar("T")

TABLES_SOURCE = "information_schema.tables"


def is_measurable(day: date, now: datetime) -> bool:
    """Whether what is read now is of that day: a server tells only how it is."""
    return day in {now.date(), (now - GRACE).date()}


def measure_tables(endpoint: Endpoint, databases: Sequence[str] | None, day: date) -> TablesOfDay:
    """The sizes as they are now. Raises ServerError where they cannot be told at all."""
    session, facts = monitoring_session(endpoint, _SECONDS)
    with closing(session):
        reading = read_tables(session, facts, databases)
        sizes = _value(reading)
        files = read_file_sizes(session, facts, {(each.database, each.table) for each in sizes})
        room = read_room(session, facts)
        known = files.value or {}
        return TablesOfDay(
            **_of(session, facts, day),
            source=TABLES_SOURCE,
            lacks=_lacks(reading),
            file_source=file_source(facts) if files.value is not None else "",
            free=room.free,
            free_source=room.source,
            tables=tuple(
                (
                    *(each.database, each.table, each.engine, each.data, each.index, each.reclaimable, each.rows),
                    known.get((each.database, each.table)),
                )
                for each in sizes
            ),
        )


def measure_indexes(
    endpoint: Endpoint, databases: Sequence[str] | None, day: date
) -> tuple[IndexesOfDay, QueriesOfDay]:
    """The counts as they are now, and the statements. Raises ServerError where they cannot be told at all.

    A server that does not tell its statements has a record without any, which says why.
    """
    session, facts = monitoring_session(endpoint, _SECONDS)
    with closing(session):
        reading, source = indexes_and_source(session, facts, databases)
        indexes = _value(reading)
        common = _of(session, facts, day)
        record = IndexesOfDay(
            **common,
            source=source,
            lacks=_lacks(reading),
            indexes=tuple(
                (
                    *(each.database, each.table, each.name, each.columns, each.is_unique, each.is_needed),
                    *(each.reads, each.bytes),
                )
                for each in indexes
            ),
        )
        digests = read_digests(session, facts)
    queries = QueriesOfDay(
        **common,
        source=DIGEST_SOURCE if digests.value is not None else "",
        lacks=_lacks(digests),
        queries=tuple(
            (
                *(each.database, each.digest, each.text, each.count, each.seconds, each.longest),
                *(each.rows_examined, each.rows_sent),
            )
            for each in digests.value or ()
        ),
    )
    return record, queries


def _of(session: Session, facts: ServerFacts, day: date) -> dict[str, Any]:
    taken = datetime.now(UTC).replace(microsecond=0)
    return {
        "tool": f"chom_pipelines {__version__}",
        "server": session.endpoint.name,
        "day": day,
        "taken": taken,
        "started": taken - timedelta(seconds=int(status(session, "Uptime"))),
        "version": facts.label,
    }


def _value(reading: Reading[T]) -> T:
    if reading.value is None:
        first = reading.lacks[0] if reading.lacks else None
        what = reading.failure or (first.why if first else "nothing was told")
        raise ServerError(f"{reading.collector}: {what}", first.remedy if first else "")
    return reading.value


def _lacks(reading: Reading[object]) -> tuple[str, ...]:
    told = tuple(f"{lack.why}: {lack.remedy}" for lack in reading.lacks)
    return (*told, reading.failure) if reading.failure else told
