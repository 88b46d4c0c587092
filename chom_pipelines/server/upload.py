"""LOAD DATA LOCAL from a stream, below PyMySQL's cursor: what is loaded lies in no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import pymysql
from pymysql.constants import COMMAND

from chom_pipelines.errors import ConnectionFailedError
from chom_pipelines.server.connection import Session, translated

UPLOAD = 1 << 19
"""Bytes of a packet of rows: below any server's max_allowed_packet (1 MiB at least in every supported default)."""


def load(session: Session, sql: str, chunks: Iterable[bytes], sent: Callable[[int], None]) -> int:
    """Run a LOAD DATA LOCAL INFILE statement whose file is `chunks`; return the affected rows.

    `sent` is told the bytes of each chunk. Needs a session with local_infile=True. Where reading the chunks fails, the
    connection is closed, so that the server rolls the statement back.
    """
    raw = cast("Any", session.raw)
    try:
        raw._execute_command(COMMAND.COM_QUERY, sql)
        packet = raw._read_packet()
        if not packet.is_load_local_packet():
            message = f"{session.endpoint.where}: the server did not ask for the data of LOAD DATA"
            raise ConnectionFailedError(message, "SET GLOBAL local_infile = 1 on the target")
        for chunk in chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), UPLOAD):
                raw.write_packet(view[start : start + UPLOAD])
            sent(len(chunk))
        raw.write_packet(b"")
        answer: Any = pymysql.connections.MySQLResult(raw)
        answer.first_packet = raw._read_packet()
        answer._read_ok_packet(answer.first_packet)
    except pymysql.MySQLError as error:
        raise translated(error, session.endpoint) from error
    except BaseException:  # the server waits for data in the middle of a statement: nothing else ends that
        session.close()
        raise
    return int(answer.affected_rows)
