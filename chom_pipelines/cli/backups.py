"""`chom backups`: what is in the repository, and how each backup was last proved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chom_pipelines.backups.assessment import recent
from chom_pipelines.benchmarks.kept_reports import kept_reports
from chom_pipelines.benchmarks.predicting import rates as rates_of_reports
from chom_pipelines.cli import backup_output, output
from chom_pipelines.cli.forecasts import Part, checked, forecasts
from chom_pipelines.cli.opening import backups_of
from chom_pipelines.cli.options import ArchiveOption, ConfigOption, JsonOption, OffsiteOption, ServerOption
from chom_pipelines.errors import BackupNotFoundError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.offsite.standing import Standing, standing_of
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BACKUPS
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.pins import pin, pinned, unpin
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.measured import rates_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)

BackupArgument = Annotated[str, typer.Argument(metavar="BACKUP", help="Its id, or latest.")]

_PinOffsiteOption = Annotated[
    bool, typer.Option("--offsite", help="In the second copy, where it may be alone.", show_default=False)
]
_COLOURS = {Outcome.PASSED: None, Outcome.FAILED: "red", Outcome.NOT_VERIFIED: "magenta"}
_LINE = "{:<27}  {:<8}  {:<10}  {:>11}  {:>8}  {:>6}"
"""Of a backup; what proved it and where it stands take a second one, as 80 columns are not enough for all of it."""


@app.callback(invoke_without_command=True)
def backups(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    server: ServerOption = None,
    offsite: OffsiteOption = False,
    month: ArchiveOption = "",
    json: JsonOption = False,
) -> None:
    """List backups, oldest first: what each is, and how it was last proved.

    Of every server, unless one is named. Objects are not read: `chom verify` does that. Exit code 1 where a manifest is
    damaged or plain and should be encrypted, a proof failed, or a server is overdue by its backup_age_hours, else 3
    where one was never proved or cannot be read for want of its key, else 0.
    """
    if context.invoked_subcommand:
        context.obj = Before(config, server, json, offsite, month)
        return
    inventory = load_inventory(config)
    servers = inventory.servers if server is None else (inventory.server(server),)
    repository = existing_repository(inventory.repository, offsite=offsite, archive=month)
    keyrings = {one.name: keyring_of(inventory.repository, one.backup) for one in servers}
    found = {name: opened_all(repository.backups(name), keyring) for name, keyring in keyrings.items()}
    times = {one.name: _forecasts(repository, one.name, found[one.name], keyrings[one.name]) for one in servers}
    copies = {} if offsite or month else {one.name: standing_of(inventory, one) for one in servers}
    months = {one.name: repository.months(one.name) for one in servers} if offsite or month else {}
    if month:
        _refuse_missing(month, months, found)
    now = datetime.now(UTC)
    verdicts = {one.name: recent(repository, one, keyrings[one.name], now) for one in servers}
    late = {} if month else {name: verdict.outcome for name, verdict in verdicts.items()}
    if json:
        everything = [
            {
                **backup_output.as_json(one),
                **_copy_json(copies.get(name), one),
                "pinned": pinned(one.entry),
                "predicted_restores": [part.as_json() for part in times[name][one.entry.id]],
            }
            for name, several in found.items()
            for one in several
        ]
        overdue = {name: verdicts[name].reason for name, outcome in late.items() if outcome is Outcome.FAILED}
        output.document("backups", {"repository": repository.where, "backups": everything, "overdue": overdue})
    else:
        for name, several in found.items():
            _print_table(name, several, times[name], copies.get(name))
            if months.get(name) and not month:
                typer.echo(f"archived months of {name}: {', '.join(months[name])} (`chom backups --archive MONTH`)")
            if late.get(name) is Outcome.FAILED:
                typer.secho(f"{name} is overdue: {verdicts[name].reason}", fg="red")
    overall = worst([*(one.outcome for several in found.values() for one in several), *late.values()])
    raise typer.Exit(output.EXIT_CODES[overall])


def _refuse_missing(
    month: str, months: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[OpenedEntry]]
) -> None:
    """Raise BackupNotFoundError where no server has that month in the archive: nobody is overdue for that."""
    if any(found.values()):
        return
    known = sorted({each for several in months.values() for each in several})
    has = f"archived are: {', '.join(known)}" if known else "no month is archived"
    raise BackupNotFoundError(f"no backup of {month} is in the archive; {has}", f"chom offsite archive {month}")


@dataclass(frozen=True)
class Before:
    """The options that were given before the command within `chom backups`."""

    config: Path | None
    server: str | None
    json: bool
    offsite: bool
    month: str

    def found(self, config: Path | None, server: str | None, backup: str, action: str, *, offsite: bool) -> BackupEntry:
        """The backup that is meant, where either place has the options."""
        one, repository, _ = backups_of(
            config or self.config,
            server or self.server,
            action,
            offsite=offsite or self.offsite,
            archive=self.month,
            backup=backup,
        )
        return repository.find(one.name, backup)


@app.command("pin")
def pin_backup(
    context: typer.Context,
    backup: BackupArgument,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is kept; `chom prune` repeats it.")],
    offsite: _PinOffsiteOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a backup, whatever the retention says; here, and so by `chom prune --offsite` in the second copy, too.

    What it builds on stays as well. The binary log after it does not: it restores to its own moment.
    """
    before: Before = context.obj
    entry = before.found(config, server, backup, "pin", offsite=offsite)
    pin(entry, reason, datetime.now(UTC))
    _told(
        "backups pin",
        entry,
        f"stays until `chom backups unpin {entry.id} --server {entry.server}`: {reason}",
        json=json or before.json,
    )


