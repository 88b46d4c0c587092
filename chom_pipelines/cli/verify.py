"""`chom verify`: prove backups."""

from typing import Annotated

import typer

from chom_pipelines.cli import entries, output
from chom_pipelines.cli.options import AllowUnencryptedOption, ConfigOption, JsonOption, ServerOption, refuse_unnamed
from chom_pipelines.errors import BackupNotFoundError, ConfigurationError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.outcome import worst
from chom_pipelines.proofs import verification
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.streams import LATEST

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verify(
    *,
    backup: Annotated[
        str | None,
        typer.Argument(metavar="BACKUP|latest", help="Else the latest.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every backup of the server.", show_default=False)] = False,
    level: Annotated[
        Level,
        typer.Option(help="basic: every byte authenticated and decoded; full: also restored and compared."),
    ] = Level.BASIC,
    allow_unencrypted: AllowUnencryptedOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Prove backups, and keep the proof beside each.

    Exit code 0 where all passed; 1 where any failed; else 3 where any could not be verified.
    """
    if backup and everything:
        raise ConfigurationError(f"both {backup} and --all were given", "give one of them")
    refuse_unnamed(backup, allow_unencrypted=allow_unencrypted)
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    repository = existing_repository(inventory.repository)
    keyring = keyring_of(inventory.repository, chosen.backup, allow_plain=allow_unencrypted)
    wanted = repository.backups(chosen.name) if everything else [repository.find(chosen.name, backup or LATEST)]
    if not wanted:
        raise BackupNotFoundError(f"{repository.where} has no backup of {chosen.name}", "take one with `chom backup`")
    proofs = []
    for entry in wanted:
        with output.progress() as report:
            proof = verification.verify(entry, level, keyring, report, threads=chosen.backup.threads)
        proofs.append(proof)
        if not json:
            _print(proof)
    outcomes = {proof.outcome for proof in proofs}
    overall = worst(outcomes)
    if json:
        found = [{"server": proof.server, "id": proof.backup, **entries.proof_json(proof)} for proof in proofs]
        output.document("verify", {"outcome": overall.value, "proofs": found})
    raise typer.Exit(output.EXIT_CODES[overall])


def _print(proof: Proof) -> None:
    typer.echo(f"{proof.backup}: {entries.verdict(proof)}")
    for failure in proof.failures:
        typer.echo(f"  {failure}")
    for loss in proof.losses:
        typer.echo(f"  lost in JSON by any restore: {loss}")
