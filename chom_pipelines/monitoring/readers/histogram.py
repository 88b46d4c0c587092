"""How long statements take, as a histogram that the server itself keeps, of both families.

MySQL: performance_schema.events_statements_histogram_global, 50 buckets for each power of ten, of which each tenth is
shown. MariaDB: the plugin query_response_time, whose bounds are powers of its query_response_time_range_base.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chom_pipelines.errors import MissingPrivilegeError, ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need
from chom_pipelines.server.questions import current_account
from chom_pipelines.server.variables import read_variables

HISTOGRAM = "query_histogram"
"""The collector, and the capability."""

_PICO = 1e12
_EACH = 10
_LAST = 449
_OF_MYSQL = (
    "SELECT bucket_number, bucket_timer_high, count_bucket_and_lower"
    " FROM performance_schema.events_statements_histogram_global ORDER BY bucket_number"
)
_SUM = "SELECT SUM(sum_timer_wait) FROM performance_schema.events_statements_summary_global_by_event_name"
_PLUGIN = (
    "INSTALL SONAME 'query_response_time'; SET GLOBAL query_response_time_range_base = 2;"
    " SET GLOBAL query_response_time_stats = ON; FLUSH QUERY_RESPONSE_TIME; and in my.cnf:\n"
    "[mariadbd]\nplugin_load_add = query_response_time\nquery_response_time_stats = ON\n"
    "query_response_time_range_base = 2"
)


@dataclass(frozen=True)
class Histogram:
    """`buckets`: of each upper bound, in seconds, how many statements took no longer; the last bound is infinite.

    `total_seconds` is what all took together.
    """

    buckets: tuple[tuple[float, int], ...]
    total_seconds: float

    @property
    def count(self) -> int:
        """Of all statements."""
        return self.buckets[-1][1]


def read_histogram(session: Session, facts: ServerFacts) -> Reading[Histogram]:
    """Read it; without a source there is none, and a Lack. Raises nothing for what a server refuses."""
    started = time.monotonic()
    try:
        found = _of_mariadb(session) if facts.is_mariadb else _of_mysql(session)
    except ServerError as error:
        return Reading(HISTOGRAM, None, time.monotonic() - started, failure=error.what)
    seconds = time.monotonic() - started
    if isinstance(found, Lack):
        return Reading(HISTOGRAM, None, seconds, lacks=(found,))
    return Reading(HISTOGRAM, found, seconds, capabilities=(HISTOGRAM,))


def _of_mysql(session: Session) -> Histogram | Lack:
    if read_variables(session, ("performance_schema",)).get("performance_schema") != "ON":
        why = "performance_schema is off, so that nothing counts how long statements take"
        return Lack(HISTOGRAM, why, "in my.cnf, then restart:\n[mysqld]\nperformance_schema = ON")
    try:
        enabled = session.value(
            "SELECT enabled FROM performance_schema.setup_consumers WHERE name = 'statements_digest'"
        )
        if enabled != "YES":
            why = "the consumer statements_digest is off in performance_schema, which fills the histogram"
            on = "UPDATE performance_schema.setup_consumers SET enabled = 'YES' WHERE name = 'statements_digest';"
            return Lack(HISTOGRAM, why, on)
        rows, total = session.rows(_OF_MYSQL), session.value(_SUM)
    except MissingPrivilegeError:
        user, host = current_account(session)
        grant = Need("SELECT", "`performance_schema`.*", "").grant(user, host)
        return Lack(HISTOGRAM, "SELECT on `performance_schema`.* is missing: it sees how long statements take", grant)
    return Histogram(tuple(of_mysql(rows)), float(total or 0) / _PICO)


def of_mysql(rows: Iterable[Row]) -> Iterator[tuple[float, int]]:
    """Each tenth of its cumulative buckets, among which are the powers of ten: (number, picoseconds, count). Pure."""
    for number, high, count in rows:
        if number == _LAST:
            yield float("inf"), int(count)
        elif number % _EACH == 0:
            yield float(f"{int(high) / _PICO:.3g}"), int(count)


def _of_mariadb(session: Session) -> Histogram | Lack:
    settings = read_variables(session, ("query_response_time_stats",))
    if not settings:
        return Lack(HISTOGRAM, "the plugin query_response_time is not installed: nothing else counts that", _PLUGIN)
    if settings.get("query_response_time_stats") != "ON":
        why = "query_response_time_stats is off, so that nothing counts how long statements take"
        return Lack(HISTOGRAM, why, _PLUGIN.partition("; ")[2])
    return of_mariadb(session.rows("SELECT time, count, total FROM information_schema.QUERY_RESPONSE_TIME"))


def of_mariadb(rows: Iterable[Row]) -> Histogram:
    """Of its rows (bound, count, total), each for itself, the last without a bound. Pure."""
    buckets: list[tuple[float, int]] = []
    count, total = 0, 0.0
    for bound, number, seconds in rows:
        count += int(number)
        is_last = not _is_number(bound)
        if _is_number(seconds):
            total += float(seconds)
        elif number:  # what took too long has no sum: it took its bound at the least
            total += int(number) * buckets[-1][0]
        buckets.append((float("inf") if is_last else float(bound), count))
    return Histogram(tuple(buckets), total)


def _is_number(text: object) -> bool:
    return str(text).strip().replace(".", "", 1).isdigit()
