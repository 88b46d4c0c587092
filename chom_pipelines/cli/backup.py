"""`chom backup`: take a backup, and prove it as the policy says."""

import logging
import os
from collections.abc import Mapping
from typing import Annotated

import typer

from chom_pipelines.backups.taking import Taken, take_and_prove
from chom_pipelines.cli import backup_output, output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ChomError, ConfigurationError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.environment import (
    RETENTION,
    backup_policy,
    retention_from_environment,
    type_from_environment,
)
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import second_copy_of
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_log = logging.getLogger(__name__)


@app.command()
def backup(
    *,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--type",
            help="incremental: the binary log until now, or with --method physical the pages that were changed since "
            "the last physical backup; binlog: the log's closed files. $BACKUP_TYPE.",
        ),
    ] = None,
    compression: Annotated[Codec | None, typer.Option(help="$COMPRESSION.")] = None,
    level: Annotated[int | None, typer.Option(help="Of compression: zstd 1-22, gzip and bzip2 1-9, xz 0-9.")] = None,
    threads: Annotated[int | None, typer.Option(help="Connections; 0: one per core. $PARALLEL_THREADS.")] = None,
    verification: Annotated[Verification | None, typer.Option(help="What proves a full backup. $VERIFICATION.")] = None,
    encrypt: Annotated[bool | None, typer.Option("--encrypt/--no-encrypt", help="$ENCRYPT_BACKUP.")] = None,
    upload: Annotated[
        bool | None, typer.Option("--upload/--no-upload", help="Into the second copy, too. $UPLOAD_REMOTE.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="logical: rows; physical: the data files.")] = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Take a backup and prove it, or archive the binary log.

    What is left out comes from the environment, else from chom.yaml. Exit code 0 where the backup is there and passed
    the verification that was asked for; 1 where it is not there, or failed; 3 where it could not be verified. Of a
    binary log: 1 where something could not be archived, or the archive has a gap: also one of an earlier run, until a
    full backup ends it.
    """
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    options = {
        "method": method,
        "compression": compression,
        "level": level,
        "threads": threads,
        "verification": verification,
        "encrypt": encrypt,
        "upload": upload,
    }
    policy = backup_policy(chosen.backup, inventory.repository, os.environ, options)
    kind = kind or type_from_environment(os.environ)
    # by the option alone: what archives the log must not cease to because chom.yaml names another method
    is_of_log = kind is Kind.BINLOG or (kind is Kind.INCREMENTAL and method != Method.PHYSICAL.value)
    if is_of_log:
        of_full = {"--verification": verification, "--threads": threads}
        _refuse_of_full(of_full | ({"--method": method} if kind is Kind.BINLOG else {}), kind)
    _say_what_has_no_effect(chosen, os.environ)
    if is_of_log:
        from chom_pipelines.cli.archive_output import archive_log  # a dump starts sooner without

        code = archive_log(inventory, chosen, policy, close=kind is Kind.INCREMENTAL, json=json)
        copied = _uploaded(inventory, chosen, policy, None)
        raise typer.Exit(1 if 1 in {code, copied} else max(code, copied))
    with output.progress() as report:
        taken = take_and_prove(inventory, chosen, kind, policy, report, announce=_silent if json else _print_backup)
    if json:
        _print_document(taken)
    else:
        typer.echo(_verdict(taken))
        for failure in taken.proof.failures if taken.proof else ():
            typer.echo(f"  {failure}")
    code = output.EXIT_CODES[taken.outcome] if taken.proof or taken.unproved else 0
    copied = _uploaded(inventory, chosen, policy, taken.entry.id)
    raise typer.Exit(1 if 1 in {code, copied} else max(code, copied))


def _refuse_of_full(options: Mapping[str, object], kind: Kind) -> None:
    for name, given in options.items():
        if given is not None:
            what = f"{name} is for full backups, and the type is {kind.value}"
            raise ConfigurationError(what, "leave it out; `chom verify --binlogs` proves archived binary logs")


def _uploaded(inventory: Inventory, server: Server, policy: BackupPolicy, backup: str | None) -> int:
    """Copy it, or all of the server, into the second copy where that is asked for; the exit code of that.

    What goes wrong there is said, and makes the backup no worse than it is.
    """
    if not policy.upload:
        return 0
    from chom_pipelines.offsite.copies import push  # a dump starts sooner without

    record(inventory.repository, "offsite push", server.name, backup=backup)
    try:
        with output.progress() as report:
            found = push(inventory, server, report, backups=None if backup is None else [backup])
    except ChomError as error:
        problem: ChomError | None = error
    else:
        problem = found.error
    if problem:
        _log.error("not in the second copy: %s\n  → then `chom offsite push`: what was taken is complete here", problem)
        return problem.exit_code
    _log.info("in the second copy: %s", second_copy_of(inventory.repository).where)
    return 0


def _verdict(taken: Taken) -> str:
    if taken.unproved:
        return f"{Outcome.NOT_VERIFIED.words}: {taken.unproved}"
    return backup_output.verdict(taken.proof) if taken.proof else "not verified: no verification was asked for"


def _say_what_has_no_effect(server: Server, environ: Mapping[str, str]) -> None:
    retention_from_environment(server.retention, environ)
    for name in (*RETENTION.values(), "ENABLE_METRICS"):
        if environ.get(name):
            _log.warning("$%s has no effect: this version deletes no backups and exports no metrics", name)


def _silent(entry: BackupEntry, manifest: Manifest) -> None:
    """What says nothing."""


def _print_backup(entry: BackupEntry, manifest: Manifest) -> None:
    typer.echo(f"{entry.id} of {entry.server} was taken in {output.duration(manifest.seconds)}")
    typer.echo(f"  {backup_output.summary(manifest)}")
    typer.echo(f"  {backup_output.position(manifest.coordinates)}")
    typer.echo(f"  {entry.where}")
    for warning in manifest.warnings:
        typer.echo(f"  warning: {warning}", err=True)


def _print_document(taken: Taken) -> None:
    output.document("backup", {"backup": backup_output.taken_json(taken)})
