"""`chom verify`: prove backups."""

from typing import Annotated, Any

import typer

from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.cli import backup_output, output
from chom_pipelines.cli.forecasts import checked
from chom_pipelines.cli.opening import backups_of
from chom_pipelines.cli.options import (
    AllowUnencryptedOption,
    ArchiveOption,
    ConfigOption,
    JsonOption,
    OffsiteOption,
    ServerOption,
    refuse_unnamed,
)
from chom_pipelines.errors import BackupNotFoundError, ConfigurationError
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.proofs import verification
from chom_pipelines.proofs.archive import ArchiveProof, verify_archive
from chom_pipelines.repository.proof import Level, Proof, Subject
from chom_pipelines.repository.streams import LATEST

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verify(
    *,
    backup: Annotated[
        str | None,
        typer.Argument(metavar="BACKUP|latest", help="Else the latest.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every backup of the server, and its binary logs.", show_default=False)
    ] = False,
    binlogs: Annotated[
        bool, typer.Option("--binlogs", help="The archived binary logs that have no proof yet.", show_default=False)
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Binary logs that were proved before, too.", show_default=False)
    ] = False,
    level: Annotated[
        Level,
        typer.Option(help="basic: every byte authenticated and decoded; full: also restored and compared."),
    ] = Level.BASIC,
    allow_unencrypted: AllowUnencryptedOption = False,
    offsite: OffsiteOption = False,
    month: ArchiveOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Prove backups and archived binary logs, and keep the proof beside each.

    Exit code 0 where all passed; 1 where any failed; else 3 where any could not be verified.
    """
    _refuse_contradictions(backup, level, everything=everything, binlogs=binlogs, again=again)
    refuse_unnamed(backup, allow_unencrypted=allow_unencrypted)
    chosen, repository, keyring = backups_of(
        config,
        server,
        "verify",
        allow_plain=allow_unencrypted,
        offsite=offsite,
        archive=month,
        backup=backup,
        level=level.value,
        everything=everything,
        binlogs=binlogs,
    )
    archive = None
    if everything or binlogs:
        with output.progress() as report:
            archive = verify_archive(repository, chosen.name, keyring, report, again=again)
    if everything:
        wanted = repository.backups(chosen.name)
    else:
        wanted = [] if binlogs else [repository.find(chosen.name, backup or LATEST)]
    if not wanted and not archive:
        what = "archived binary log" if binlogs and not everything else "backup"
        raise BackupNotFoundError(f"{repository.where} has no {what} of {chosen.name}", "take one with `chom backup`")
    proofs = []
    rates = known_rates(repository, chosen.name, keyring) if level is Level.FULL else ()
    for entry in wanted:
        with output.progress() as report:
            proof = verification.verify(entry, level, keyring, report, threads=chosen.backup.threads, rates=rates)
        proofs.append(proof)
        if not json:
            _print(proof)
    overall = worst([*(proof.outcome for proof in proofs), *([archive.outcome] if archive else [])])
    if json:
        found = list(map(_as_json, proofs))
        output.document(
            "verify",
            {"outcome": overall.value, "proofs": found, "binlogs": _archive_json(archive) if archive else None},
        )
    elif archive:
        _print_archive(archive)
    raise typer.Exit(output.EXIT_CODES[overall])


def _refuse_contradictions(backup: str | None, level: Level, *, everything: bool, binlogs: bool, again: bool) -> None:
    if backup and (everything or binlogs):
        option = "--all" if everything else "--binlogs"
        raise ConfigurationError(f"both {backup} and {option} were given", "give one of them")
    if again and not (everything or binlogs):
        raise ConfigurationError("--again was given without --binlogs or --all", "backups are always verified anew")
    if binlogs and not everything and level is Level.FULL:
        what = "--level full was given with --binlogs: archived binary logs are read, and not restored"
        raise ConfigurationError(what, "leave it out; `chom drill` replays them")


def _as_json(proof: Proof) -> dict[str, Any]:
    return {"server": proof.server, "id": proof.backup, **backup_output.proof_json(proof)}


def _archive_json(archive: ArchiveProof) -> dict[str, Any]:
    chain = archive.chain
    return {
        "outcome": archive.outcome.value,
        "segments": [{"history": each.history, **_as_json(each.proof)} for each in archive.segments],
        "skipped": archive.skipped,
        "oldest_proof_of_these": archive.oldest.isoformat() if archive.oldest else None,
        "chain": {
            "outcome": chain.outcome.value,
            "reason": chain.reason,
            "gaps": chain.gaps,
            "mended_gaps": chain.mended,
        },
    }


def _print_archive(archive: ArchiveProof) -> None:
    """Thousands of segments have one line together; each that did not pass has one of its own."""
    for each in archive.segments:
        if each.proof.outcome is not Outcome.PASSED:
            typer.echo(f"{each.history}/{each.proof.backup}: {backup_output.verdict(each.proof)}")
            for failure in each.proof.failures:
                if not each.proof.reason.startswith(failure):
                    typer.echo(f"  {failure}")
    passed = [each.proof for each in archive.segments if each.proof.outcome is Outcome.PASSED]
    transactions = sum(proof.count(Subject.TRANSACTIONS) or 0 for proof in passed)
    what = f"{output.amount(len(passed), 'segment')} with {output.amount(transactions, 'transaction')}"
    typer.echo(f"binary logs: {what} passed now" if archive.segments else "binary logs: there is nothing new to prove")
    if archive.oldest:
        oldest = f"the oldest of them {backup_output.age(archive.oldest)}"
        typer.echo(f"  proved before: {archive.skipped}, {oldest}: --again reads them again")
    chain = archive.chain
    mended = f" ({output.amount(chain.mended, 'gap')} before the newest full backup)" if chain.mended else ""
    typer.echo(f"  their chain {_CHAIN[chain.outcome]}{f': {chain.reason}' if chain.reason else ''}{mended}")
    for gap in chain.gaps:
        typer.echo(f"    {gap}")


_CHAIN = {Outcome.PASSED: "is unbroken", Outcome.FAILED: "FAILED", Outcome.NOT_VERIFIED: "is not verified"}


def _print(proof: Proof) -> None:
    typer.echo(f"{proof.backup}: {backup_output.verdict(proof)}")
    if said := checked(proof.restored):
        typer.secho(f"  {said}", fg="yellow" if proof.restored and proof.restored.is_off else None)
    for failure in proof.failures:
        typer.echo(f"  {failure}")
    for loss in proof.losses:
        typer.echo(f"  lost in JSON by any restore: {loss}")
