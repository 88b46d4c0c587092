"""Questions that several parts of this project have for a server: who asks, what there is, how it runs."""

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, ServerFacts
from chom_pipelines.server.identifiers import literal

SYSTEM = f"({', '.join(map(literal, sorted(SYSTEM_DATABASES)))})"
"""The server's own databases, as a list of SQL."""


def current_account(session: Session) -> tuple[str, str]:
    """User and host of the account, as GRANT names it."""
    user, _, host = str(session.value("SELECT CURRENT_USER()")).rpartition("@")
    return user, host


def shown_grants(session: Session) -> tuple[str, ...]:
    """The lines of SHOW GRANTS."""
    return tuple(str(line) for (line, *_) in session.rows("SHOW GRANTS"))


def databases_there(session: Session) -> tuple[str, ...]:
    """Those that it shows to this account, without its own, by name.

    As they are written: where the case of names counts, `Sys` is somebody's own.
    """
    return tuple(sorted({str(name) for (name,) in session.rows("SHOW DATABASES")} - SYSTEM_DATABASES))


def tell_current_sizes(session: Session, facts: ServerFacts) -> None:
    """Have information_schema ask the engines; MySQL's answers are up to a day old else."""
    if facts.caches_statistics:
        session.execute("SET SESSION information_schema_stats_expiry = 0")


def status(session: Session, name: str) -> str:
    """A global status variable; "": it has none of that name."""
    return next((str(value) for _, value in session.rows(f"SHOW GLOBAL STATUS LIKE '{name}'")), "")
