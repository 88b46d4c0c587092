"""`chom restore` of a physical backup: into a directory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import typer

from chom_pipelines.cli import backup_output, output
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.restores.data_files import FilesRestored, plan_files, restore_files_into_directory
from chom_pipelines.restores.selection import RestoreRequest


def restore_files(
    entry: BackupEntry, keyring: Keyring | None, directory: Path, request: RestoreRequest, *, dry_run: bool, json: bool
) -> None:
    """Restore it, and print what there is then; a dry run prints what would be done, and why it would be refused."""
    if dry_run:
        _print_plan(entry, keyring, directory, request, json=json)
        return
    began = time.monotonic()
    with output.progress() as report:
        result = restore_files_into_directory(entry, keyring, directory, request, report)
    seconds = time.monotonic() - began
    if json:
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


def _print_plan(
    entry: BackupEntry, keyring: Keyring | None, directory: Path, request: RestoreRequest, *, json: bool
) -> None:
    operations, refused = plan_files(entry, keyring, directory, request)
    known = opened(entry, keyring)
    if json:
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
            "measured_seconds": known.restored_in,
        }
        output.document("restore", body)
        if refused:
            raise typer.Exit(refused.exit_code)
        return
    typer.echo(f"{entry.id} into {directory} would, in this order,")
    for each in operations:
        typer.echo(f"  {each.line}")
    typer.echo(f"{entry.id}: {backup_output.proved(known)}")
    if known.restored_in is None:
        typer.echo("how long it takes is not known: `chom verify --level full` restores it and measures that")
    else:
        typer.echo(f"all of it was restored on this machine in {output.duration(known.restored_in)}, the last time")
    if refused:
        raise refused
