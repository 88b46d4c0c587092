"""`chom backups`: what is in the repository, and how each backup was last proved."""

import typer

from chom_pipelines.cli import entries, output
from chom_pipelines.cli.entries import OpenedEntry
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.repository.proof import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_COLUMNS = ("backup!", "method", "taken", "took>", "size>", "ratio>", "position", "proof")


@app.command()
def backups(config: ConfigOption = None, server: ServerOption = None, json: JsonOption = False) -> None:
    """List backups, oldest first: what each is, and how it was last proved.

    Of every server, unless one is named. Objects are not read: `chom verify` does that. Exit code 1 where a manifest
    is damaged or a proof failed, else 3 where one cannot be read for want of its key, else 0.
    """
    inventory = load_inventory(config)
    servers = inventory.servers if server is None else (inventory.server(server),)
    repository, keyring = entries.opened_repository(inventory.repository)
    found = {one.name: [entries.opened(entry, keyring) for entry in repository.backups(one.name)] for one in servers}
    if json:
        everything = [entries.as_json(one) for several in found.values() for one in several]
        output.document("backups", {"repository": str(repository.path), "backups": everything})
    else:
        for name, several in found.items():
            _print_table(name, several)
    outcomes = {one.outcome for several in found.values() for one in several}
    worst = next((each for each in (Outcome.FAILED, Outcome.NOT_VERIFIED) if each in outcomes), Outcome.PASSED)
    raise typer.Exit(entries.EXIT_CODES[worst])


def _print_table(server: str, found: list[OpenedEntry]) -> None:
    if not found:
        typer.echo(f"{server}: no backups")
        return
    output.table(_COLUMNS, [_row(one) for one in found], title=server, styles={"damaged": "bold red"})
    for one in found:
        if one.problem:
            typer.echo(f"{one.entry.id}: {one.problem}")
        for proof in one.latest.values():
            if proof.outcome is Outcome.FAILED:
                typer.echo(f"{one.entry.id}: {entries.verdict(proof)}")
        for record in one.proofs:
            if record.problem:
                typer.echo(f"{one.entry.id}: {record.problem}")


def _row(found: OpenedEntry) -> tuple[str, ...]:
    manifest = found.manifest
    if manifest is None:
        return (found.entry.id, "", "", "", "", "", "", entries.proved(found))
    return (
        found.entry.id,
        manifest.method.value,
        entries.age(manifest.snapshot),
        output.duration(entries.seconds_of(manifest)),
        output.size(manifest.stored_bytes),
        f"{manifest.ratio:.1f}x",
        entries.position(manifest.coordinates),
        entries.proved(found),
    )
