"""`chom backup`: take a backup, and prove it as the policy says."""

import logging
import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from chom_pipelines.cli import entries, output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ChomError, ConfigurationError
from chom_pipelines.inventory.environment import (
    RETENTION,
    BackupType,
    backup_policy,
    retention_from_environment,
    type_from_environment,
)
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local import Repository
from chom_pipelines.repository.manifest import Method
from chom_pipelines.repository.proof import Level, Outcome, Proof

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_log = logging.getLogger(__name__)


@app.command()
def backup(
    *,
    kind: Annotated[BackupType | None, typer.Option("--type", help="$BACKUP_TYPE, else full.")] = None,
    compression: Annotated[Codec | None, typer.Option(help="$COMPRESSION.")] = None,
    level: Annotated[int | None, typer.Option(help="Of compression: zstd 1-22, gzip and bzip2 1-9, xz 0-9.")] = None,
    threads: Annotated[int | None, typer.Option(help="Connections; 0: one per core. $PARALLEL_THREADS.")] = None,
    verification: Annotated[Verification | None, typer.Option(help="What proves it afterwards. $VERIFICATION.")] = None,
    encrypt: Annotated[bool | None, typer.Option("--encrypt/--no-encrypt", help="$ENCRYPT_BACKUP.")] = None,
    upload: Annotated[bool | None, typer.Option("--upload/--no-upload", help="$UPLOAD_REMOTE.")] = None,
    method: Annotated[Method | None, typer.Option(help="Rows and definitions, or the server's files.")] = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Take a backup and prove it.

    What is left out comes from the environment, else from chom.yaml. Exit code 0 where the backup is there and passed
    the verification that was asked for; 1 where it is not there, or failed; 3 where it could not be verified.
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
    _refuse_unbuilt(kind or type_from_environment(os.environ), policy)
    _say_what_has_no_effect(chosen, os.environ)
    keyring = entries.keyring_of(inventory.repository) if policy.encrypt else None
    repository = Repository(inventory.repository.path)
    repository.create()
    with output.progress() as report:
        entry = take_backup(chosen, policy, repository, keyring, report)
    found = entries.opened(entry, keyring)
    if not json:
        _print_backup(found)
    proof = _proved(entry, policy, keyring)
    if json:
        _print_document(found, proof)
    else:
        typer.echo(entries.verdict(proof) if proof else "not verified: no verification was asked for")
        for failure in proof.failures if proof else ():
            typer.echo(f"  {failure}")
    raise typer.Exit(entries.EXIT_CODES[proof.outcome] if proof else 0)


def _refuse_unbuilt(kind: BackupType, policy: BackupPolicy) -> None:
    if kind is not BackupType.FULL:
        what = f"{kind.value} backups are not part of this version"
        raise ConfigurationError(what, "take a full one: --type full, or BACKUP_TYPE=full")
    if policy.method is not Method.LOGICAL:
        what = f"{policy.method.value} backups are not part of this version"
        raise ConfigurationError(what, "use --method logical, or method: logical in chom.yaml")
    if policy.upload:
        what = "uploading to the second copy is not part of this version, and nothing was started"
        raise ConfigurationError(what, "use --no-upload, UPLOAD_REMOTE=false, or upload: false in chom.yaml")


def _say_what_has_no_effect(server: Server, environ: Mapping[str, str]) -> None:
    retention_from_environment(server.retention, environ)
    for name in (*RETENTION.values(), "ENABLE_METRICS"):
        if environ.get(name):
            _log.warning("$%s has no effect: this version deletes no backups and exports no metrics", name)


def _proved(entry: BackupEntry, policy: BackupPolicy, keyring: Keyring | None) -> Proof | None:
    if policy.verification is Verification.NONE:
        return None
    from chom_pipelines.proofs.verification import verify  # a dump that is not verified starts sooner

    try:
        with output.progress() as report:
            return verify(entry, Level(policy.verification.value), keyring, report, threads=policy.threads)
    except ChomError as error:
        raise type(error)(f"{entry.path} was taken, but is not verified: {error.what}", error.remedy) from error


def _print_backup(found: entries.OpenedEntry) -> None:
    typer.echo(f"{found.entry.id} of {found.entry.server}", nl=found.manifest is None)
    if found.manifest:
        typer.echo(f" was taken in {output.duration(entries.seconds_of(found.manifest))}")
        typer.echo(f"  {entries.summary(found.manifest)}")
        typer.echo(f"  {entries.position(found.manifest.coordinates)}")
    typer.echo(f"  {found.entry.path}")
    for warning in found.manifest.warnings if found.manifest else ():
        typer.echo(f"  warning: {warning}", err=True)


def _print_document(found: entries.OpenedEntry, proof: Proof | None) -> None:
    body: dict[str, Any] = entries.as_json(found)
    body["proofs"] = [entries.proof_json(proof)] if proof else []
    body["outcome"] = (proof.outcome if proof else Outcome.NOT_VERIFIED).value
    output.document("backup", {"backup": body})
