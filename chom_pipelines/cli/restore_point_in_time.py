"""`chom restore --at`, `--gtid` and `--before`: a point in time, from a full backup and the archived binary log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.binlogs.recovery.point_in_time import (
    PointInTime,
    backup_to_plan_by,
    point_in_time,
    recover_into_directory,
    recover_into_server,
    refuse_unknown_tables,
)
from chom_pipelines.binlogs.recovery.recovering import Recovered, Recoverer
from chom_pipelines.binlogs.recovery.targets import EndOfArchive, Route, Target
from chom_pipelines.cli import output
from chom_pipelines.cli.forecasts import Part, forecast_json, forecast_lines, in_private
from chom_pipelines.cli.restore_plan import Planned, print_plan, whose
from chom_pipelines.cli.restore_rows import timing_of_rows, with_warning
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import COMPARE, DUMP, REPLAY, Into, Predicted, Timing
from chom_pipelines.restores.directory_filling import ROOT_ALONE
from chom_pipelines.restores.directory_target import contained, refuse_directory
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.measured import keep_measured, way_here
from chom_pipelines.restores.predicting import Rate, predicted
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint
from chom_pipelines.server.load import Machine


@dataclass(frozen=True)
class PointInTimeRequest:
    """What is to be restored as of when, and where to; `request` says it of the backup that is made of that moment."""

    source: Server
    backup: str
    moment: Target | EndOfArchive
    route: Route
    target: Endpoint | Path
    request: Callable[[Manifest], RestoreRequest]
    dry_run: bool
    json: bool

    @property
    def where(self) -> str:
        """The target, for people."""
        return str(self.target) if isinstance(self.target, Path) else self.target.where


def restore_to_point_in_time(repository: Repository, keyring: Keyring | None, asked: PointInTimeRequest) -> None:
    """Do it, and print what was reached; a dry run prints what would be done, and changes nothing on the target."""
    started, began, before = datetime.now(UTC), time.monotonic(), Machine.now()
    with (
        output.progress() as report,
        point_in_time(
            repository,
            asked.source.name,
            asked.moment,
            backup=asked.backup,
            keyring=keyring,
            report=report,
            threads=asked.source.backup.threads,
            databases=asked.source.databases,
        ) as ready,
    ):
        wanted = asked.request(ready.start.manifest)
        refuse_unknown_tables(ready, wanted.tables)
        recoverer = ready.recoverer(
            asked.route,
            accounts=wanted.accounts,
            report=report,
            accept_losses=wanted.accept_losses,
            tables=wanted.tables,
        )
        recoverer.refuse_unfit()
        if not asked.json:
            _print_way(asked, ready)
        if asked.dry_run:
            read = Predicted(seconds=time.monotonic() - began, source="this dry run")
            reading = (Part("to read the binary log", read),) if ready.recovery.files else ()
            _print_plan(repository, keyring, ready, recoverer, asked, before=reading)
            return
        entry = repository.find(asked.source.name, ready.start.manifest.id)
        if isinstance(asked.target, Path):
            recovered = recover_into_directory(ready, asked.target, recoverer, replace_it=wanted.replace)
            result = recovered.restored
        else:
            recovered, result = recover_into_server(ready, asked.target, recoverer, asked.request)
    seconds = time.monotonic() - began
    lost = keep_measured(entry, keyring, started, _timings(asked, ready, recovered, result, before))
    _print_result(asked, ready, recovered, with_warning(result, lost), seconds)


def _timings(
    asked: PointInTimeRequest, ready: PointInTime, recovered: Recovered, result: RestoreResult, before: Machine
) -> Iterator[Timing]:
    """How long it took, by which others are predicted: not what the clients replay, as they are seldom asked to."""
    manifest = ready.start.manifest
    if asked.route is Route.CLIENT:
        return
    if isinstance(asked.target, Path):
        way = way_here(manifest, Into.DIRECTORY, asked.target, ready.start.threads)
        yield Timing.of(way, ready.amounts, result.phases, before.elsewhere(Machine.now()))
        return
    way = way_here(manifest, Into.PRIVATE, recovered.directory, ready.start.threads)
    yield Timing.of(way, ready.amounts, recovered.restored.phases)
    yield timing_of_rows(manifest, asked.target, asked.request(manifest), result, before)


def _print_plan(
    repository: Repository,
    keyring: Keyring | None,
    ready: PointInTime,
    recoverer: Recoverer,
    asked: PointInTimeRequest,
    *,
    before: tuple[Part, ...],
) -> None:
    """What would be done on the target, after these parts; into a directory that has been said already."""
    rates = known_rates(repository, asked.source.name, keyring)
    part = _recovery(asked, ready, rates)
    parts = (*before, part)
    if isinstance(asked.target, Path):
        refuse_directory(asked.target, replace=asked.request(ready.start.manifest).replace)
        gone = contained(asked.target)
        if asked.json:
            replaced = {"replaced": {"directory": str(asked.target), "holds": gone} if gone else None}
            output.document("restore", {**_as_json(asked, ready), **replaced, "predicted": forecast_json(parts)})
            return
        typer.echo(f"  lost by it: the directory {asked.target}, {gone}" if gone else "  nothing that is there is lost")
        if recoverer.lacks_accounts:
            typer.echo(f"  warning: {ROOT_ALONE}")
        for line in forecast_lines(parts):
            typer.echo(f"  {line}")
        return
    undefined = ready.undefined
    if undefined:
        _announce(ready, part)
    elif ready.recovery.files and not asked.json:
        typer.echo(
            "  the log in between only changes rows: their numbers below are the backup's, and may be others then"
        )
    full = ready.start.manifest.id
    with backup_to_plan_by(ready, recoverer, repository, keyring) as (entry, opening):
        print_plan(
            entry,
            opening,
            asked.target,
            replace(asked.request(entry.manifest(opening)), called=ready.called),
            json=asked.json,
            warnings=ready.warnings,
            more={**_as_json(asked, ready), "operations_by": "recovery" if undefined else "backup"},
            rates=rates,
            of=Planned(ready.called, repository.find(entry.server, full), keyring, parts),
        )


def _recovery(asked: PointInTimeRequest, ready: PointInTime, rates: Collection[Rate]) -> Part:
    """How long it takes until a directory is there, or a dump of a private server."""
    manifest, amounts = ready.start.manifest, ready.amounts
    if asked.route is Route.CLIENT and ready.recovery.files:
        return Part(f"a replay by {asked.route.value}", None)
    apart = [] if ready.start.of_files else [COMPARE]
    if isinstance(asked.target, Path):
        way = way_here(manifest, Into.DIRECTORY, asked.target, ready.start.threads)
        return Part(way.said, predicted(way, amounts, rates, manifest.id, apart=apart))
    return in_private(manifest, amounts, rates, [*apart, DUMP])


def _announce(ready: PointInTime, part: Part) -> None:
    """Say that a dry run takes long, and why, before it does: on stderr, as with --json as well."""
    known = part.predicted
    takes = f"about {output.duration(known.seconds)}" if known else "as long as the recovery itself"
    typer.echo(f"  {ready.undefined}", err=True)
    typer.echo(
        "  what would be done on the target is known once it is recovered on a private server, which is done now and "
        f"takes {takes}; nothing is changed on the target",
        err=True,
    )


def _print_way(asked: PointInTimeRequest, ready: PointInTime) -> None:
    would = "would be restored" if asked.dry_run else "is being restored"
    all_of_it = ", which is all that is archived," if isinstance(asked.moment, EndOfArchive) else ""
    typer.echo(f"{asked.source.name} as of {ready.recovery.target}{all_of_it} {would} into {asked.where}:")
    for line in ready.recovery.lines:
        typer.echo(f"  {line}")
    for warning in ready.warnings:
        typer.echo(f"  warning: {warning}", err=True)


def _print_result(
    asked: PointInTimeRequest, ready: PointInTime, recovered: Recovered, result: RestoreResult, seconds: float
) -> None:
    warnings = tuple(dict.fromkeys((*ready.warnings, *recovered.restored.warnings, *result.warnings)))
    if asked.json:
        body = {**_as_json(asked, ready), **vars(result), "warnings": warnings, "seconds": seconds}
        output.document("restore", {**body, "replayed": recovered.transactions})
        return
    typer.echo(f"{asked.source.name} as of {ready.recovery.target} is restored into {asked.where}")
    replayed = output.duration(recovered.restored.phases[REPLAY])
    end = ready.recovery.end
    reached = f", up to {end.file}:{end.position}" if end else ""
    transactions, tables = output.amount(recovered.transactions, "transaction"), output.amount(result.tables, "table")
    typer.echo(f"  {transactions} replayed by {asked.route.value} in {replayed}{reached}")
    if ready.recovery.files:
        typer.echo(f"  {_compared(asked, recovered)}")
    if isinstance(asked.target, Path):  # what the backup had is known, and not what it has become by the replay
        typer.echo(f"  in {output.duration(seconds)} in all")
        typer.echo(f"  {whose(asked.target)}")
    else:
        rows = f"{tables} with {output.amount(result.rows, 'row')}"
        typer.echo(f"  {rows} as {', '.join(result.databases)}, in {output.duration(seconds)} in all")
    for warning in warnings:
        typer.echo(f"  warning: {warning}", err=True)


def _compared(asked: PointInTimeRequest, recovered: Recovered) -> str:
    """What is known of where the replay ended."""
    if recovered.counted:
        return "it stands at the position and GTIDs that the archive says, after as many transactions"
    if asked.route is Route.CLIENT:
        return "every statement up to there was executed; these servers count no transactions that come from clients"
    return "it stands where the archive says"


def _as_json(asked: PointInTimeRequest, ready: PointInTime) -> dict[str, Any]:
    recovery = ready.recovery
    following = recovery.stop.following
    return {
        "server": asked.source.name,
        "target": asked.where,
        "moment": str(recovery.target),
        "backup": recovery.way.full.id,
        "begin": recovery.begin.model_dump() if recovery.begin else None,
        "end": recovery.end.model_dump() if recovery.end else None,
        "history": recovery.way.history or None,
        "transactions": recovery.stop.transactions,
        "left_out": following.label if following else None,
        "route": asked.route.value,
        "unlogged": ready.unlogged,
        "passed_over": ready.passed_over,
    }
