"""Taking a backup of a server's data files, in parts, and publishing it: of all of them, or what was changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from chom_pipelines import __version__
from chom_pipelines.errors import UnsupportedServerError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import data_key_of
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical.dump import threads_of
from chom_pipelines.logical.source import source_of
from chom_pipelines.physical.cloning import clone_files
from chom_pipelines.physical.fitness import refuse_unfit_source
from chom_pipelines.physical.parents import Log, parent_in, refuse_imports, refuse_other_files
from chom_pipelines.physical.part_writer import PartStorage
from chom_pipelines.physical.restore_guide import restore_guide
from chom_pipelines.physical.storing import Sink
from chom_pipelines.physical.streaming import stream_files
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import GUIDE, Kind
from chom_pipelines.repository.manifest import Coordinates, Manifest
from chom_pipelines.repository.payloads import PhysicalPayload
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts, read_facts


def take_backup(
    server: Server,
    policy: BackupPolicy,
    repository: Repository,
    keyring: Keyring | None,
    report: Report,
    *,
    log: Log,
    kind: Kind = Kind.FULL,
) -> tuple[BackupEntry, Manifest]:
    """Take a backup of all data files and publish it; nothing is listed unless all of it is there.

    An incremental one has of InnoDB's files the pages that were changed since the newest physical backup, its parent.

    Raises UnsupportedServerError where this server cannot be backed up so, with nothing begun; ChainEndedError where
    no incremental one can follow; ProgramMissingError, BackupFailedError, and the errors of the server and of the
    repository.
    """
    key, wrapped = data_key_of(policy, keyring)
    started = datetime.now(UTC)
    endpoint = server.endpoint()
    with Session(endpoint) as session:
        facts = read_facts(session)
        refuse_unfit_source(session, facts)
    if kind is Kind.INCREMENTAL and not facts.is_mariadb:
        raise UnsupportedServerError(f"{endpoint.where}: MySQL's CLONE has no incremental backups", _ARCHIVE)
    stream = repository.stream(server.name)
    with stream.begin(kind, started) as draft:
        parent = parent_in(stream, keyring, started) if kind is Kind.INCREMENTAL else None
        if parent:
            refuse_other_files(parent, endpoint, facts, log)
        since = parent.physical.to_lsn if parent else 0
        storing = PartStorage(draft.folder, policy.compression, policy.level, key)
        sink = Sink(storing, threads_of(policy), server.name, report)
        read = stream_files(endpoint, facts, sink, since) if facts.is_mariadb else clone_files(endpoint, facts, sink)
        if parent:
            refuse_imports(parent, read.end, endpoint, facts, log)
        head = log.head_of(endpoint, facts, read.end.file) if read.end else None
        manifest = Manifest(
            tool=f"chom_pipelines {__version__}",
            id=draft.id,
            server=server.name,
            kind=kind,
            parent=parent.id if parent else None,
            started=started,
            as_of=read.as_of,
            finished=datetime.now(UTC),
            source=source_of(facts),
            coordinates=Coordinates(end=read.end, head=head),
            key=wrapped,
            payload=PhysicalPayload(
                program=read.program,
                stream="mbstream",
                from_lsn=read.from_lsn,
                to_lsn=read.to_lsn,
                base=parent.fingerprint if parent else None,
                page_size=int(facts.variables["innodb_page_size"]),
                files=read.files,
                tables=read.tables,
                parts=tuple(stored.path for stored in read.objects),
            ),
            objects=read.objects,
            warnings=tuple(_warnings(server, facts)),
        )
        guide = restore_guide(manifest, wrapped).encode()
        draft.folder.write(GUIDE, guide)
        manifest = manifest.model_copy(update={"guide": hashlib.sha256(guide).hexdigest()})
        return draft.publish(manifest, key), manifest


_ARCHIVE = "take a full one; `chom backup --type incremental` without --method physical archives the binary log"


def _warnings(server: Server, facts: ServerFacts) -> Iterator[str]:
    if server.databases is not None:
        yield f"a physical backup holds the whole server, not only {', '.join(server.databases)}"
    if facts.replicates:
        yield "up to where this replica has executed its source's binary log is in mysql.gtid_slave_pos alone"
