"""What `chom restore --dry-run` prints."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from chom_pipelines.cli import backup_output, output
from chom_pipelines.cli.forecasts import Part, forecast_json, forecast_lines, forecasts, total
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.timing import COMPARE, READ_FIRST, Amounts, Into
from chom_pipelines.restores.directory_target import refuse_directory
from chom_pipelines.restores.measured import way_here
from chom_pipelines.restores.operations import Operations
from chom_pipelines.restores.predicting import Rate, predicted
from chom_pipelines.restores.restoring import plan_restore
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint


@dataclass(frozen=True)
class Planned:
    """What is planned by a backup that was only made to plan by: what people call it, and the backup it begins with."""

    name: str
    entry: BackupEntry
    keyring: Keyring | None
    before: tuple[Part, ...]
    """What is done until there is such a backup."""


def whose(directory: Path) -> str:
    """Who may start a server on a restored directory, for people."""
    try:
        owner = directory.owner()
    except KeyError:  # nobody of this machine has that number
        owner = str(directory.stat().st_uid)
    return f"it belongs to {owner}: for a server of another account, run `chown -R mysql: {directory}` first"


def print_plan(
    entry: BackupEntry,
    keyring: Keyring | None,
    target: Endpoint | Path,
    request: RestoreRequest,
    *,
    json: bool,
    rates: Collection[Rate],
    warnings: tuple[str, ...] = (),
    more: Mapping[str, Any] | None = None,
    of: Planned | None = None,
) -> None:
    """Print the list of operations, how long they take, and why it would be refused; raises that, after it.

    `warnings` and `more` are for the document; `of` is a point in time, whose plan is made by this backup.
    """
    if isinstance(target, Path):
        refuse_directory(target, replace=request.replace)
    found, refused = plan_restore(entry, keyring, target, request)
    proving = of.entry if of else entry
    known = opened(proving, of.keyring if of else keyring)
    proved = backup_output.proved(known)
    where = str(target) if isinstance(target, Path) else target.where
    parts = (*(of.before if of else ()), _loading(entry.manifest(keyring), target, request, found, rates))
    if json:
        body: dict[str, Any] = {
            "backup": entry.id,
            "server": entry.server,
            "target": where,
            "operations": [
                {
                    "action": each.action.value,
                    "kind": each.kind,
                    "database": each.database,
                    "name": each.name,
                    "note": each.note,
                    "loses": each.needs_replace,
                }
                for each in found.all
            ],
            "warnings": (*warnings, *found.warnings),
            "refused": {"what": refused.what, "remedy": refused.remedy} if refused else None,
        }
        body |= {"proved": proved, "predicted": forecast_json(parts)}
        output.document("restore", {**body, **(more or {})})
        if refused:
            raise typer.Exit(refused.exit_code)
        return
    typer.echo(f"{of.name if of else entry.id} into {where} would, in this order,")
    for each in found.all:
        typer.echo(f"  {each.line}")
    rows, size = sum(each.table.rows for each in found.tables), sum(each.table.bytes for each in found.tables)
    gone = len(found.destructive)
    lost = f"lost by it: {gone} of the above" if gone else "nothing that is there is lost"
    typer.echo(f"tables: {len(found.tables)}, with {output.amount(rows, 'row')}, {output.size(size)}; {lost}")
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{proving.id}: {proved}")
    for line in forecast_lines(parts):
        typer.echo(line)
    elsewhere = () if of or total(parts) is not None else forecasts([entry.manifest(keyring)], rates)
    for part in islice(elsewhere, 1):
        typer.echo(f"a restore takes {part.said}")
    if refused:
        raise refused


def _loading(
    manifest: Manifest, target: Endpoint | Path, request: RestoreRequest, found: Operations, rates: Collection[Rate]
) -> Part:
    """How long it takes to restore the rows that are on the list."""
    into = Into.DIRECTORY if isinstance(target, Path) else Into.SERVER
    way = way_here(manifest, into, target, request.threads)
    amounts = Amounts(bytes=sum(each.table.bytes for each in found.tables), tables=len(found.tables))
    apart = [*([COMPARE] if request.compare else []), *([READ_FIRST] if found.destructive else [])]
    return Part(way.said, predicted(way, amounts, rates, manifest.id, apart=apart))
