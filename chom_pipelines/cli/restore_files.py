"""`chom restore` of a physical backup: into a directory."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.cli import backup_output, output
from chom_pipelines.cli.forecasts import Part, forecast_json, forecast_lines
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import Amounts, Into, Timing, Way, amounts_of
from chom_pipelines.restores.data_files import FilesRestored, plan_files, restore_files_into_directory
from chom_pipelines.restores.measured import keep_measured, way_here
from chom_pipelines.restores.predicting import predicted
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.load import Machine


@dataclass(frozen=True)
class AskedFiles:
    """What is to be done with the files of a backup."""

    repository: Repository
    directory: Path
    request: RestoreRequest
    dry_run: bool
    json: bool


def restore_files(entry: BackupEntry, keyring: Keyring | None, asked: AskedFiles) -> None:
    """Restore it, and print what there is then; a dry run prints what would be done, and why it would be refused."""
    if asked.dry_run:
        _print_plan(entry, keyring, asked)
        return
    (way, amounts), directory = _way(entry, keyring, asked), asked.directory
    started, began, before = datetime.now(UTC), time.monotonic(), Machine.now()
    with output.progress() as report:
        result = restore_files_into_directory(entry, keyring, directory, asked.request, report)
    seconds = time.monotonic() - began
    timing = Timing.of(way, amounts, result.phases, before.elsewhere(Machine.now()))
    lost = keep_measured(entry, keyring, started, [timing])
    result = replace(result, warnings=(*result.warnings, lost)) if lost else result
    if asked.json:
        body = {**vars(result), "position": result.position.model_dump() if result.position else None}
        about = {"backup": entry.id, "server": entry.server, "target": str(directory), "seconds": seconds}
        output.document("restore", {**body, **about})
        return
    _print(entry, directory, result, seconds)


def _print(entry: BackupEntry, directory: Path, result: FilesRestored, seconds: float) -> None:
    files, tables = output.amount(result.files, "file"), output.amount(result.tables, "table")
    typer.echo(f"{entry.id} is restored into {directory}, with {', '.join(result.databases) or 'no databases'}")
    typer.echo(f"  {files}, {tables}, {output.size(result.bytes)} in {output.duration(seconds)}")
    typer.echo("  a server has run on it, and was shut down in order; what is in its tables was compared with nothing")
    typer.echo(f"  a server needs {' '.join(result.options)}, where its own settings differ")
    typer.echo(f"  its accounts and passwords are those of {entry.server}")
    if result.position:
        gtid = f", GTID {result.position.gtid}" if result.position.gtid else ""
        typer.echo(f"  as of {result.position.file}:{result.position.position}{gtid} of the source's binary log")
    for warning in result.warnings:
        typer.echo(f"  warning: {warning}", err=True)


def _way(entry: BackupEntry, keyring: Keyring | None, asked: AskedFiles) -> tuple[Way, Amounts]:
    """How it is restored, and what the time of that goes by."""
    manifest = entry.manifest(keyring)
    chain = [each for _, each in entry.ancestors(manifest, keyring)][::-1]
    way = way_here(manifest, Into.DIRECTORY, asked.directory, asked.request.threads)
    return way, amounts_of([*chain, manifest])


def _print_plan(entry: BackupEntry, keyring: Keyring | None, asked: AskedFiles) -> None:
    directory = asked.directory
    operations, refused = plan_files(entry, keyring, directory, asked.request)
    known = opened(entry, keyring)
    rates, (way, amounts) = known_rates(asked.repository, entry.server, keyring), _way(entry, keyring, asked)
    part = Part(way.said, predicted(way, amounts, rates, entry.id))
    if asked.json:
        said = [
            {"action": each.action.value, "kind": each.kind, "name": each.name, "note": each.note}
            | {"database": each.database, "loses": each.needs_replace}
            for each in operations
        ]
        body: dict[str, Any] = {
            "backup": entry.id,
            "server": entry.server,
            "target": str(directory),
            "operations": said,
            "refused": {"what": refused.what, "remedy": refused.remedy} if refused else None,
            "warnings": [],
            "proved": backup_output.proved(known),
            "predicted": forecast_json([part]),
        }
        output.document("restore", body)
        if refused:
            raise typer.Exit(refused.exit_code)
        return
    typer.echo(f"{entry.id} into {directory} would, in this order,")
    for each in operations:
        typer.echo(f"  {each.line}")
    typer.echo(f"{entry.id}: {backup_output.proved(known)}")
    for line in forecast_lines([part]):
        typer.echo(line)
    if refused:
        raise refused
