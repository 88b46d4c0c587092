"""Taking a full backup of a server's data files: streamed by its own program, in parts, without a copy in between."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from chom_pipelines import __version__
from chom_pipelines.errors import BackupFailedError, DamagedError, ServerError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import data_key_of
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical.dump import threads_of
from chom_pipelines.logical.source import source_of
from chom_pipelines.physical.fitness import refuse_unfit
from chom_pipelines.physical.notes import Notes
from chom_pipelines.physical.part_writer import Storing
from chom_pipelines.physical.program import file_stream
from chom_pipelines.physical.restore_guide import restore_guide
from chom_pipelines.physical.streamed import REPORT, Streamed, stored
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import GUIDE, Kind
from chom_pipelines.repository.manifest import Coordinates, Manifest, Position
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.payloads import PhysicalPayload
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts, read_facts
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.programs import Program, backup_program


def take_backup(
    server: Server, policy: BackupPolicy, repository: Repository, keyring: Keyring | None, report: Report
) -> tuple[BackupEntry, Manifest]:
    """Take a full backup of all data files and publish it; nothing is listed unless all of it is there.

    Raises UnsupportedServerError where this server cannot be backed up so, with nothing begun; ProgramMissingError,
    BackupFailedError, and the errors of the server and of the repository.
    """
    key, wrapped = data_key_of(policy, keyring)
    started = datetime.now(UTC)
    endpoint, program = server.endpoint(), backup_program()
    with Session(endpoint) as session:
        facts = read_facts(session)
        refuse_unfit(session, facts)
        earliest = _log_sequence_number(session)
    with repository.stream(server.name).begin(Kind.FULL, started) as draft:
        storing, threads = Storing(draft.folder, policy.compression, policy.level, key), threads_of(policy)
        with file_stream(program, endpoint, threads) as stream:
            streamed = stored(stream, storing, threads, server.name, report)
        with Session(endpoint) as session:
            found = _Taken(server, facts, program, streamed, session)
            manifest = found.manifest(draft.id, started, wrapped, earliest)
        guide = restore_guide(manifest, wrapped).encode()
        draft.folder.write(GUIDE, guide)
        manifest = manifest.model_copy(update={"guide": hashlib.sha256(guide).hexdigest()})
        return draft.publish(manifest, key), manifest


@dataclass(frozen=True)
class _Taken:
    """What was streamed of which server, by what."""

    server: Server
    facts: ServerFacts
    program: Program
    streamed: Streamed
    session: Session

    def manifest(self, backup: str, started: datetime, key: WrappedKey | None, earliest: int) -> Manifest:
        """The manifest; raises BackupFailedError where the stream was not that of this server, all of it."""
        notes, facts = Notes(self.streamed.notes), self.facts
        try:
            from_lsn, to_lsn, last_lsn = (notes.number(name) for name in ("from_lsn", "to_lsn", "last_lsn"))
            position = notes.position
        except DamagedError as error:
            raise BackupFailedError(f"{self.server.name}: mariadb-backup: {error.what}", REPORT) from error
        if facts.logs_binary and position is None:
            raise BackupFailedError(f"{self.server.name}: the binary log's position is not in the stream", REPORT)
        _refuse_others_files(self.session, earliest, last_lsn)
        end = _with_gtid(self.session, position) if position and facts.logs_binary else None
        return Manifest(
            tool=f"chom_pipelines {__version__}",
            id=backup,
            server=self.server.name,
            kind=Kind.FULL,
            started=started,
            as_of=self.streamed.as_of or datetime.now(UTC),
            finished=datetime.now(UTC),
            source=source_of(facts),
            coordinates=Coordinates(end=end),
            key=key,
            payload=PhysicalPayload(
                program=f"{self.program.path.name} {'.'.join(map(str, self.program.version))}",
                stream="mbstream",
                from_lsn=from_lsn,
                to_lsn=to_lsn,
                page_size=int(facts.variables["innodb_page_size"]),
                files=len(self.streamed.files.paths),
                tables=self.streamed.tables,
                parts=tuple(stored.path for stored in self.streamed.objects),
            ),
            objects=self.streamed.objects,
            warnings=tuple(_warnings(self.server, facts)),
        )


def _refuse_others_files(session: Session, earliest: int, last: int) -> None:
    """Raise BackupFailedError unless the log in the files ends where this server's did meanwhile.

    A server elsewhere may have a data directory of the same name as another one here.
    """
    latest = _log_sequence_number(session)
    if not earliest <= last <= latest:
        where = session.endpoint.where
        what = f"{where}: the files that were read are not this server's: their log ends at {last}, "
        what += f"and the server's went from {earliest} to {latest} meanwhile"
        raise BackupFailedError(what, "run chom where this server's data directory is; nothing was published")


def _log_sequence_number(session: Session) -> int:
    rows = session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'")
    if not rows:
        raise ServerError(f"{session.endpoint.where}: it does not tell its log sequence number", "use method: logical")
    return int(rows[0][1])


def _with_gtid(session: Session, position: Position) -> Position:
    """The position with the GTIDs that the binary log has up to there.

    mariadb-backup notes down the server's current position, which on a replica has those of other logs as well.
    """
    asked = f"SELECT BINLOG_GTID_POS({literal(position.file)}, {position.position})"
    known = session.value(asked)
    return position if known is None else position.model_copy(update={"gtid": str(known) or None})


def _warnings(server: Server, facts: ServerFacts) -> Iterator[str]:
    if server.databases is not None:
        yield f"a physical backup holds the whole server, not only {', '.join(server.databases)}"
    if facts.replicates:
        yield "up to where this replica has executed its source's binary log is in mysql.gtid_slave_pos alone"