@app.command("unpin")
def unpin_backup(
    context: typer.Context,
    backup: BackupArgument,
    *,
    offsite: _PinOffsiteOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Let the retention decide about a backup again."""
    before: Before = context.obj
    entry = before.found(config, server, backup, "unpin", offsite=offsite)
    said = "is no longer pinned" if unpin(entry) else "was not pinned"
    _told("backups unpin", entry, said, json=json or before.json)


def _told(command: str, entry: BackupEntry, said: str, *, json: bool) -> None:
    if json:
        output.document(command, {"server": entry.server, "backup": entry.id, "pinned": pinned(entry)})
    else:
        typer.echo(f"{entry.id} {said}")


def _print_table(
    server: str, found: list[OpenedEntry], times: Mapping[str, Sequence[Part]], copy: Standing | None
) -> None:
    if not found:
        typer.echo(f"{server}: no backups")
        _print_copy(copy)
        return
    typer.secho(f"{server}\n{_LINE.format('backup', 'method', 'taken', 'took', 'size', 'ratio')}", bold=True)
    for one in found:
        typer.echo(_described(one.entry.id, one.manifest))
        proved = typer.style(backup_output.proved(one), fg=_COLOURS[one.outcome])
        typer.echo(f"    {proved}" + (f"; {backup_output.position(one.manifest.coordinates)}" if one.manifest else ""))
        for line in _details(one, times[one.entry.id], copy):
            typer.echo(f"    {line}")
    _print_copy(copy)
    if not any(times.values()):
        typer.echo("how long a restore takes here is not known: `chom verify --level full` measures it")


def _details(one: OpenedEntry, times: Sequence[Part], copy: Standing | None) -> Iterator[str]:
    if (why := pinned(one.entry)) is not None:
        yield f"pinned: {output.printable(why)}"
    if copy and not copy.problem:
        yield _copied(copy, one.entry.id)
    if one.manifest and one.manifest.parent:
        yield f"the changes since {one.manifest.parent}, without which it cannot be restored"
    yield from (f"a restore takes {part.said}" for part in times[:1])
    full = one.latest.get(Level.FULL)
    if full and full.restored and full.restored.is_off:
        yield checked(full.restored)
    yield from (f"lost in JSON by any restore: {loss}" for loss in backup_output.losses(one.manifest))
    yield from _complaints(one)


def _copied(copy: Standing, backup: str) -> str:
    if backup in copy.damaged:
        return f"damaged in the second copy: `chom offsite push {backup}`, and then `chom offsite verify {backup}`"
    return "also in the second copy" if copy.has(BACKUPS, backup) else "not in the second copy"


def _print_copy(copy: Standing | None) -> None:
    if copy and copy.problem:
        typer.secho(f"what the second copy has is not known: {copy.problem}", fg="magenta")
    elif copy and copy.only_there:
        count = output.amount(len(copy.only_there), "backup")
        typer.echo(f"{count} more in the second copy alone, {copy.where}: `chom backups --offsite`")


def _copy_json(copy: Standing | None, one: OpenedEntry) -> dict[str, bool | None]:
    """Whether the second copy has it, null where that is not known; nothing where there is none."""
    return {"in_second_copy": copy.has(BACKUPS, one.entry.id)} if copy else {}


def _described(name: str, manifest: Manifest | None) -> str:
    if manifest is None:
        return name
    return _LINE.format(
        name,
        manifest.method.value,
        backup_output.age(manifest.as_of),
        output.duration(manifest.seconds),
        output.size(manifest.stored_bytes),
        f"{manifest.ratio:.1f}x",
    )


def _forecasts(
    repository: Repository, server: str, found: Sequence[OpenedEntry], keyring: Keyring | None
) -> dict[str, list[Part]]:
    """How long a restore of each takes here, by each way that was measured."""
    rates = (*rates_of(found, keyring), *rates_of_reports(kept_reports(repository, server).reports))
    manifests = {one.entry.id: one.manifest for one in found if one.manifest and not one.problem}
    times: dict[str, list[Part]] = {one.entry.id: [] for one in found}
    for name, manifest in manifests.items():
        chain = [manifest]
        while chain[0].parent:  # which can be read, as the entry has no problem
            chain.insert(0, manifests[chain[0].parent])
        times[name] = list(forecasts(chain, rates))
    return times


def _complaints(found: OpenedEntry) -> Iterator[str]:
    """What is wrong with it."""
    if found.problem:
        yield str(found.problem)
    for proof in found.latest.values():
        if proof.outcome is not Outcome.PASSED:
            which = f"{proof.backup}, on which it builds, " if proof.backup != found.entry.id else ""
            yield f"{which}{backup_output.verdict(proof)}"
    yield from (str(record.problem) for record in found.proofs if record.problem)
