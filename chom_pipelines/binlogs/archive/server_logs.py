"""What a server tells of its binary log: which files it has, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chom_pipelines.errors import ServerError, UnsupportedServerError
from chom_pipelines.repository.log_name import InLogFile, is_log_name
from chom_pipelines.server.binlog_settings import clock
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_MYSQL_ENCRYPTION_HEADER = 512
"""Bytes; measured with MySQL 9.7: a file of 2270 bytes is sent as 1758."""


@dataclass(frozen=True)
class ServerLog(InLogFile):
    """A file of the binary log and how many bytes of it the server sends, of the last one as of when it was asked."""

    file: str
    bytes: int
    written: datetime | None = None
    """The server still wrote it at this time, by its own clock; None: nobody asked."""


def server_logs(session: Session, facts: ServerFacts) -> list[ServerLog]:
    """The files that the server has, in their order; the last one is the one that it writes.

    Raises UnsupportedServerError where it writes none, MissingPrivilegeError.
    """
    if not facts.logs_binary:
        what = f"{session.endpoint.where}: the server writes no binary log, so there is nothing to archive"
        raise UnsupportedServerError(what, "set log_bin = mysql-bin in its configuration and restart it")
    found = [ServerLog(str(row[0]), _sent(row)) for row in session.rows("SHOW BINARY LOGS")]
    for each in found:
        if not is_log_name(each.file):
            raise ServerError(f"{session.endpoint.where}: {each.file!r} is no name of a file of a binary log")
    return found


def _sent(row: Sequence[object]) -> int:
    """Of a row of SHOW BINARY LOGS; a file that MySQL encrypts begins with a header of its own, which it keeps."""
    size = int(str(row[1]))
    return size - _MYSQL_ENCRYPTION_HEADER if row[2:] == ("Yes",) else size


def rotate(session: Session) -> None:
    """Have the server close the file that it writes, and begin another one; raises MissingPrivilegeError."""
    session.execute("FLUSH BINARY LOGS")


def rotated(session: Session, facts: ServerFacts) -> list[ServerLog]:
    """The files after that, with the time up to which the one that it closed was certainly written.

    A server without a binary log is refused before it is asked to do anything.
    """
    now = clock(session)
    closed = server_logs(session, facts)[-1].file
    rotate(session)
    return [replace(each, written=now) if each.file == closed else each for each in server_logs(session, facts)]
