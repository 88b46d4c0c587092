"""The whole check of one server: production is read, everything else happens on a copy that is thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.models import Inventory, Migrations, Server
from chom_pipelines.migrations.asked_server import asked_server
from chom_pipelines.migrations.data_probes import check_rows
from chom_pipelines.migrations.deep import on_real_rows
from chom_pipelines.migrations.drift import check_drift
from chom_pipelines.migrations.failures import failed_migrations
from chom_pipelines.migrations.file_digest import file_digest
from chom_pipelines.migrations.findings import MigrationFinding, Severity, outcome_of, unknown, warning
from chom_pipelines.migrations.following import check_following
from chom_pipelines.migrations.half_applied import half_applied
from chom_pipelines.migrations.keeping import PastMigrations
from chom_pipelines.migrations.laravel_application import LaravelApplication
from chom_pipelines.migrations.live_locks import check_live_locks
from chom_pipelines.migrations.lock_checks import check_counters, check_forms, check_locks
from chom_pipelines.migrations.past import KeptRun
from chom_pipelines.migrations.prediction import Prediction, predicted
from chom_pipelines.migrations.production import Production, read_production
from chom_pipelines.migrations.replay import Step, replayed
from chom_pipelines.migrations.rows_seen import check_rows_seen
from chom_pipelines.migrations.shadow import shadow_of
from chom_pipelines.migrations.shapes import TableName
from chom_pipelines.migrations.sources import Run, Source
from chom_pipelines.migrations.sql_files import SqlFiles
from chom_pipelines.migrations.structure_checks import check_structure
from chom_pipelines.migrations.surroundings import (
    check_backup,
    check_changes,
    check_patience,
    check_rollback,
    check_room,
    check_trust,
)
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import qualified

PATIENCE = 120.0
"""Seconds for the application's own migrator, unless told otherwise."""


class Mode(StrEnum):
    """How much is tried.

    `validate` leaves out how the server does each statement; `deep` runs them on the rows of the latest backup, too.
    """

    VALIDATE = "validate"
    DRY_RUN = "dry-run"
    DEEP = "deep"


_PROBE_SECONDS = {Mode.VALIDATE: 0.6, Mode.DRY_RUN: 5.0, Mode.DEEP: 30.0}


@dataclass(frozen=True)
class Planned:
    """A statement that a deploy would run, and how."""

    step: Step
    prediction: Prediction | None


@dataclass(frozen=True)
class MigrationCheck:
    """What was found. `accepted` are findings that chom.yaml expects, each with the reason given there."""

    server: str
    mode: Mode
    on: str
    application: str
    place: Path
    files: str
    """A digest of the application's own migrations."""
    schema: str
    """A digest of production's schema: the same as long as that is."""
    pending: Sequence[str]
    findings: Sequence[MigrationFinding]
    accepted: Sequence[tuple[MigrationFinding, str]]
    plan: Sequence[Planned]
    pace: float
    """By how much this server took longer for past migrations than what was measured elsewhere; 1.0: not known."""
    past: Sequence[KeptRun]
    """What the last deploys took, beside what was foretold of them; the oldest first."""
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """Failed with an error, not verified where a question is open, else passed."""
        return outcome_of(self.findings)

    @property
    def codes(self) -> list[str]:
        """Of the findings that decide the outcome; none where it has passed."""
        weights = {Outcome.FAILED: Severity.ERROR, Outcome.NOT_VERIFIED: Severity.UNKNOWN}
        return sorted({each.code for each in self.findings if each.severity is weights.get(self.outcome)})

    @property
    def verdict(self) -> str:
        """In a sentence."""
        count = len(self.pending)
        pending = f"{count} pending {'migration' if count == 1 else 'migrations'}"
        if not count:
            pending = "no pending migrations"
        if self.outcome is Outcome.PASSED:
            return f"{self.server}: {pending}, nothing speaks against the deploy"
        said = "must not be deployed as they are" if self.outcome is Outcome.FAILED else "could not be judged wholly"
        return f"{self.server}: {pending}, which {said}: {', '.join(self.codes)}"


