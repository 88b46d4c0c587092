"""Carrying out a restore plan on a server: databases, tables, rows, keys, then what refers to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from chom_pipelines.errors import ServerError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.definitions import INVALID_VIEW, Context, Definition
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report
from chom_pipelines.restores.load_units import Target
from chom_pipelines.restores.loading import VALUES_AS_THEY_ARE, Loader, Progress
from chom_pipelines.restores.plan import MARKER, RestorePlan, RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal, quote


@dataclass(frozen=True)
class RestoreResult:
    """What was restored; `phases` are seconds: schema, data, programs of the clock; indexes summed over connections."""

    databases: tuple[str, ...]
    tables: int
    rows: int
    bytes: int
    phases: dict[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Restore:
    """One restore at work."""

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
        """Do all of the plan; raises RestoreFailedError, DamagedError, or the server's error."""
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
            targets = [Target(each.table, each.database, each.split) for each in self.plan.tables]
            threads = self.request.threads or len(os.sched_getaffinity(0))
            accept = self.request.accept_losses
            loader = Loader(self.contents, self.target, self.facts, threads, accept_losses=accept)
            seconds = loader.run(targets, progress)
            self.warnings.extend(loader.losses)
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
            self._create_sequence(sequence)
        for each in self.plan.tables:
            self.session.execute(f"USE {quote(each.database)}")
            if self.request.tables is not None:
                self.session.execute(f"DROP TABLE IF EXISTS {each.name}")
            self.session.statement(each.split.create)

    def _create_sequence(self, sequence: Definition) -> None:
        """One that is there is not made anew: its counter only ever moves forward, which is all that SETVAL does."""
        self.session.execute(f"USE {quote(sequence.database)}")
        there = self.request.tables is not None and self.session.rows(
            "SHOW FULL TABLES WHERE Table_type = 'SEQUENCE' AND "
            f"`Tables_in_{sequence.database.replace('`', '``')}` = {literal(sequence.name)}"
        )
        if not there:
            self._execute(sequence)
        if sequence.value:
            self.session.execute(sequence.value)

    def _create(self, definitions: Iterable[Definition]) -> None:
        for each in definitions:
            if each.database:
                self.session.execute(f"USE {quote(each.database)}")
            context = self._context(each)
            settings = context.settings()
            try:
                for setting in settings:
                    self.session.execute(setting)
                self._execute(each)
            finally:
                for ending in context.endings():
                    self.session.execute(ending)
            if settings:
                self.session.execute("SET NAMES utf8mb4")
                self.session.execute("SET time_zone = '+00:00'")
                self.session.execute(VALUES_AS_THEY_ARE)
            if each.kind == "event" and each.database in self.request.rename.values():
                self.session.execute(f"ALTER EVENT {quote(each.name)} DISABLE")

    def _context(self, definition: Definition) -> Context:
        """That of the definition, which leaves the database with the default collation that it has now."""
        if not definition.context.database_collation:
            return definition.context
        return replace(definition.context, default_collation=str(self.session.value("SELECT @@collation_database")))

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
