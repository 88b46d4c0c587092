"""Settings with which a server keeps writes out of its binary log, or in a form that is not replayed to the same rows.

What a session leaves out for itself (`sql_log_bin=0`) is seen by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chom_pipelines.errors import MissingPrivilegeError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, ServerFacts
from chom_pipelines.server.questions import status

_ROW, _STATEMENT = "ROW", "STATEMENT"
_THEN = "then `chom backup --type incremental`, and after it a full backup"


@dataclass(frozen=True)
class BinlogSettings:
    """Those of one server that decide what is in its binary log."""

    formats: tuple[str, ...]
    """binlog_format, as ROW; of a file that was written with several all of them, the last one last."""
    only: tuple[str, ...] = ()
    """binlog_do_db: the only databases that are logged; (): all are."""
    ignored: tuple[str, ...] = ()
    """binlog_ignore_db."""
    updates_off: str | None = None
    """The variable that is OFF, of a server that replicates another one and does not log what it replicates."""


@dataclass(frozen=True)
class SettingsNow:
    """What a server answers; those that take a restart to be changed hold `since` its start, by its clock."""

    settings: BinlogSettings
    since: datetime
    asked: datetime
    """When it answered, by its own clock, in whole seconds: no file that was closed before was closed later."""


@dataclass(frozen=True)
class Lack:
    """What is not in a binary log and why, and what mends it.

    Where it does not `matter` for certain, rows of all that is backed up are in the log; statements that sessions made
    in the databases that are left out may be missing, and whether there were any is not known.
    """

    what: str
    remedy: str
    matters: bool = True


AS_TEXT = Lack(
    "rows of statements that sessions with a binlog_format of their own had logged as text, which may do something "
    "else in a replay, as UUID() does",
    f"find what sets binlog_format, have it use ROW, {_THEN}",
    matters=False,
)
"""Of a log that is written with ROW, and has changes of rows as text all the same."""

TEXT_OF_OTHERS = Lack(
    "what changes of databases that are not backed up, where they were logged as text, did to those that are, by "
    "triggers, functions or views",
    f"SET GLOBAL binlog_format = 'ROW', also in my.cnf; or back up all databases; {_THEN}",
    matters=False,
)
"""Of a log with changes of rows as text, whatever they name, where some databases alone are backed up."""


def clock(session: Session) -> datetime:
    """The server's time, cut off to whole seconds as those in its log are."""
    return datetime.fromtimestamp(int(session.value("SELECT UNIX_TIMESTAMP()")), UTC)


def read_binlog_settings(session: Session, facts: ServerFacts) -> SettingsNow:
    """Ask the server.

    While a server runs, only binlog_format can be changed, and whether it replicates.
    Takes what reading the position of the binary log takes; raises MissingPrivilegeError without it.
    """
    now = clock(session)
    running = int(status(session, "Uptime"))
    shown = next(iter(session.dicts(facts.binlog_status_statement)), {})
    settings = BinlogSettings(
        formats=(_variable(session, "binlog_format") or _ROW,),  # a server that has none logs rows
        only=_names(shown.get("Binlog_Do_DB")),
        ignored=_names(shown.get("Binlog_Ignore_DB")),
        updates_off=facts.updates_off if facts.updates_off and _replicates(session, facts) else None,
    )
    return SettingsNow(settings, since=now - timedelta(seconds=running), asked=now)


def lacks(settings: BinlogSettings, databases: Sequence[str] | None) -> tuple[Lack, ...]:
    """What is not in a log that is written with these settings; `databases` are backed up, None: all are. Pure."""
    return tuple(_lacks(settings, databases))


def _lacks(settings: BinlogSettings, databases: Sequence[str] | None) -> Iterator[Lack]:
    if settings.updates_off:
        what = f"{settings.updates_off} = OFF keeps all that this replica gets from its source out of its binary log"
        yield Lack(what, f"my.cnf: [mysqld] {settings.updates_off} = ON, restart it, {_THEN}")
    if settings.only:
        names = ", ".join(settings.only)
        matters = databases is None or not set(databases) <= set(settings.only)
        yield _filtered(settings, "binlog_do_db", names, f"every database but {names}", matters=matters)
    if settings.ignored:
        names = ", ".join(settings.ignored)
        yield _filtered(settings, "binlog_ignore_db", names, names, matters=_hits(settings.ignored, databases))
    if _STATEMENT in settings.formats:
        what = "binlog_format = STATEMENT logs statements that may do something else in a replay, as UUID() does"
        yield Lack(what, f"SET GLOBAL binlog_format = 'ROW', also in my.cnf; have every client connect anew; {_THEN}")


def _filtered(settings: BinlogSettings, setting: str, names: str, without: str, *, matters: bool) -> Lack:
    """Rows are left out by the database of their table, and all that is logged as text by the session's own."""
    of_rows = f"rows of {without} out of the binary log, and TRUNCATE, DDL and GRANT"
    of_text = f"{without} out of the binary log, and each statement that is logged as text"
    is_rows = set(settings.formats) == {_ROW}
    kept = of_rows if is_rows else of_text
    what = f"{setting} = {names} keeps {kept} of sessions whose default database it leaves out, whatever they name"
    return Lack(what, f"my.cnf: take {setting} out, restart the server, {_THEN}", matters or not is_rows)


def _hits(ignored: Sequence[str], databases: Sequence[str] | None) -> bool:
    if databases is None:  # all but the server's own, which no restore replays unless it is asked for accounts
        return bool({name.lower() for name in ignored} - SYSTEM_DATABASES)
    return bool({name.lower() for name in ignored} & {name.lower() for name in databases})


def _names(text: object) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in str(text or "").split(","))))


def _replicates(session: Session, facts: ServerFacts) -> bool:
    try:
        return bool(session.rows(facts.replica_status_statement))
    except MissingPrivilegeError:  # MariaDB tells it to few; what it has replicated it tells everyone
        return bool(_variable(session, "gtid_slave_pos"))


def _variable(session: Session, name: str) -> str:
    return next((str(value) for _, value in session.rows(f"SHOW GLOBAL VARIABLES LIKE '{name}'")), "")
