"""An oracle for recoveries: it stops the writers of a server for an instant, and notes where it is and what it holds.

It asks the server alone, by statements of its own: nothing of the project's archive, digests or positions is in it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace, Target, ThroughGtid
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.servers import PrivateServer

KINDS = ("place", "time", "gtid")
_OWN = "'mysql', 'sys', 'information_schema', 'performance_schema'"
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_LINEAR = ("float", "double")
_TEXT = ("char", "text", "blob", "binary", "enum", "set")


@dataclass(frozen=True)
class Moment:
    """Where the server stood, and what was in it then: of each object a digest, or its definition."""

    number: int
    kind: str
    time: datetime
    place: BeforePlace
    gtid: str
    holds: Mapping[str, str]

    @property
    def target(self) -> Target:
        """What a recovery to it is told."""
        if self.kind == "time":
            return AtTime(self.time)
        return ThroughGtid(self.gtid) if self.kind == "gtid" else self.place

    def differences(self, found: Mapping[str, str]) -> list[str]:
        """What another server has not as it was then."""
        return [
            f"{name}\n    was {self.holds.get(name, 'not there')}\n    is  {found.get(name, 'not there')}"
            for name in sorted({*self.holds, *found})
            if self.holds.get(name) != found.get(name)
        ]


@dataclass(frozen=True)
class Oracle:
    """Notes moments of a server."""

    server: PrivateServer

    def note(self, number: int) -> Moment:
        """Stop all writers, read, let go.

        Of a moment that is found again by its time MariaDB's log has whole seconds only: writers stand still, with no
        statement begun, until the next second (`still` of the workload sees to that before).
        """
        kind = KINDS[number % len(KINDS)]
        with self.server.connect() as session:
            session.execute("FLUSH TABLES WITH READ LOCK")
            now = session.value("SELECT SYSDATE(6)").replace(tzinfo=UTC)
            (file, position, *_) = session.rows(self.server.facts.binlog_status_statement)[0]
            gtid = session.value(f"SELECT @@global.{self.server.facts.gtid_variable}").replace("\n", "")
            moment = Moment(number, kind, now, BeforePlace(file, int(position)), gtid, holds(session))
            if kind == "time" and self.server.flavour is Flavour.MARIADB:
                while session.value("SELECT SYSDATE()").replace(tzinfo=UTC) <= now:
                    time.sleep(0.02)
            session.execute("UNLOCK TABLES")
        return moment


def holds(session: Session) -> dict[str, str]:
    """All that is in a server that is not the server's own, by what it is: definitions, and digests of rows."""
    with _as_it_is(session):
        return dict([*_tables(session), *_programs(session), *_accounts(session)])


@contextmanager
def _as_it_is(session: Session) -> Iterator[None]:
    session.execute("SET SESSION sql_mode = ''")
    session.execute("USE mysql")
    yield


def _tables(session: Session) -> Iterator[tuple[str, str]]:
    columns: dict[tuple[str, str], list[str]] = {}
    found = session.rows(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema NOT IN ({_OWN}) ORDER BY 1, 2, ordinal_position"
    )
    for database, table, column, kind in found:
        columns.setdefault((database, table), []).append(_plain(f"`{column}`", str(kind).lower()))
    for (database, table), values in columns.items():
        name = f"`{database}`.`{table}`"
        definition = _COUNTER.sub("", str(session.rows(f"SHOW CREATE TABLE {name}")[0][1]))
        versions = " FOR SYSTEM_TIME ALL" if "WITH SYSTEM VERSIONING" in definition else ""
        if versions:
            values = [*values, _plain("row_start", "timestamp"), _plain("row_end", "timestamp")]  # noqa: PLW2901
        row = f"SHA2(CONCAT_WS('|', {', '.join(values)}), 256)"
        parts = ", ".join(f"SUM(CAST(CONV(SUBSTR(h, {at}, 12), 16, 10) AS UNSIGNED))" for at in (1, 13, 25))
        rows = session.row(f"SELECT COUNT(*), {parts} FROM (SELECT {row} AS h FROM {name}{versions}) hashed")
        yield f"table {name}", f"{'/'.join(map(str, rows or ()))} {definition}"
    for (database,) in session.rows(
        f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({_OWN})"
    ):
        yield f"database {database}", str(session.rows(f"SHOW CREATE DATABASE `{database}`")[0][1])


def _plain(column: str, kind: str) -> str:
    """A value as text from which no two values come."""
    if kind in _LINEAR:
        text = f"CAST({column} * 1e0 AS CHAR)"
    elif kind == "json":
        text = f"SHA2(CAST({column} AS CHAR CHARACTER SET utf8mb4), 256)"
    elif kind == "bit" or kind.endswith(_TEXT) or kind in {"geometry", "point"}:
        text = f"SHA2({column}, 256)"
    else:
        text = f"CAST({column} AS CHAR)"
    return f"IFNULL({text}, 'none')"


def _programs(session: Session) -> Iterator[tuple[str, str]]:
    schema = "information_schema"
    for database, name, kind, body, mode in session.rows(
        f"SELECT routine_schema, routine_name, routine_type, routine_definition, sql_mode FROM {schema}.routines "
        f"WHERE routine_schema NOT IN ({_OWN})"
    ):
        yield f"{kind} {database}.{name}", f"{mode} {body}"
    for database, name, table, body, mode in session.rows(
        f"SELECT trigger_schema, trigger_name, event_object_table, action_statement, sql_mode FROM {schema}.triggers "
        f"WHERE trigger_schema NOT IN ({_OWN})"
    ):
        yield f"trigger {database}.{name}", f"{table} {mode} {body}"
    # an event for one time is disabled while it runs for that, before it is dropped; only the drop is logged
    asked = "IF(event_type = 'ONE TIME' AND on_completion = 'NOT PRESERVE', 'once', status)"
    for database, name, status, body, zone in session.rows(
        f"SELECT event_schema, event_name, {asked}, event_definition, time_zone FROM {schema}.events "
        f"WHERE event_schema NOT IN ({_OWN})"
    ):
        yield f"event {database}.{name}", f"{status} {zone} {body}"


def _accounts(session: Session) -> Iterator[tuple[str, str]]:
    for user, host in session.rows("SELECT User, Host FROM mysql.user WHERE User LIKE 'oracle%'"):
        grants = session.rows(f"SHOW GRANTS FOR '{user}'@'{host}'")
        secret = session.rows(f"SHOW CREATE USER '{user}'@'{host}'")[0][0]
        yield f"account {user}@{host}", "; ".join([str(secret), *(str(grant) for (grant,) in grants)])
