"""A private server that was just filled writes for minutes what it has in memory; what is measured begins after that.

Else its files would have most of the data twice, in pages and in the redo log, which no server has that has run for a
while: of 1.5 GB generated, a physical backup had 441 MB of log, and preparing it took 3.0 s of 6.7 s.
"""

from __future__ import annotations

import time

from chom_pipelines.server.connection import Session
from chom_pipelines.server.questions import status
from chom_pipelines.server.scratch import ScratchServer
from chom_pipelines.server.variables import read_variables

_AT_ONCE = {
    "innodb_io_capacity_max": 100_000,  # pages in a second: with the default, 200, MariaDB took two minutes for 300 MB
    "innodb_io_capacity": 100_000,
    "innodb_max_dirty_pages_pct_lwm": 0,
    "innodb_max_dirty_pages_pct": 0,
}
"""In this order, and back in the other one: two of them may not be larger than another one of them."""

_PAGES, _LOG = 100, 1 << 20
"""Pages and bytes of log that statistics and the like leave at any time."""

_POLL_SECONDS, _MOST_SECONDS = 0.1, 300.0


def come_to_rest(server: ScratchServer) -> bool:
    """Have all pages written, and say whether that is done: after five minutes it is left to the server."""
    with Session(server.endpoint) as session:
        before = read_variables(session, _AT_ONCE)
        try:
            for name, value in _AT_ONCE.items():
                session.execute(f"SET GLOBAL {name} = {value}")
            deadline = time.monotonic() + _MOST_SECONDS
            while not _at_rest(session):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_SECONDS)  # the server tells nobody that it has written all
            return True
        finally:
            for name in reversed(_AT_ONCE):
                session.execute(f"SET GLOBAL {name} = {before[name]}")


def _at_rest(session: Session) -> bool:
    """By the pages that wait, and the log that a recovery would read, which MySQL before 8.0.30 does not tell."""

    def number(name: str) -> int:
        return int(status(session, f"Innodb_{name}") or 0)

    # each family has names of its own, and none of the other's
    log = number("checkpoint_age") + number("redo_log_current_lsn") - number("redo_log_checkpoint_lsn")
    dirty = status(session, "Innodb_buffer_pool_pages_dirty")
    return bool(dirty) and int(dirty) <= _PAGES and log <= _LOG
