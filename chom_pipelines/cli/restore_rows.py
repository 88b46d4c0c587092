"""`chom restore` of rows: of a logical backup, or of a physical one by a private server that runs on its files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import typer

from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.cli import output
from chom_pipelines.cli.forecasts import Part
from chom_pipelines.cli.restore_options import account_explained
from chom_pipelines.cli.restore_plan import Planned, print_plan, whose
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import Amounts, Into, Predicted, Timing
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.measured import keep_measured, way_here
from chom_pipelines.restores.predicting import Rate
from chom_pipelines.restores.restoring import restore_into_directory, restore_into_server
from chom_pipelines.restores.rows_of_files import refuse_early, restore_files_into_server, rows_of_files
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.load import Machine


@dataclass(frozen=True)
class Asked:
    """What is to be done with the rows of a backup; `request` says it of its manifest, `user` is the account for it."""

    repository: Repository
    target: Endpoint | Path
    request: Callable[[Manifest], RestoreRequest]
    user: str | None
    dry_run: bool
    json: bool

    def rates(self, entry: BackupEntry, keyring: Keyring | None) -> tuple[Rate, ...]:
        """What tells how long restores of such backups take."""
        return known_rates(self.repository, entry.server, keyring)


def restore_rows(entry: BackupEntry, keyring: Keyring | None, asked: Asked) -> None:
    """Restore a logical backup, and print what there is then; a dry run prints what would be done."""
    if asked.dry_run:
        wanted, rates = asked.request(entry.manifest(keyring)), asked.rates(entry, keyring)
        print_plan(entry, keyring, asked.target, wanted, json=asked.json, rates=rates)
        return
    started, began, before = datetime.now(UTC), time.monotonic(), Machine.now()
    manifest = entry.manifest(keyring)
    with output.progress() as report, account_explained(asked.user):
        wanted = asked.request(manifest)
        where, result = _restored(entry, keyring, asked.target, wanted, report)
    seconds = time.monotonic() - began
    timing = timing_of_rows(manifest, asked.target, wanted, result, before)
    lost = keep_measured(entry, keyring, started, [timing])
    _print(entry, asked, where, with_warning(result, lost), seconds)


def timing_of_rows(
    manifest: Manifest, target: Endpoint | Path, request: RestoreRequest, result: RestoreResult, before: Machine
) -> Timing:
    """How long it took to restore those rows, whatever backup they come from; a running server is one of the others."""
    into = Into.DIRECTORY if isinstance(target, Path) else Into.SERVER
    way = way_here(manifest, into, target, request.threads, method=Method.LOGICAL)
    elsewhere = before.elsewhere(Machine.now()) if into is Into.DIRECTORY else None
    return Timing.of(way, Amounts(bytes=result.bytes, tables=result.tables), result.phases, elsewhere)


def with_warning(result: RestoreResult, warning: str) -> RestoreResult:
    """The same, with one more, unless it is empty."""
    return replace(result, warnings=(*result.warnings, warning)) if warning else result


def restore_rows_of_files(
    entry: BackupEntry, keyring: Keyring | None, databases: Sequence[str] | None, target: Endpoint, asked: Asked
) -> None:
    """The same of a physical backup into a running server: its rows are dumped from a private server on its files.

    So a dry run needs that, too, and takes nearly as long; nothing is changed on the target.
    """
    began = time.monotonic()
    started, before, manifest = datetime.now(UTC), Machine.now(), entry.manifest(keyring)
    if not asked.dry_run:
        with output.progress() as report, account_explained(asked.user):
            result = restore_files_into_server(entry, keyring, target, asked.request, report, databases=databases)
        seconds = time.monotonic() - began
        timing = timing_of_rows(manifest, target, asked.request(manifest), result, before)
        lost = keep_measured(entry, keyring, started, [timing])
        _print(entry, asked, target.where, with_warning(result, lost), seconds)
        return
    with account_explained(asked.user):
        refuse_early(entry, keyring, target, asked.request(manifest))
    typer.echo(
        f"{entry.id} is a physical backup: what would be done is known once a private server runs on its files, "
        "which is done now and takes as long as its restore; nothing is changed on the target",
        err=True,
    )
    with (
        output.progress() as report,
        rows_of_files(entry, keyring, asked.request, report, databases=databases) as (rows, wanted),
    ):
        now = Predicted(seconds=time.monotonic() - began, source="this dry run")
        of, rates = (
            Planned(entry.id, entry, keyring, (Part("until its rows are dumped", now),)),
            asked.rates(entry, keyring),
        )
        print_plan(rows, None, target, wanted, json=asked.json, rates=rates, more={"backup": entry.id}, of=of)


def _restored(
    entry: BackupEntry, keyring: Keyring | None, target: Endpoint | Path, wanted: RestoreRequest, report: Report
) -> tuple[str, RestoreResult]:
    """Where to, and what."""
    if isinstance(target, Path):
        return str(target), restore_into_directory(entry, keyring, target, wanted, report)
    return target.where, restore_into_server(entry, keyring, target, wanted, report)


def _print(entry: BackupEntry, asked: Asked, where: str, result: RestoreResult, seconds: float) -> None:
    if asked.json:
        body = {**vars(result), "backup": entry.id, "server": entry.server, "target": where, "seconds": seconds}
        output.document("restore", body)
        return
    done = f"{output.amount(result.tables, 'table')}, {output.amount(result.rows, 'row')}, {output.size(result.bytes)}"
    typer.echo(f"{entry.id} is restored into {where}, as {', '.join(result.databases)}")
    how = "read back and equal to the dump" if result.equal else "every row counted"
    typer.echo(f"  {done} in {output.duration(seconds)}, {how}")
    if isinstance(asked.target, Path):
        typer.echo(f"  {whose(asked.target)}")
    for warning in result.warnings:
        typer.echo(f"  warning: {warning}", err=True)
