"""`chom offsite`: the second copy, pushed, proved and brought back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli import verify as verify_module
from chom_pipelines.cli.options import AllowUnencryptedOption, ArchiveOption, ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ChomError, ConfigurationError, RepositoryError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, second_copy_of
from chom_pipelines.offsite.archive import archive_month, month_before, refuse_running
from chom_pipelines.offsite.copies import lacking, pull, push
from chom_pipelines.offsite.transfer import ServerDifference, Transfer
from chom_pipelines.repository.layout import BACKUPS
from chom_pipelines.repository.proof import Level

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Push backups and binary logs into the second copy, prove what is there, and bring it back.",
)

_OnlyOption = Annotated[
    str | None, typer.Option("--server", metavar="NAME", help="Only this server; else all.", show_default=False)
]
_BackupArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="BACKUP|latest",
        help="This one and those that it builds on, read again there; all if left out.",
        show_default=False,
    ),
]


@app.command("push")
def push_backups(
    backup: _BackupArgument = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Copy nothing, and print what is missing.", show_default=False)
    ] = False,
    config: ConfigOption = None,
    server: _OnlyOption = None,
    json: JsonOption = False,
) -> None:
    """Copy what the second copy lacks.

    Backups, binary logs, and what is recorded beside them.
    Each object is compared with its manifest as it is read, and with what the store says that it holds; a backup is
    listed there when all of it is. What is broken off is continued by the next push. Servers with upload: false are
    left out, unless one is named. Exit code 1 where something could not be copied.
    """
    inventory = load_inventory(config)
    if backup and len(inventory.servers) > 1 and server is None:
        inventory.server()  # which says what is missing
    servers = (inventory.server(server),) if server or backup else _uploading(inventory)
    where = second_copy_of(inventory.repository).where
    if dry_run:
        _print_lacking(inventory, servers, where, backup, json=json)
        return
    found = {}
    for one in servers:
        record(inventory.repository, "offsite push", one.name, backup=backup, to=where)
        with output.progress() as report:
            found[one.name] = _attempted(lambda one=one: push(inventory, one, report, backups=_named(backup)))
        if not json:
            _print(one.name, found[one.name], "there already")
    _end("offsite push", where, found, json=json)


@app.command("pull")
def pull_backups(
    backup: Annotated[
        str | None,
        typer.Argument(metavar="BACKUP|latest", help="With what it builds on, without logs.", show_default=False),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All of the server that is not here, binary logs too.", show_default=False)
    ] = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Bring backups back into the repository.

    A restore needs no pull: it has --offsite. What is here stays as it is, and an object that is not what its manifest
    says is not taken. Meanwhile no backup of the server can be taken. Exit code 1 where something could not be copied.
    """
    if (backup is None) == (not everything):
        raise ConfigurationError("it is not said what to bring back", "name a backup, or give --all")
    inventory = load_inventory(config)
    one = inventory.server(server)
    with output.progress() as report:
        found = {one.name: _attempted(lambda: pull(inventory, one, report, backups=_named(backup)))}
    record(inventory.repository, "offsite pull", one.name, backup=backup, everything=everything)
    if not json:
        _print(one.name, found[one.name], "here already")
    _end("offsite pull", existing_repository(inventory.repository).where, found, json=json)


