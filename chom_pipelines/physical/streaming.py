"""Reading a MariaDB's data files: mariadb-backup streams them while the server writes, with no copy in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.errors import BackupFailedError, DamagedError, DefinitionChangedError, ServerError
from chom_pipelines.physical.chunks import Chunk, MovedError, chunks
from chom_pipelines.physical.file_order import Files
from chom_pipelines.physical.listed_pages import listed_pages
from chom_pipelines.physical.notes import Notes
from chom_pipelines.physical.program import file_stream
from chom_pipelines.physical.storing import REPORT, WITHOUT_DDL, FilesRead, Sink, Streamed
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.programs import backup_program
from chom_pipelines.server.questions import status
from chom_pipelines.server.versions import dotted


def stream_files(endpoint: Endpoint, facts: ServerFacts, sink: Sink, since: int = 0) -> FilesRead:
    """Store all files of the server; with `since`, of InnoDB's what was changed after that log sequence number.

    Raises ProgramMissingError; BackupFailedError where the stream was not that of this server, all of it;
    DefinitionChangedError, LockNotObtainedError.
    """
    program, streamed = backup_program(), Streamed()
    with Session(endpoint) as session:
        earliest, before = log_sequence_number(session), _tablespaces(session)
        listed = str(session.value("SELECT @@innodb_buffer_pool_filename"))
    with file_stream(program, endpoint, sink.threads, since) as stream:
        try:
            files = chunks(stream.pipe.read)
            if not since and "/" not in listed:  # else it is kept elsewhere
                files = _with_list(files, Path(facts.variables["datadir"]) / listed, streamed.files)
            sink.stored(files, streamed, stream.refuse_failure)
        except MovedError as error:
            raise DefinitionChangedError(f"{sink.server}: {error.what}", WITHOUT_DDL) from error
        except DamagedError as error:
            if stream.ended:
                stream.refuse_failure()  # which says more where the program has ended early
            raise BackupFailedError(f"{sink.server}: the stream of mariadb-backup: {error.what}", REPORT) from error
    notes = Notes(streamed.notes)
    try:
        from_lsn, to_lsn, last_lsn = (notes.number(name) for name in ("from_lsn", "to_lsn", "last_lsn"))
        position = notes.position
    except DamagedError as error:
        raise BackupFailedError(f"{sink.server}: mariadb-backup: {error.what}", REPORT) from error
    if from_lsn != since:
        what = f"{sink.server}: mariadb-backup read what was changed after {from_lsn}, and not after {since}"
        raise BackupFailedError(what, REPORT)
    if facts.logs_binary and position is None:
        raise BackupFailedError(f"{sink.server}: the binary log's position is not in the stream", REPORT)
    with Session(endpoint) as session:
        _refuse_others_files(session, earliest, last_lsn)
        _refuse_lacking(session, before, streamed.files.paths)
        end = _with_gtid(session, position) if position and facts.logs_binary else None
    return FilesRead(
        objects=streamed.objects,
        files=len(streamed.files.paths),
        tables=streamed.tables,
        as_of=streamed.as_of or datetime.now(UTC),
        end=end,
        from_lsn=from_lsn,
        to_lsn=to_lsn,
        program=f"{program.path.name} {dotted(program.version)}",
    )


def _with_list(stream: Iterator[Chunk], path: Path, files: Files) -> Iterator[Chunk]:
    """The stream, and behind it the list of pages, unless nothing has come or it is there already."""
    yield from stream
    if files.paths and path.name not in files.paths:
        yield from listed_pages(path)


def _refuse_others_files(session: Session, earliest: int, last: int) -> None:
    """Raise BackupFailedError unless the log in the files ends where this server's did meanwhile.

    A server elsewhere may have a data directory of the same name as another one here.
    """
    latest = log_sequence_number(session)
    if not earliest <= last <= latest:
        where = session.endpoint.where
        what = f"{where}: the files that were read are not this server's: their log ends at {last}, "
        what += f"and the server's went from {earliest} to {latest} meanwhile"
        raise BackupFailedError(what, "run chom where this server's data directory is; nothing was published")


_FILES = (".ibd", ".ibd.delta", ".new")
"""Endings of a table's file in the stream: whole, its changed pages, and whole where it was made a moment ago."""


def _tablespaces(session: Session) -> frozenset[tuple[int, str]]:
    """Number and name of the file of each table or partition that has its own, but of what ALTER TABLE makes."""
    rows = session.rows("SELECT SPACE, NAME FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE '%/%'")
    return frozenset((int(space), str(name)) for space, name in rows if "/#sql" not in str(name))


def _refuse_lacking(session: Session, before: frozenset[tuple[int, str]], paths: frozenset[str]) -> None:
    """Raise BackupFailedError where a file is not in the stream that the server had all the time.

    mariadb-backup passes by, with no word, what IMPORT TABLESPACE has put there since the server's last checkpoint.
    """
    known = before & _tablespaces(session)
    lacking = sorted(name for _, name in known if not paths & {name + ending for ending in _FILES})
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        what = f"{session.endpoint.where}: mariadb-backup has left out the file of {lacking[0]}{more}"
        remedy = "run again in a minute, when the server has written a checkpoint; nothing was published"
        raise BackupFailedError(what, remedy)


def log_sequence_number(session: Session) -> int:
    """Where InnoDB's redo log stands. Raises ServerError where that is not told."""
    told = status(session, "Innodb_lsn_current")
    if not told:
        raise ServerError(f"{session.endpoint.where}: it does not tell its log sequence number", "use method: logical")
    return int(told)


def _with_gtid(session: Session, position: Position) -> Position:
    """The position with the GTIDs that the binary log has up to there.

    mariadb-backup notes down the server's current position, which on a replica has those of other logs as well.
    """
    known = gtid_at(session, position)
    return position if known is None else position.model_copy(update={"gtid": known or None})


def gtid_at(session: Session, position: Position) -> str | None:
    """The GTIDs up to a place of the server's binary log; None: there is no such place."""
    found = session.value(f"SELECT BINLOG_GTID_POS({literal(position.file)}, {position.position})")
    return None if found is None else str(found)
