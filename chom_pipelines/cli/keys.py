"""`chom keys`: the master keys of encrypted backups. No key is ever printed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption
from chom_pipelines.errors import ConfigurationError, RepositoryError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import config_path, load_inventory
from chom_pipelines.inventory.models import Encryption, Inventory
from chom_pipelines.inventory.opening import existing_repository, read_keyring, repository_of, second_copy_of
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.rotation import Rotated, needed_keys
from chom_pipelines.repository.rotation import rotate as rotated

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Generate, rotate and list the master keys of encrypted backups.",
)


@app.command()
def generate(
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What manifests call it; else today's date.", show_default=False),
    ] = None,
    kind: Annotated[KeyKind, typer.Option(help="rsa: backups can be taken where they cannot be read.")] = (
        KeyKind.AES_256
    ),
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Add a random key to the key file, and use it from now on. Those that are there stay."""
    inventory = load_inventory(config)
    file = _key_file(inventory, config)
    ring = Keyring.add_to(file, name or f"{datetime.now(UTC):%Y-%m-%d}", kind)
    if json:
        output.document("keys generate", {"file": str(file), "name": ring.active, "kind": kind.value})
        return
    typer.echo(f"{file}: the key {ring.active} ({kind.value}) is new, and wraps from now on")
    typer.echo("Keep a copy of this file somewhere else: without it no encrypted backup can be restored.", err=True)


@app.command("list")
def list_keys(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the keys by name and kind, oldest first."""
    encryption = _encryption(load_inventory(config), config)
    ring = read_keyring(encryption)
    keys = [(name, ring.kind(name).value, name == ring.active) for name in ring.names]
    if json:
        entries = [{"name": name, "kind": kind, "active": active} for name, kind, active in keys]
        output.document("keys list", {"source": str(encryption.keys), "keys": entries})
        return
    rows = [(name, kind, "active" if active else "") for name, kind, active in keys]
    output.table(("name", "kind", ""), rows, title=str(encryption.keys))


@app.command()
def rotate(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Wrap the keys of all backups by the active master key, here and in the second copy.

    `chom keys generate` makes a new one first. No backup is touched, and each can be read at every moment, as the key
    file keeps its former keys; an interrupted run is continued by the next. Exit code 1 where something could not be
    opened or reached.
    """
    inventory = load_inventory(config)
    encryption = _encryption(inventory, config)
    ring = read_keyring(encryption)
    record(inventory.repository, "rotate keys", active=ring.active)
    documents, codes = [], {0}
    for offsite in (False, True) if inventory.repository.offsite else (False,):
        where = (second_copy_of if offsite else repository_of)(inventory.repository).where
        found, wraps, error = Rotated(), {}, None
        try:
            copy = existing_repository(inventory.repository, offsite=offsite)
            found = rotated(copy, ring)
            wraps = needed_keys(copy)
        except RepositoryError as problem:  # the other copy is not to suffer for it
            error = problem
        codes |= {1} if found.failures else {error.exit_code if error else 0}
        if json:
            documents.append(_rotated_json(where, found, wraps, error))
        else:
            _print_rotated(where, found, ring.active, wraps, error)
    if json:
        output.document("keys rotate", {"active": ring.active, "copies": documents})
    raise typer.Exit(max(codes))


def _print_rotated(
    where: str, found: Rotated, active: str, wraps: Mapping[str, int], error: RepositoryError | None
) -> None:
    keys = output.amount(found.rewrapped, "data key")
    typer.echo(f"{where}: {keys} now wrapped by {active}; {found.already:,} already were")
    for each, why in found.failures.items():
        typer.secho(f"  not wrapped anew: {output.printable(each)}: {why}", fg="red")
    if error:
        typer.secho(f"  {error}", fg="red")
    for name in sorted(wraps.keys() - {active}):
        typer.echo(
            f"  {output.printable(name)} still wraps {output.amount(wraps[name], 'key')}: keep it in the key file"
        )


def _rotated_json(
    where: str, found: Rotated, wraps: Mapping[str, int], error: RepositoryError | None
) -> dict[str, Any]:
    return {
        "repository": where,
        "rewrapped": found.rewrapped,
        "already": found.already,
        "failures": {each: why.what for each, why in found.failures.items()},
        "error": error.what if error else None,
        "wraps": wraps,
    }


def _encryption(inventory: Inventory, config: Path | None) -> Encryption:
    if inventory.repository.encryption is None:
        what = f"{config_path(config)}: repository.encryption is not configured"
        raise ConfigurationError(what, "add  encryption: {keys: {file: /etc/chom/keys.json}}  to repository")
    return inventory.repository.encryption


def _key_file(inventory: Inventory, config: Path | None) -> Path:
    reference = _encryption(inventory, config).keys
    if reference.file is None:
        what = f"repository.encryption.keys is {reference}, which cannot be written"
        raise ConfigurationError(
            what, "generate with {file: PATH}, and put the file's text where the variable comes from"
        )
    return reference.file
