"""`chom restore` of rows: of a logical backup, or of a physical one by a private server that runs on its files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.restore_options import account_explained
from chom_pipelines.cli.restore_plan import Planned, print_plan, whose
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_into_directory, restore_into_server
from chom_pipelines.restores.rows_of_files import refuse_early, restore_files_into_server, rows_of_files
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.endpoint import Endpoint


@dataclass(frozen=True)
class Asked:
    """What is to be done with the rows of a backup; `request` says it of its manifest, `user` is the account for it."""

    target: Endpoint | Path
    request: Callable[[Manifest], RestoreRequest]
    user: str | None
    dry_run: bool
    json: bool


def restore_rows(entry: BackupEntry, keyring: Keyring | None, asked: Asked) -> None:
    """Restore a logical backup, and print what there is then; a dry run prints what would be done."""
    if asked.dry_run:
        print_plan(entry, keyring, asked.target, asked.request(entry.manifest(keyring)), json=asked.json)
        return
    began = time.monotonic()
    with output.progress() as report, account_explained(asked.user):
        wanted = asked.request(entry.manifest(keyring))
        where, result = _restored(entry, keyring, asked.target, wanted, report)
    _print(entry, asked, where, result, time.monotonic() - began)


def restore_rows_of_files(
    entry: BackupEntry, keyring: Keyring | None, databases: Sequence[str] | None, target: Endpoint, asked: Asked
) -> None:
    """The same of a physical backup into a running server: its rows are dumped from a private server on its files.

    So a dry run needs that, too, and takes nearly as long; nothing is changed on the target.
    """
    began = time.monotonic()
    if not asked.dry_run:
        with output.progress() as report, account_explained(asked.user):
            result = restore_files_into_server(entry, keyring, target, asked.request, report, databases=databases)
        _print(entry, asked, target.where, result, time.monotonic() - began)
        return
    with account_explained(asked.user):
        refuse_early(entry, keyring, target, asked.request(entry.manifest(keyring)))
    typer.echo(
        f"{entry.id} is a physical backup: what would be done is known once a private server runs on its files, "
        "which is done now and takes as long as its restore; nothing is changed on the target",
        err=True,
    )
    with (
        output.progress() as report,
        rows_of_files(entry, keyring, asked.request, report, databases=databases) as (rows, wanted),
    ):
        of = Planned(entry.id, entry, keyring)
        print_plan(rows, None, target, wanted, json=asked.json, more={"backup": entry.id}, of=of)


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
