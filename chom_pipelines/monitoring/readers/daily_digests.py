"""The statements that took a server's time, as kept for each day: their digests, never the values in them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, missing
from chom_pipelines.server.questions import current_account, shown_grants
from chom_pipelines.server.variables import read_variables

DIGESTS = "statement_digests"
"""The capability."""

SOURCE = "performance_schema.events_statements_summary_by_digest"
MOST = 50
_CONSUMERS = "performance_schema.setup_consumers"
_PICOSECONDS = 10**12
_LONGEST = 4096
_TOP = f"""
SELECT schema_name, digest, LEFT(digest_text, {_LONGEST}), count_star, sum_timer_wait, max_timer_wait,
       sum_rows_examined, sum_rows_sent
FROM {SOURCE} WHERE digest IS NOT NULL AND digest_text IS NOT NULL ORDER BY sum_timer_wait DESC LIMIT %s
"""


@dataclass(frozen=True)
class Digest:
    """One kind of statement, since the server counts. `seconds` are of all of them, `longest` of one."""

    database: str | None
    digest: str
    text: str
    count: int
    seconds: float
    longest: float
    rows_examined: int
    rows_sent: int


def read_digests(session: Session, facts: ServerFacts, most: int = MOST) -> Reading[tuple[Digest, ...]]:
    """Those that took the most time in all, first. Raises nothing for what a server refuses."""
    started = time.monotonic()
    try:
        lack = _lack(session, facts)
        rows = [] if lack else session.rows(_TOP, (most,))
    except ServerError as error:
        return Reading(DIGESTS, None, time.monotonic() - started, failure=error.what)
    if lack:
        return Reading(DIGESTS, None, time.monotonic() - started, lacks=(lack,))
    found = tuple(
        Digest(
            *(None if database is None else str(database), str(digest), str(text), int(count)),
            *(int(total) / _PICOSECONDS, int(longest) / _PICOSECONDS, int(examined), int(sent)),
        )
        for database, digest, text, count, total, longest, examined, sent in rows
    )
    return Reading(DIGESTS, found, time.monotonic() - started, (DIGESTS,))


def _lack(session: Session, facts: ServerFacts) -> Lack | None:
    if read_variables(session, ("performance_schema",)).get("performance_schema") != "ON":
        why = "performance_schema is off, so that nothing tells which statements take the time"
        section = "mariadbd" if facts.is_mariadb else "mysqld"
        return Lack(DIGESTS, why, f"in my.cnf, then restart:\n[{section}]\nperformance_schema = ON")
    wanted = Wanted("SELECT", "performance_schema", "sees which statements take the time")
    for need in missing(facts, shown_grants(session), [wanted]):
        user, host = current_account(session)
        return Lack(DIGESTS, f"{need.privilege} on {need.scope} is missing: it {need.why}", need.grant(user, host))
    if session.value(f"SELECT enabled FROM {_CONSUMERS} WHERE name = 'statements_digest'") != "YES":
        on = f"UPDATE {_CONSUMERS} SET enabled = 'YES' WHERE name = 'statements_digest';"
        return Lack(DIGESTS, "statements_digest is off in performance_schema, so that statements are not counted", on)
    return None
