"""Replay by replication: a private server has the archived files as its own binary log, and the target replicates them.

That is how servers apply a log themselves, ten times as fast as its text, and with a condition of their own for the
end. The files are copies: the private server appends to the last one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from chom_pipelines.binlogs.client_replay import LogFile
from chom_pipelines.binlogs.replica import Replica, Source
from chom_pipelines.progress import Report
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.scratch import free_port, listening_on, scratch_server, with_binary_log

_USER = "chom_replay"
_SERVER_ID = 2_147_483_001
"""Of the archive server; what it serves keeps the ids of the servers that wrote it."""


def replay_by_replication(
    files: Sequence[LogFile], begin: Position, end: Position, target: Endpoint, *, flavour: Flavour, report: Report
) -> None:
    """Have a private target, started with `as_replica`, replicate these files from `begin` up to `end`.

    Returns only where it stands exactly there. Raises RestoreFailedError with the server's error and the place of the
    event, ScratchServerError.
    """
    base = files[0].path.with_suffix("")
    base.with_suffix(".index").write_text("".join(f"{file.path}\n" for file in files))
    port, password = free_port(), secrets.token_urlsafe(24)
    options = with_binary_log(flavour, _SERVER_ID, str(base))
    if not end.gtid:
        options = without_gtids(options)
    with scratch_server(flavour, options=(*options, *listening_on(port))) as server:
        with Session(server.endpoint) as session:
            session.execute("SET SESSION sql_log_bin = 0")
            session.execute(f"CREATE USER {_USER}@'127.0.0.1' IDENTIFIED BY {literal(password)}")
            session.execute(f"GRANT REPLICATION SLAVE ON *.* TO {_USER}@'127.0.0.1'")
        with Session(target) as session:
            Replica(session, flavour).replicate(Source(port, _USER, password), begin, end, report)


def without_gtids(options: Sequence[str]) -> tuple[str, ...]:
    """For a log without any: a server that has them takes nothing from it, and MySQL 9 has them unless told not to."""
    return tuple(option.replace("=ON", "=OFF") if "gtid" in option else option for option in options)
