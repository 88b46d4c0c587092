"""Carrying out a restore on a server: each operation of the list, in order, and nothing that is not on it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from chom_pipelines.errors import LockNotObtainedError, MissingPrivilegeError, RestoreFailedError, ServerError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report, counted
from chom_pipelines.restores.comparison import compared
from chom_pipelines.restores.load_units import Target
from chom_pipelines.restores.loading import Loader, Progress
from chom_pipelines.restores.operations import Operation, Operations
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts


@dataclass(frozen=True)
class RestoreResult:
    """What was restored; `phases` are seconds: schema, data, programs of the clock; indexes summed over connections.

    Where a server was started for it, or what it replaces was to be read first, that is among them, too.
    `rows` are those that were loaded: none of data files.
    """

    databases: tuple[str, ...]
    tables: int
    rows: int
    bytes: int
    phases: dict[str, float]
    warnings: tuple[str, ...]
    compared: bool
    """The rows were read back and compared with the digests of the dump."""
    equal: bool
    """And all of them were equal; False where there were none."""


@dataclass(frozen=True)
class Restore:
    """One restore at work."""

    contents: Contents
    operations: Operations
    target: Endpoint
    facts: ServerFacts
    session: Session
    request: RestoreRequest
    begun: list[str] = field(default_factory=list)
    """The databases in which something was done."""
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What could not be restored, where the rest was."""

    def run(self, report: Report) -> RestoreResult:
        """Do all of it; raises RestoreFailedError, DamagedError, or the server's error."""
        phases: dict[str, float] = {}
        tables = self.operations.tables
        with timed(phases, "schema"):
            self._perform(self.operations.before)
        with timed(phases, "data"):
            total = sum(each.table.bytes for each in tables)
            name = self.contents.manifest.id
            progress = Progress(
                loaded=counted(report, total, f"restore {name}"),
                keyed=counted(report, total, f"build the keys of {name}"),
            )
            targets = [Target(each.table, each.database, each.split) for each in tables]
            threads = self.request.threads or len(os.sched_getaffinity(0))
            accept = self.request.accept_losses
            loader = Loader(self.contents, self.target, self.facts, threads, accept_losses=accept)
            seconds = loader.run(targets, progress)
            self.warnings.extend(loader.losses)
        phases["indexes"] = seconds["indexes"]
        equal = False
        if self.request.compare:
            with timed(phases, "compare"):
                equal = self._compare(threads, report)
        with timed(phases, "programs"):
            self._perform(self.operations.after)
        if self.failures:
            self.begun.clear()
            what = f"everything is restored but this: {'; '.join(self.failures)}"
            raise RestoreFailedError(what, "grant it by hand, or bring back what the grants name and run it again")
        return RestoreResult(
            databases=self.operations.databases,
            tables=len(tables),
            rows=sum(each.table.rows for each in tables),
            bytes=sum(each.table.bytes for each in tables),
            phases=phases,
            warnings=(*self.operations.warnings, *self.warnings),
            compared=self.request.compare,
            equal=equal,
        )

    def _compare(self, threads: int, report: Report) -> bool:
        """Read the rows back, while nobody else has them; raises RestoreFailedError where they are not the backup's."""
        failures = list(compared(self.operations.tables, self.target, self.facts, threads, report))
        if failures and not self.request.accept_losses:
            raise RestoreFailedError(f"rows are not what was dumped: {'; '.join(failures)}", "restore another backup")
        self.warnings.extend(failures)
        return bool(self.operations.tables) and not failures  # nothing compared is nothing proved

    def _perform(self, operations: Iterable[Operation]) -> None:
        for each in operations:
            try:
                self._execute(each)
            except ServerError as error:
                # a statement that is not allowed, or gets no lock, has done nothing, but an earlier one may have
                if len(each.statements) > 1 or not isinstance(error, (LockNotObtainedError, MissingPrivilegeError)):
                    self._begin(each.database)
                if each.undo:
                    self._undo(each, error)
                    continue
                if not each.may_fail:
                    raise type(error)(f"{error.what}\n  at: {each.line}", error.remedy) from error
                self.warnings.append(f"{each.label} was not created; it did not work before: {error.what}")
            self._begin(each.database)

    def _undo(self, operation: Operation, error: ServerError) -> None:
        """Rather no account than one that lacks what restricts it, or what it needs."""
        for statement in operation.undo:
            self.session.statement(statement)
        self.failures.append(f"{operation.label} is not there, as its grants were refused: {error.what}")

    def _begin(self, database: str) -> None:
        if database and database not in self.begun:
            self.begun.append(database)

    def _execute(self, operation: Operation) -> None:
        try:
            for statement in operation.statements:
                self.session.statement(statement)
        except ServerError:
            for statement in operation.endings:
                with suppress(ServerError):  # the first error is the one to tell
                    self.session.statement(statement)
            raise
        for statement in operation.endings:
            self.session.statement(statement)
