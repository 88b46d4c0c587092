"""Replay by replication: a private server has the archived files as its own binary log, and the target replicates them.

That is how servers apply a log themselves, five to ten times as fast as its text, and with a condition of their own for
the end. The files are copies: the private server appends to the last one.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Sequence
from pathlib import Path

from chom_pipelines.binlogs.format.events import (
    CHECKSUM_SIZE,
    HEADER,
    HEADER_SIZE,
    MAGIC,
    Checksum,
    FormatDescription,
    Kind,
)
from chom_pipelines.binlogs.recovery.replica import Replica, Source
from chom_pipelines.binlogs.recovery.spool import LogFile
from chom_pipelines.progress import Report
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.scratch import free_port, listening_on, scratch_server, with_binary_log

_USER = "chom_replay"
_SERVER_ID = 2_147_483_001
"""Of the archive server; what it serves keeps the ids of the servers that wrote it."""

_BEGIN = 2048
"""Bytes of a file that have its first two events."""
_KIND = 4
"""Where an event says of which kind it is."""


def replay_by_replication(
    files: Sequence[LogFile], begin: Position, end: Position, target: Endpoint, *, flavour: Flavour, report: Report
) -> int | None:
    """Have a private target, started with `as_replica`, replicate these files from `begin` up to `end`.

    Returns only where it stands exactly there, with what `Replica.replicate` returns. Raises RestoreFailedError with
    the server's error and the place of the event, ScratchServerError.
    """
    for file in files:
        _note_that_it_is_decrypted(file.path)
    base = files[0].path.with_suffix("")
    base.with_suffix(".index").write_text("".join(f"{file.path}\n" for file in files))
    port, password = free_port(), secrets.token_urlsafe(24)
    options = with_binary_log(flavour, _SERVER_ID, str(base))
    options = taking(options, gtids=bool(end.gtid))
    with scratch_server(flavour, options=(*options, *listening_on(port))) as server:
        with Session(server.endpoint) as session:
            session.execute("SET SESSION sql_log_bin = 0")
            session.execute(f"CREATE USER {_USER}@'127.0.0.1' IDENTIFIED BY {literal(password)}")
            session.execute(f"GRANT REPLICATION SLAVE ON *.* TO {_USER}@'127.0.0.1'")
        with Session(target) as session:
            return Replica(session, flavour).replicate(Source(port, _USER, password), begin, end, report)


def _note_that_it_is_decrypted(path: Path) -> None:
    """A MariaDB that encrypts its log sends it decrypted, with the note that it is encrypted, which is to be ignored.

    A server that has the file does not ignore it: it is made an event that means nothing, of the same size.
    """
    with path.open("r+b") as file:
        begin = file.read(_BEGIN)
        at = len(MAGIC) + _size(begin, len(MAGIC))
        event = bytearray(begin[at : at + _size(begin, at)])
        if len(event) < HEADER_SIZE or event[_KIND] != Kind.MARIADB_START_ENCRYPTION:
            return
        checksum = FormatDescription.parse(begin[len(MAGIC) : at]).checksum
        event[_KIND] = Kind.IGNORABLE
        if checksum is not Checksum.NONE:
            event[-CHECKSUM_SIZE:] = zlib.crc32(event[:-CHECKSUM_SIZE]).to_bytes(CHECKSUM_SIZE, "little")
        file.seek(at)
        file.write(event)


def _size(begin: bytes, at: int) -> int:
    """Of the event at this position; 0 where there is none."""
    return int(HEADER.unpack_from(begin, at)[3]) if len(begin) >= at + HEADER_SIZE else 0


def taking(options: Sequence[str], *, gtids: bool) -> tuple[str, ...]:
    """For a log without any GTIDs, or with some: gtid_mode can be changed while a server runs, and both be in one log.

    A MySQL with GTIDs takes nothing that has none, and has them unless told not to; one in between takes both.
    """
    if gtids:
        return tuple(f"{option}_PERMISSIVE" if option == "--gtid-mode=ON" else option for option in options)
    return tuple(option.replace("=ON", "=OFF") if "gtid" in option else option for option in options)