@app.command("verify")
def verify_backups(
    backup: Annotated[
        str | None, typer.Argument(metavar="BACKUP|latest", help="Else the latest.", show_default=False)
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every backup of the server, and its binary logs.", show_default=False)
    ] = False,
    binlogs: Annotated[
        bool, typer.Option("--binlogs", help="The binary logs that have no proof there yet.", show_default=False)
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Binary logs that were proved before, too.", show_default=False)
    ] = False,
    level: Annotated[
        Level, typer.Option(help="basic: every byte authenticated and decoded; full: also restored and compared.")
    ] = Level.BASIC,
    allow_unencrypted: AllowUnencryptedOption = False,
    month: ArchiveOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Prove backups of the second copy by reading them.

    It is `chom verify --offsite`. The proofs are kept there, too: what is found of one copy says nothing of the other.
    What is damaged there is put again by `chom offsite push BACKUP`.
    """
    verify_module.verify(
        backup=backup,
        everything=everything,
        binlogs=binlogs,
        again=again,
        level=level,
        allow_unencrypted=allow_unencrypted,
        offsite=True,
        month=month,
        config=config,
        server=server,
        json=json,
    )


@app.command("archive")
def archive_backup(
    month: Annotated[
        str | None, typer.Argument(metavar="MONTH", help="As 2026-01; else the last that is over.", show_default=False)
    ] = None,
    *,
    config: ConfigOption = None,
    server: _OnlyOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a full backup of a month for long.

    It stays in the second copy's archive for monthly_archives months, whatever else the retention deletes. It is the
    last of the month that a restore proves, and is read back from there. Where none was ever restored, that is done
    now. Exit code 1 where there is none, or the copy is not what it should be.
    """
    inventory = load_inventory(config)
    second_copy_of(inventory.repository)  # which says it where there is none
    servers = (inventory.server(server),) if server else _uploading(inventory)
    now = datetime.now(UTC)
    wanted = month or month_before(now)
    refuse_running(wanted, now)
    documents: list[dict[str, Any]] = []
    codes = {0}
    for one in servers:
        record(inventory.repository, "offsite archive", one.name, month=wanted)
        try:
            with output.progress() as report:
                found = archive_month(inventory, one, wanted, report)
        except ConfigurationError:
            raise
        except ChomError as error:
            codes.add(error.exit_code)
            documents.append({"server": one.name, "error": _error_json(error)})
            said = typer.style(str(error), fg="red")
        else:
            documents.append({"server": one.name, "backup": found.entry.id, "already": found.already})
            is_new = "was there before" if found.already else "is archived"
            said = f"{found.entry.id} {is_new}, and was read back there: {found.entry.where}"
        if not json:
            typer.echo(f"{one.name}, {wanted}: {said}")
    if json:
        output.document("offsite archive", {"month": wanted, "servers": documents})
    raise typer.Exit(max(codes))


def _named(backup: str | None) -> list[str] | None:
    return None if backup is None else [backup]


def _uploading(inventory: Inventory) -> tuple[Server, ...]:
    found = tuple(one for one in inventory.servers if one.backup.upload)
    if not found and inventory.repository.offsite:
        raise ConfigurationError("every server has upload: false", "to push one all the same: --server NAME")
    return found


def _attempted(transfer: Any) -> Transfer:  # noqa: ANN401  (a function without arguments)
    """With the error where it could not begin: the next server is not to suffer for it."""
    try:
        found: Transfer = transfer()
    except ConfigurationError:
        raise
    except RepositoryError as error:
        return Transfer(problem=error)
    return found


def _print(server: str, found: Transfer, already: str) -> None:
    typer.secho(server, bold=True)
    for each in found.copied:
        if each.name.startswith(BACKUPS):
            typer.echo(f"  copied: {output.printable(each.name.partition('/')[2])} ({output.size(each.bytes)})")
    for name, error in found.failures.items():
        typer.secho(f"  not copied: {output.printable(name)}: {error}", fg="red")
    if found.problem:
        typer.secho(f"  {found.problem}", fg="red")
    if found.not_tried:
        typer.secho(f"  not tried: {_counted_number(found.not_tried)}", fg="red")
    were = "" if found.problem and not found.copied else f"; {_were(found.there)} {already}"
    typer.echo(f"  {_copied(found)}{were}")


def _were(count: int) -> str:
    return "1 was" if count == 1 else f"{count:,} were"


def _copied(found: Transfer) -> str:
    if not found.copied:
        return "nothing was copied" if not found.is_complete else "nothing is missing"
    rate = f", {output.size(found.bytes / found.seconds)}/s" if found.seconds else ""
    amounts = _amounts(each.name for each in found.copied)
    return f"{amounts} copied ({output.size(found.bytes)} in {output.duration(found.seconds)}{rate})"


def _amounts(names: Iterable[str]) -> str:
    known = list(names)
    backups = sum(name.startswith(BACKUPS) for name in known)
    amounts = ((backups, "backup"), (len(known) - backups, "segment"))
    return " and ".join(output.amount(count, thing) for count, thing in amounts if count)


def _counted_number(count: int) -> str:
    return output.amount(count, "backup or segment") if count == 1 else f"{count:,} backups or segments"


def _end(command: str, where: str, found: dict[str, Transfer], *, json: bool) -> None:
    if json:
        servers = [{"server": name, **_as_json(each)} for name, each in found.items()]
        output.document(command, {"to": where, "servers": servers})
    codes = {each.error.exit_code for each in found.values() if each.error}
    raise typer.Exit(1 if 1 in codes else max(codes, default=0))


def _as_json(found: Transfer) -> dict[str, Any]:
    return {
        "complete": found.is_complete,
        "copied": [{"name": each.name, "bytes": each.bytes} for each in found.copied],
        "there_already": found.there,
        "failures": [{"name": name, **_error_json(error)} for name, error in found.failures.items()],
        "problem": _error_json(found.problem) if found.problem else None,
        "not_tried": found.not_tried,
        "seconds": round(found.seconds, 3),
    }


def _error_json(error: ChomError) -> dict[str, str]:
    return {"message": error.what, "remedy": error.remedy}


def _print_lacking(
    inventory: Inventory, servers: Iterable[Server], where: str, backup: str | None, *, json: bool
) -> None:
    found = {one.name: lacking(inventory, one, _named(backup)) for one in servers}
    if json:
        servers_json = [{"server": name, "lacking": list(_lacking_json(each))} for name, each in found.items()]
        output.document("offsite push", {"to": where, "dry_run": True, "servers": servers_json})
        return
    for name, each in found.items():
        typer.secho(name, bold=True)
        missing = list(_lacking_json(each))
        for one in missing:
            typer.echo(f"  would be copied: {output.printable(one['name'])} ({output.size(one['bytes'])})")
        if not missing:
            typer.echo("  nothing is missing")


def _lacking_json(found: ServerDifference) -> Iterator[dict[str, Any]]:
    for stream, several in found.lacking.items():
        yield from ({"name": f"{stream}/{each.entry.id}", "bytes": each.bytes} for each in several)
