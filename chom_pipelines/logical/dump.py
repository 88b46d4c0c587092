"""The logical engine: a consistent snapshot of a server, streamed in parallel into a backup of the repository."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chom_pipelines import __version__
from chom_pipelines.errors import (
    DefinitionChangedError,
    MissingPrivilegeError,
    UnknownDatabaseError,
)
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import data_key_of
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical.accounts import Account, read_accounts
from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.definition_lines import foreign_keys, leading_out
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition, standing
from chom_pipelines.logical.heads import HeadOf, head_meanwhile
from chom_pipelines.logical.pool import Setup, pool
from chom_pipelines.logical.ranges import Range, cut
from chom_pipelines.logical.restore_guide import restore_guide
from chom_pipelines.logical.schema_files import LOAD_FILE, definition_files, load_statements
from chom_pipelines.logical.shown import ShownDefinitions
from chom_pipelines.logical.snapshot import BEGIN, NO_SQL_MODE, POSITION, STATEMENTS, definitions_locked, frozen
from chom_pipelines.logical.source import source_of
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.logical.uncovered import uncovered
from chom_pipelines.logical.work import Work
from chom_pipelines.progress import Report
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import GUIDE, Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.payloads import LogicalPayload, SchemaObject, Table
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts, read_facts
from chom_pipelines.server.privileges import missing_privileges
from chom_pipelines.server.questions import shown_grants
from chom_pipelines.server.time_zones import read_zones


def threads_of(policy: BackupPolicy) -> int:
    """Parallel connections; 0 in the policy means one per core."""
    return policy.threads or len(os.sched_getaffinity(0))


def take_backup(
    server: Server,
    policy: BackupPolicy,
    repository: Repository,
    keyring: Keyring | None,
    report: Report,
    *,
    head_of: HeadOf | None = None,
    others: Collection[Account] = (),
) -> tuple[BackupEntry, Manifest]:
    """Take a full logical backup and publish it; nothing is listed unless all of it is there.

    `head_of` tells what the file of the binary log is known by in which the backup is; None: that is not asked.
    The accounts `others` are left out.

    Raises the errors of `chom_pipelines.errors`: of the server, of the repository, DefinitionChangedError where DDL ran
    meanwhile, LockNotObtainedError, BackupFailedError.
    """
    key, wrapped = data_key_of(policy, keyring)
    started = datetime.now(UTC)
    with (
        Session(server.endpoint(), purpose="backup") as session,
        repository.stream(server.name).begin(Kind.FULL, started) as draft,
    ):
        run = _Run(server, policy, session, read_facts(session), draft, key, started, head_of, others)
        manifest = run.dump(wrapped, report)
        return draft.publish(manifest, key), manifest


@dataclass
class _Run:
    server: Server
    policy: BackupPolicy
    session: Session
    facts: ServerFacts
    draft: Draft
    key: DataKey | None
    started: datetime
    head_of: HeadOf | None
    others: Collection[Account]
    warnings: list[str] = field(default_factory=list)

    def dump(self, wrapped: WrappedKey | None, report: Report) -> Manifest:
        """Everything between the first connection and the manifest."""
        self._refuse_blindness()
        self.session.execute(NO_SQL_MODE)
        with ExitStack() as stack:
            workers = stack.enter_context(pool(threads_of(self.policy), self._setup()))
            stack.enter_context(definitions_locked(self.session, self.facts))
            catalog = Catalog(self.session, self.facts, self.server.databases)
            shown = ShownDefinitions(self.session, self.facts, catalog.databases)
            definitions, numbers = shown.read(), catalog.numbers()
            tables = catalog.tables()
            self._refuse_disagreement(definitions, tables)
            # ranges are cut before the snapshot: they hold every row whatever the bounds are
            work = Work(tables, [self._cut(table) for table in tables], self._packet, finds_losses=True)
            workers.connected()  # before the lock, not under it
            moment = frozen(self.session, self.facts, lambda seconds: workers.ask(BEGIN, POSITION, seconds))
            end = moment.coordinates.end
            head = stack.enter_context(head_meanwhile(self.head_of, self.session.endpoint, self.facts, end))
            counters = shown.counters(definitions)
            definitions = standing(definitions, counters)
            results = workers.run(work.tasks(), self._told(work, report))
            # what is in no snapshot is asked while they read, and not before waits for locks have a limit
            accounts = self._accounts()
            source = source_of(self.facts, read_zones(self.session))
            not_covered = list(uncovered(self.session, self.facts))
            for task, result in results:
                work.add(task, result)
            self._refuse_changes(definitions, shown.read(), dict(catalog.numbers().items() ^ numbers.items()))
        objects = work.objects + self._store_schema([*definitions, *accounts], tables, work)
        self.warnings += [*_warnings(definitions, tables, work.result()), *not_covered]
        self.warnings += [f"a restore was cut off, or is at work, in {each}" for each in catalog.unfinished()]
        self.warnings += filter(None, (moment.replication.warning, moment.prepared.warning))
        led_out = [each.line_out for each in leading_out(foreign_keys(definitions), catalog.databases)]
        self.warnings += led_out
        manifest = Manifest(
            tool=f"chom_pipelines {__version__}",
            id=self.draft.id,
            server=self.server.name,
            kind=Kind.FULL,
            started=self.started,
            as_of=moment.as_of,
            finished=datetime.now(UTC),
            source=source,
            coordinates=moment.coordinates.model_copy(update={"head": head()}),
            sources=moment.replication.sources,
            key=wrapped,
            payload=LogicalPayload(
                databases=catalog.databases,
                everything=self.server.databases is None,
                level=self.policy.level,
                held_seconds=round(moment.held_seconds, 4),
                tables=work.result(),
                schema_objects=tuple(
                    SchemaObject(kind=each.kind, database=each.database, name=each.name, digest=each.digest)
                    for each in [*definitions, *accounts]
                ),
                non_transactional=_not_covered(tables),
                sequences=tuple(counters.values()),
                prepared=moment.prepared.ids,
                leading_out=tuple(led_out),
            ),
            objects=tuple(sorted(objects, key=lambda stored: stored.path)),
            warnings=tuple(self.warnings),
        )
        guide = restore_guide(manifest, wrapped).encode()
        self.draft.folder.write(GUIDE, guide)
        return manifest.model_copy(update={"guide": hashlib.sha256(guide).hexdigest()})

    def _refuse_blindness(self) -> None:
        """Without some privileges a server shows fewer triggers, events or routines, and says nothing."""
        needs = missing_privileges(self.facts, shown_grants(self.session), self.server.databases)
        if needs:
            lacks = ", ".join(f"{need.privilege} ON {need.scope}" for need in needs)
            message = f"{self.session.endpoint.where}: the user lacks {lacks}"
            raise MissingPrivilegeError(message, "chom check prints the GRANT statements")

    def _refuse_disagreement(self, definitions: list[Definition], tables: list[TableInfo]) -> None:
        """A table that only one of two lists of the server has would be restored empty, or not at all."""
        defined = {(each.database, each.name) for each in definitions if each.kind == "table"}
        listed = {(table.database, table.name) for table in tables}
        if defined != listed:
            names = ", ".join(sorted(f"{database}.{name}" for database, name in defined ^ listed))
            message = f"{self.server.name}: SHOW TABLES and information_schema disagree on: {names}"
            raise DefinitionChangedError(message, "run again when no migration is running; report it if it stays so")

    def _cut(self, table: TableInfo) -> list[Range]:
        try:
            return cut(self.session, table)
        except UnknownDatabaseError as error:
            message = f"{self.session.endpoint.where}: table {table.label} was dropped or renamed while it was dumped"
            raise DefinitionChangedError(message, "run again when no migration is running") from error

    @property
    def _packet(self) -> int:
        return int(self.facts.variables["max_allowed_packet"])

    def _setup(self) -> Setup:
        return Setup(
            endpoint=self.server.endpoint(),
            statements=STATEMENTS,
            folder=self.draft.folder,
            codec=self.policy.compression,
            level=self.policy.level,
            key=self.key,
        )

    def _told(self, work: Work, report: Report) -> Callable[[int, int], None]:
        done, total = 0, sum(table.bytes for table in work.tables)

        def progress(size: int, _rows: int) -> None:
            nonlocal done
            done += size
            report(done, max(total, done), f"dump {self.server.name}")

        return progress

    def _refuse_changes(self, before: list[Definition], after: list[Definition], moved: Iterable[str]) -> None:
        """Compare definitions with those from before the snapshot: what changed was dumped by neither."""
        now = {(each.kind, each.database, each.name): each.shape for each in after}
        then = {(each.kind, each.database, each.name): each.shape for each in before}
        changed = sorted(f"{kind} {database}.{name}" for kind, database, name in dict(now.items() ^ then.items()))
        changed += sorted(f"the data file {name}" for name in moved)
        if changed:
            message = f"{self.server.name}: changed while it was dumped: {', '.join(changed)}"
            raise DefinitionChangedError(message, "run again when no migration is running; nothing was published")

    def _accounts(self) -> tuple[Definition, ...]:
        try:
            accounts = read_accounts(self.session, self.facts, self.others)
        except MissingPrivilegeError as error:
            self.warnings.append(f"accounts and grants are not in this backup: {error.what}")
            return ()
        self.warnings += accounts.warnings
        return accounts.definitions

    def _store_schema(self, definitions: list[Definition], tables: list[TableInfo], work: Work) -> list[StoredObject]:
        files = {**definition_files(definitions), LOAD_FILE: load_statements(tables, work.result())}
        return [self._stored(f"{name}.sql", lines) for name, lines in files.items()]

    def _stored(self, path: str, lines: Iterable[bytes]) -> StoredObject:
        with ObjectWriter(self.draft.folder, path, self.policy.compression, self.policy.level, self.key) as writer:
            for line in lines:
                writer.write(line)
        return writer.close()


def _not_covered(tables: list[TableInfo]) -> tuple[str, ...]:
    return tuple(table.label for table in tables if not table.transactional and not table.borrows)


def _warnings(definitions: list[Definition], tables: list[TableInfo], dumped: tuple[Table, ...]) -> Iterator[str]:
    """What a person should know of this backup, each with the names that it is about."""
    said = {
        "no snapshot covers tables of engines without transactions": _not_covered(tables),
        "views that name what is not there, and may not come back": tuple(
            f"{each.database}.{each.name}" for each in definitions if each.kind == INVALID_VIEW
        ),
        "without their history, which cannot be restored to this version or type": tuple(
            table.label for table in tables if table.loses_history
        ),
        "defined, but without rows, which belong to other tables": tuple(
            table.label for table in tables if table.borrows
        ),
        "lost in JSON by any restore, as text cannot carry it": tuple(
            said for table in dumped for said in table.said_losses
        ),
    }
    return (f"{what}: {', '.join(names)}" for what, names in said.items() if names)
