"""Restoring a backup: into a running server, or into a directory that a server can be started on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chom_pipelines.errors import (
    ChomError,
    RestoreFailedError,
    RestoreRefusedError,
    ServerError,
    UnsupportedServerError,
)
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.restores.load_units import Target
from chom_pipelines.restores.loading import VALUES_AS_THEY_ARE, Loader, Progress, settings
from chom_pipelines.restores.plan import MARKER, RestorePlan, RestoreRequest, planned
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour, ServerFacts, parse_version, read_facts
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.scratch import scratch_server

__all__ = [
    "RestoreRequest",
    "RestoreResult",
    "plan_restore",
    "restore_contents",
    "restore_into_directory",
    "restore_into_server",
]

_BIRTH_VARIABLES = ("lower_case_table_names", "innodb_page_size")
"""What a server is born with and a restored one must share with the source."""

_FAST = ("--innodb-doublewrite=OFF", "--innodb-flush-log-at-trx-commit=0", "--innodb-autoinc-lock-mode=2")
"""For a directory that is thrown away unless the restore ends well."""


@dataclass(frozen=True)
class RestoreResult:
    """What was restored; `phases` are seconds: schema, data, programs of the clock; indexes summed over connections."""

    databases: tuple[str, ...]
    tables: int
    rows: int
    bytes: int
    phases: dict[str, float]
    warnings: tuple[str, ...]


def plan_restore(
    entry: BackupEntry,
    keyring: Keyring | None,
    target: Endpoint | None,
    request: RestoreRequest,
) -> list[str]:
    """What `restore` would do, in lines; with a target, whether it could.

    Raises RestoreRefusedError where it would refuse, and what reading the backup raises.
    """
    contents = Contents.of(entry, keyring)
    plan = planned(contents.manifest, contents.definitions(), request)
    if target is None:
        return plan.lines()
    with Session(target) as session:
        facts = read_facts(session)
        _refuse_unfit(contents.manifest, facts, target)
        return [f"into {target.where}, {facts.label}", *_obstacles(session, plan, contents, request), *plan.lines()]


def restore_into_server(
    entry: BackupEntry,
    keyring: Keyring | None,
    target: Endpoint,
    request: RestoreRequest,
    report: Report,
) -> RestoreResult:
    """Restore into a running server.

    Raises RestoreRefusedError with nothing changed; RestoreFailedError, DamagedError or the server's error with an
    unfinished copy that the message names and the next restore replaces.
    """
    contents = Contents.of(entry, keyring)
    return restore_contents(contents, target, request, report)


def restore_contents(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
    """Like restore_into_server, of a backup that is open already."""
    plan = planned(contents.manifest, contents.definitions(), request)
    with Session(target) as session:
        facts = read_facts(session)
        _refuse_unfit(contents.manifest, facts, target)
        _obstacles(session, plan, contents, request)
        for statement in settings(facts):
            session.execute(statement)
        restore = _Restore(contents, plan, target, facts, session, request)
        with _explained(restore.begun, target):
            return restore.run(report)


def restore_into_directory(
    entry: BackupEntry,
    keyring: Keyring | None,
    directory: Path,
    request: RestoreRequest,
    report: Report,
) -> RestoreResult:
    """Make a data directory that holds the backup, ready for a server of the installed version.

    It appears under its name when it is complete and its server was shut down in order; root connects by socket only.
    Raises RestoreRefusedError where the directory exists, and what restore_into_server and the scratch server raise.
    """
    from chom_pipelines.server.datadir import create_datadir
    from chom_pipelines.server.programs import server_program

    if directory.exists() and any(directory.iterdir()) and not request.replace:
        raise RestoreRefusedError(f"{directory} is not empty", "choose another directory, or use --replace")
    contents = Contents.of(entry, keyring)
    flavour, options = Flavour(contents.manifest.source.flavour), birth_options(contents.manifest)
    partial = directory.with_name(f"{directory.name}.partial")  # MySQL does not see files below a hidden one
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        create_datadir(server_program(flavour), options, partial)
        serving = scratch_server(
            flavour,
            version=parse_version(contents.manifest.source.version),
            directory=partial.parent,
            options=(*options, *_FAST),
            data_directory=partial,
        )
        with serving as server:
            result = restore_contents(contents, server.endpoint, request, report)
            differs = server.differs
        if directory.exists():
            shutil.rmtree(directory)
        partial.rename(directory)
    except BaseException:  # Ctrl-C and a cancelled run, too, leave nothing half-made; it is raised again
        shutil.rmtree(partial, ignore_errors=True)
        raise
    warnings = (*result.warnings, *([f"made with {differs}, the source's version"] if differs else []))
    return RestoreResult(result.databases, result.tables, result.rows, result.bytes, result.phases, warnings)


def birth_options(manifest: Manifest) -> tuple[str, ...]:
    """Options that a server needs from its first start to hold this backup."""
    variables = manifest.source.variables
    return tuple(f"--{name.replace('_', '-')}={variables[name]}" for name in _BIRTH_VARIABLES if name in variables)


@dataclass(frozen=True)
class _Restore:
    contents: Contents
    plan: RestorePlan
    target: Endpoint
    facts: ServerFacts
    session: Session
    request: RestoreRequest
    begun: list[str] = field(default_factory=list)
    """The databases that hold an unfinished restore now."""
    warnings: list[str] = field(default_factory=list)

    def run(self, report: Report) -> RestoreResult:
        phases: dict[str, float] = {}
        with timed(phases, "schema"):
            self._create_schema()
        with timed(phases, "data"):
            total = sum(each.table.bytes for each in self.plan.tables)
            name = self.contents.manifest.id
            progress = Progress(
                loaded=_counted(report, total, f"restore {name}"),
                keyed=_counted(report, total, f"build the keys of {name}"),
            )
            targets = [Target(each.table, each.name, each.split) for each in self.plan.tables]
            threads = self.request.threads or len(os.sched_getaffinity(0))
            seconds = Loader(self.contents, self.target, self.facts, threads).run(targets, progress)
        phases["indexes"] = seconds["indexes"]
        with timed(phases, "programs"):
            for each in self.plan.tables:
                for statement in each.split.constraints(each.name):
                    self.session.statement(statement)
            self._create(self.plan.programs)
            self._create(self.plan.accounts)
        for database in self.plan.databases:
            self.session.execute(f"DROP TABLE {quote(database)}.{quote(MARKER)}")
        return RestoreResult(
            databases=tuple(self.plan.databases),
            tables=len(self.plan.tables),
            rows=sum(each.table.rows for each in self.plan.tables),
            bytes=sum(each.table.bytes for each in self.plan.tables),
            phases=phases,
            warnings=(*self.plan.warnings, *self.warnings),
        )

    def _create_schema(self) -> None:
        for name, definition in self.plan.databases.items():
            if self.request.tables is None:
                self.session.execute(f"DROP DATABASE IF EXISTS {quote(name)}")
            if (name,) not in self.session.rows("SHOW DATABASES"):
                old, new = quote(definition.name).encode(), quote(name).encode()
                self.session.statement(definition.statement.replace(old, new, 1))
            self.session.execute(
                f"CREATE TABLE IF NOT EXISTS {quote(name)}.{quote(MARKER)} (backup VARCHAR(64) PRIMARY KEY)",
            )
            self.begun.append(name)
        for sequence in self.plan.sequences:
            if self.request.tables is not None:
                self.session.execute(f"USE {quote(sequence.database)}")
                self.session.execute(f"DROP SEQUENCE IF EXISTS {quote(sequence.name)}")
            self._create([sequence])
        for each in self.plan.tables:
            self.session.execute(f"USE {quote(each.database)}")
            if self.request.tables is not None:
                self.session.execute(f"DROP TABLE IF EXISTS {each.name}")
            self.session.statement(each.split.create)

    def _create(self, definitions: Iterable[Definition]) -> None:
        for each in definitions:
            if each.database:
                self.session.execute(f"USE {quote(each.database)}")
            context = each.context.settings()
            for setting in context:
                self.session.execute(setting)
            self._execute(each)
            if context:
                self.session.execute("SET NAMES utf8mb4")
                self.session.execute("SET time_zone = '+00:00'")
                self.session.execute(VALUES_AS_THEY_ARE)
            for ending in each.context.endings():
                self.session.execute(ending)
            if each.value:
                self.session.execute(each.value)
            if each.kind == "event" and each.database in self.request.rename.values():
                self.session.execute(f"ALTER EVENT {quote(each.name)} DISABLE")

    def _execute(self, definition: Definition) -> None:
        try:
            self.session.statement(definition.statement)
        except ServerError as error:
            if definition.kind != INVALID_VIEW:
                raise
            self.warnings.append(f"{definition.label} was not created; it did not work before: {error.what}")


def _counted(report: Report, total: int, label: str) -> Callable[[int], None]:
    done = 0

    def progress(size: int) -> None:
        nonlocal done
        done += size
        report(done, total, label)

    return progress


def _refuse_unfit(manifest: Manifest, facts: ServerFacts, target: Endpoint) -> None:
    if facts.flavour.value != manifest.source.flavour:
        message = f"{target.where} is {facts.label}; the backup is of {manifest.source.flavour}"
        raise UnsupportedServerError(message, "restore into a server of the same family")
    if not facts.accepts_local_files:
        message = f"{target.where} does not accept LOAD DATA LOCAL"
        raise RestoreRefusedError(message, "SET GLOBAL local_infile = 1 for the time of the restore")


def _obstacles(session: Session, plan: RestorePlan, contents: Contents, request: RestoreRequest) -> list[str]:
    """What stands where the restore would go; refuses unless it may be replaced, or is an unfinished restore."""
    found = []
    for database in plan.databases:
        tables = {
            str(name) for schema, name in session.rows(
                "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,),
            ) if schema == database  # it compares names without case and accents
        }  # fmt: skip
        programs = _programs(session, database) if request.tables is None else set()
        wanted = {each.table.name for each in plan.tables if each.database == database}
        taken = tables | programs if request.tables is None else tables & wanted
        if MARKER in tables:
            found.append(f"replace the unfinished restore in {database}")
        elif taken and request.replace:
            found.append(f"replace what {database} holds: {len(taken)} objects")
        elif taken:
            names = ", ".join(sorted(taken)[:5])
            message = f"{session.endpoint.where}: {database} holds {len(taken)} objects: {names}"
            remedy = "restore with --as-database under another name, or replace what is there with --replace"
            raise RestoreRefusedError(f"{message}; {contents.manifest.id} was not restored", remedy)
    return found


def _programs(session: Session, database: str) -> set[str]:
    """Routines and events, which a database without a table may hold."""
    return {
        str(name)
        for kind, column in (("ROUTINES", "ROUTINE"), ("EVENTS", "EVENT"))
        for schema, name in session.rows(
            f"SELECT {column}_SCHEMA, {column}_NAME FROM information_schema.{kind} WHERE {column}_SCHEMA = %s",
            (database,),
        )
        if schema == database
    }


@contextmanager
def _explained(begun: list[str], target: Endpoint) -> Iterator[None]:
    """Say what an interrupted restore leaves behind."""
    try:
        yield
    except ChomError as error:
        if not begun:
            raise
        names = ", ".join(begun)
        what = f"{error.what}\n  {target.where} holds an unfinished restore in: {names}"
        remedy = f"{error.remedy}; the same restore, run again, replaces it".lstrip("; ")
        raise (type(error) if not isinstance(error, RestoreFailedError) else RestoreFailedError)(
            what, remedy
        ) from error
