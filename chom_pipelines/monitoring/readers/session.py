"""A connection for looking at a server that must not weigh on it: every wait and every statement has an end."""

from __future__ import annotations

from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts, read_facts

STATEMENT_SECONDS = 5.0
"""The longest that one question may take, in the server as well as here."""
_LOCK_SECONDS = 2
_GRACE = 1.0
"""After it the connection is given up, where a server does not end a statement when it should."""
_NEVER_SLOW = 3600
"""long_query_time, so that what is asked here does not count as slow: MariaDB counts it with its log off, too."""


def monitoring_session(endpoint: Endpoint, seconds: float = STATEMENT_SECONDS) -> tuple[Session, ServerFacts]:
    """An open connection whose statements end after `seconds`, and what the server is. Close it.

    MySQL is told to answer with sizes as they are: it keeps them for a day otherwise.

    Raises the errors of Session.
    """
    session = Session(endpoint, connect_timeout=seconds, patience=seconds, purpose="monitor")
    try:
        facts = read_facts(session)
        settings = {"lock_wait_timeout": str(_LOCK_SECONDS), "long_query_time": str(_NEVER_SLOW)}
        if facts.caches_statistics:
            settings["information_schema_stats_expiry"] = "0"
        session.execute("SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
        limit(session, facts, seconds, seconds + _GRACE)
    except BaseException:  # an interrupt, too, leaves no connection open
        session.close()
        raise
    return session, facts


def limit(session: Session, facts: ServerFacts, seconds: float, patience: float) -> None:
    """Have the server end each statement after `seconds`, and give the connection up after `patience`, which is more.

    Raises the errors of Session.
    """
    session.give_up_after(patience)
    if facts.is_mariadb:
        session.execute(f"SET SESSION max_statement_time = {seconds:.3f}")
    else:
        session.execute(f"SET SESSION max_execution_time = {max(1, round(1000 * seconds))}")
