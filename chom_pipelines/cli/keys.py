"""`chom keys`: the master keys of encrypted backups. No key is ever printed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import config_path, load_inventory
from chom_pipelines.inventory.models import Encryption, Inventory
from chom_pipelines.inventory.opening import existing_repository, read_keyring
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.repository import Repository
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
    file keeps its former keys; what is broken off is gone on with by the next run. Exit code 1 where something could
    not be opened or reached.
    """
    inventory = load_inventory(config)
    encryption = _encryption(inventory, config)
    ring = read_keyring(encryption)
    copies = [existing_repository(inventory.repository)]
    if inventory.repository.offsite:
        copies.append(existing_repository(inventory.repository, offsite=True))
    documents, failed = [], False
    record(inventory.repository, "rotate keys", active=ring.active)
    for copy in copies:
        found = rotated(copy, ring)
        needed = {} if found.failures else needed_keys(copy)
        failed = failed or bool(found.failures)
        if json:
            documents.append(_rotated_json(copy, found, needed))
        else:
            _print_rotated(copy, found, ring.active)
    if json:
        output.document("keys rotate", {"active": ring.active, "copies": documents})
    raise typer.Exit(1 if failed else 0)


def _print_rotated(copy: Repository, found: Rotated, active: str) -> None:
    keys = output.amount(found.rewrapped, "key")
    typer.echo(f"{copy.where}: {keys} wrapped anew by {active}, {found.already:,} were before")
    for where, error in found.failures.items():
        typer.secho(f"  not wrapped anew: {output.printable(where)}: {error}", fg="red")


def _rotated_json(copy: Repository, found: Rotated, needed: Mapping[str, int]) -> dict[str, Any]:
    failures = {where: error.what for where, error in found.failures.items()}
    return {
        "repository": copy.where,
        "rewrapped": found.rewrapped,
        "already": found.already,
        "failures": failures,
        "wraps": needed,
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