def check_migrations(
    inventory: Inventory,
    server: Server,
    mode: Mode,
    note: Callable[[str], None],
    *,
    timeout: float = PATIENCE,
    drift: bool = False,
) -> MigrationCheck:
    """Check what is pending for a server; nothing there is changed.

    With `drift` all migrations are run on empty databases as well, those of years ago too: what they do outside of the
    database, as to files, is done again.

    Raises ConfigurationError where chom.yaml names no migrations, MigrationCheckError and ProgramMissingError where
    they cannot be run on a copy, ServerError where production does not answer.
    """
    if server.migrations is None:
        what = f"chom.yaml names no migrations of {server.name}"
        raise ConfigurationError(what, "add  migrations: {laravel: /srv/app}  or  {sql: /srv/app/migrations}")
    begun, started = time.monotonic(), datetime.now(UTC)
    past = PastMigrations.of(inventory, server)
    source = source_of(server.migrations)
    with Session(server.endpoint(), purpose="migration check") as session:
        _promise_to_read(session)
        production = read_production(session, server.databases or (), source.is_history)
        production = replace(production, pace=past.pace)
        note(f"{server.name}: {production.facts.label}, {len(production.shape.tables)} tables are copied without rows")
        with shadow_of(production) as shadow:
            run = source.run(shadow, timeout, roll_back=mode is Mode.DEEP)
            note(f"{len(run.ran)} pending migrations of {run.application} ran on the copy")
            final = shadow.shape() if run.rolled_back is None else None
            failed = {each.migration.name for each in run.ran if each.failure}
            replay = replayed(shadow, run.sent, algorithms=mode is not Mode.VALIDATE, failed=failed)
            unlike, left_out = list(shadow.unlike), sorted(shadow.left_out)
            halves = list(half_applied(source, shadow, run, lambda table: _has_rows(session, table), timeout))
            drifted = list(check_drift(source, shadow, run, replay.final, timeout)) if drift else []
        steps = [each for each in replay.steps if each.migration and each.statement.table != run.history]
        found = [
            *halves,
            *drifted,
            *source.check_history(session, run),
            *_judged(session, run, steps, production, mode),
        ]
        with asked_server(inventory, server, session) as (asked, doubts):
            found += doubts
            if asked is not None:
                found += check_rows(asked, steps, production, _PROBE_SECONDS[mode])
    if mode is Mode.DEEP and run.ran:
        note("the latest backup is restored, and they run on its rows")
        found += on_real_rows(inventory, server, source, production, timeout)
    if run.ran:
        found += check_backup(inventory, server, datetime.now(UTC))
    found += [unknown("CN03", each, remedy="install that version on this machine", object="copy") for each in unlike]
    found += check_forms(replay.advice, production)
    found += check_following(run, steps, final, replay.final, production)
    if mode is not Mode.DEEP:
        found += check_rows_seen(run, steps, production)
    found += [warning("CN05", f"{each} cannot be made anew, and is not in the copy") for each in left_out]
    if past.problem:
        found.append(warning("RB03", f"of past migrations not all can be read: {past.problem}", object="repository"))
    plan = [Planned(each, predicted(each, production) if mode is not Mode.VALIDATE else None) for each in steps]
    pending = [each.migration.name for each in run.ran]
    kept, accepted = _sorted_out(found, server.migrations)
    check = MigrationCheck(
        server.name,
        mode,
        production.facts.label,
        run.application,
        source.place.resolve(),
        file_digest(source.place),
        production.digest,
        pending,
        kept,
        accepted,
        plan,
        past.pace,
        past.runs,
        time.monotonic() - begun,
    )
    if not pending or past.repository is None or mode is Mode.VALIDATE:  # a quick look foretells nothing
        return check
    problem = past.keep(check, production, started)
    return replace(check, findings=[*kept, *problem], seconds=time.monotonic() - begun)


def source_of(migrations: Migrations) -> Source:
    """The application's kind."""
    if migrations.laravel is not None:
        return LaravelApplication(migrations.laravel)
    assert migrations.sql is not None  # noqa: S101  (the model demands one of them)
    return SqlFiles(migrations.sql)


def _has_rows(session: Session, table: TableName) -> bool:
    return session.row(f"SELECT 1 FROM {qualified(*table)} LIMIT 1") is not None


def _promise_to_read(session: Session) -> None:
    """The server itself refuses whatever would change something: no question can be a mistake."""
    session.execute("SET SESSION TRANSACTION READ ONLY")
    session.execute("SET SESSION lock_wait_timeout = 5")


def _judged(
    session: Session, run: Run, steps: Sequence[Step], production: Production, mode: Mode
) -> Iterator[MigrationFinding]:
    yield from failed_migrations(run, steps, production)
    yield from check_structure(steps, production)
    if mode is not Mode.VALIDATE:
        yield from check_locks(steps, production)
        yield from check_room(session, steps, production)
    yield from check_rollback(run, production)
    yield from check_patience(session, run, steps, production)
    yield from check_trust(session, steps, production)
    yield from check_changes(steps, production)
    yield from check_counters(production)
    yield from check_live_locks(session, production.facts, _changed(steps, production))


def _changed(steps: Sequence[Step], production: Production) -> set[TableName]:
    """The tables of production that a deploy takes a lock on."""
    named = {each.before.name for step in steps for each in step.differences if each.before}
    return named & production.shape.tables.keys()


def _sorted_out(
    found: Sequence[MigrationFinding], migrations: Migrations
) -> tuple[list[MigrationFinding], list[tuple[MigrationFinding, str]]]:
    """Those that count, the gravest first, and those that chom.yaml accepts."""
    reasons = {(each.code, each.object): each.reason for each in migrations.accept}
    weights = list(Severity)
    # of several that say the same, as MariaDB's and the application's own refusal, one is enough
    once = {(each.code, each.migration, each.statement, each.object, each.what): each for each in found}
    kept, accepted = [], []
    for each in sorted(once.values(), key=lambda each: weights.index(each.severity)):
        reason = reasons.get((each.code, each.object or each.migration))  # what is of no object is of its migration
        if reason is None:
            kept.append(each)
        else:
            accepted.append((replace(each, severity=Severity.INFO), reason))
    return kept, accepted
