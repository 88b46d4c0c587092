"""Reading a MySQL's data files: its CLONE plugin copies them beside, and the copy is streamed as MariaDB's files are.

`CLONE LOCAL DATA DIRECTORY` is a statement of the server, which writes the copy itself: a data directory of one moment
that needs no preparation. Which moment that is, in the binary log, is told by a server that was started on it once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.errors import BackupFailedError, ChomError, DamagedError
from chom_pipelines.physical.chunks import Chunk, end_chunk, payload_chunk
from chom_pipelines.physical.notes import PLACE_OF_MYSQL, SETTINGS
from chom_pipelines.physical.serving import started
from chom_pipelines.physical.storing import REPORT, FilesRead, Sink, Streamed
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.claimed_directories import Claim, available_memory, claimed_directory, roomy_base
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.questions import SYSTEM, status
from chom_pipelines.server.versions import dotted

CONVERT = "use method: logical, or convert them: ALTER TABLE … ENGINE=InnoDB"

_CHUNK = 8 << 20
_END_SECONDS = 30.0
_KEPT = ("innodb_data_file_path", "innodb_page_size", "lower_case_table_names")
"""Settings that a server needs to be started on the files."""

_BYTES = "SELECT SUM(FILE_SIZE) FROM information_schema.INNODB_TABLESPACES"
_TABLES = (
    f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN {SYSTEM}"
)
_COPIED = ("InnoDB", "MEMORY", "BLACKHOLE", "FEDERATED", "MRG_MYISAM")
"""Engines of which a clone has everything: all that is in files, or there is nothing in files."""

_LEFT_OUT = (
    "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' "
    f"AND TABLE_SCHEMA NOT IN {SYSTEM} AND (ENGINE IS NULL OR ENGINE NOT IN ({', '.join(map(literal, _COPIED))}))"
)
_MOMENT = "SELECT BINLOG_FILE, BINLOG_POSITION, GTID_EXECUTED FROM performance_schema.clone_status"


def tables_left_out(session: Session) -> list[str]:
    """Tables whose rows the plugin does not copy, for people: a clone has them, and they are empty there."""
    return [f"{database}.{name} ({engine})" for database, name, engine in session.rows(_LEFT_OUT)]


def clone_files(endpoint: Endpoint, facts: ServerFacts, sink: Sink) -> FilesRead:
    """Store all files of the server; the copy goes again. Raises ScratchServerError, BackupFailedError, ServerError."""
    with Session(endpoint, purpose="backup") as session:
        settings = {name: str(session.value(f"SELECT @@{name}")) for name in _KEPT}
        with _cloned(session, facts) as directory:
            as_of = datetime.now(UTC)
            streamed = Streamed()
            try:
                sink.stored(_stream(directory, settings), streamed, lambda: None)
            except DamagedError as error:
                raise BackupFailedError(f"{sink.server}: its clone: {error.what}", REPORT) from error
            end, tables, lsn = _known(directory, facts, settings, _plugin(session))
    if facts.logs_binary and end is None:
        raise BackupFailedError(f"{sink.server}: its clone does not know the binary log's position", REPORT)
    return FilesRead(
        objects=streamed.objects,
        files=len(streamed.files.paths),
        tables=tables,
        as_of=as_of,
        end=end,
        from_lsn=0,
        to_lsn=lsn,
        program=f"CLONE of mysqld {dotted(facts.version)}",
    )


@contextmanager
def _cloned(session: Session, facts: ServerFacts) -> Iterator[Path]:
    """The server's copy of its files, for the length of the block."""
    owner = Path(facts.variables["datadir"]).stat()
    size = int(session.value(_BYTES) or 0)
    # on a disk: this machine's memory is the server's
    with claimed_directory(roomy_base(size, available_memory(), None)) as claim:
        directory = writable_by(claim, (owner.st_uid, owner.st_gid)) / "clone"
        try:
            session.execute(f"CLONE LOCAL DATA DIRECTORY = {literal(str(directory))}")
        except BaseException:  # also where a person ends it: the server would go on writing
            _interrupt(session)
            raise
        yield directory


def _interrupt(session: Session) -> None:
    """End the statement that runs there, and wait until it has ended, unless the server is gone."""
    runs = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {session.id} AND COMMAND = 'Query'"
    deadline = time.monotonic() + _END_SECONDS
    with suppress(ChomError), Session(session.endpoint) as other:
        other.execute(f"KILL QUERY {session.id}")
        while other.value(runs) and time.monotonic() < deadline:
            time.sleep(0.1)  # the server is asked; it tells nothing by itself


def writable_by(claim: Claim, owner: tuple[int, int]) -> Path:
    """A directory in the claim of which this user and group is the owner, who can reach it.

    The claim itself stays ours: as another's, no later run would remove what a killed one has left.
    """
    theirs = claim.path / "theirs"
    theirs.mkdir(0o700)
    if os.geteuid() != owner[0]:
        os.chown(theirs, *owner)
        claim.path.chmod(0o711)
    return theirs


def _stream(directory: Path, settings: dict[str, str]) -> Iterator[Chunk]:
    """Every file, and one with the settings, as chunks of a stream."""
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        name, offset = str(path.relative_to(directory)), 0
        with path.open("rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                yield payload_chunk(name, offset, data)
                offset += len(data)
        yield end_chunk(name, offset)
    yield end_chunk(PLACE_OF_MYSQL, 0)
    text = "".join(["[mysqld]\n", *(f"{name}={value}\n" for name, value in settings.items())]).encode()
    yield payload_chunk(SETTINGS, 0, text)
    yield end_chunk(SETTINGS, len(text))


def _plugin(session: Session) -> tuple[str, ...]:
    """Options with which another server has the CLONE plugin too, which alone knows of which moment a clone is."""
    library = session.value("SELECT PLUGIN_LIBRARY FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'")
    return (f"--plugin-dir={session.value('SELECT @@plugin_dir')}", f"--plugin-load-add=clone={library}")


def _known(
    directory: Path, facts: ServerFacts, settings: dict[str, str], plugin: tuple[str, ...]
) -> tuple[Position | None, int, int]:
    """The moment of the clone in the binary log, its tables and its log sequence number (0: not told), by itself."""
    options = (*(f"--{name.replace('_', '-')}={value}" for name, value in settings.items()), *plugin)
    with (
        started(Flavour.MYSQL, facts.version, directory, (*options, "--performance-schema=ON")) as server,
        Session(server.endpoint) as session,
    ):
        if left_out := tables_left_out(session):
            what = f"its clone lacks the rows of tables that are not InnoDB's: {', '.join(left_out)}"
            raise BackupFailedError(what, CONVERT)
        row = session.row(_MOMENT)
        tables = int(session.value(_TABLES))
        lsn = int(status(session, "Innodb_redo_log_flushed_to_disk_lsn") or 0)
    if row is None or not row[0]:
        return None, tables, lsn
    gtid = str(row[2] or "").replace("\n", "")
    return Position(file=str(row[0]), position=int(row[1]), gtid=gtid or None), tables, lsn
