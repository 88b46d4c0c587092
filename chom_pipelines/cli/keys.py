"""`chom keys`: the master keys of encrypted backups. No key is ever printed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.loading import config_path, load_inventory
from chom_pipelines.inventory.models import Encryption, Inventory
from chom_pipelines.inventory.opening import read_keyring
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Generate and list the master keys of encrypted backups.",
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
    file = _key_file(load_inventory(config), config)
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
