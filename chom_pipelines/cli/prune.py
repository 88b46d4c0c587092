"""`chom prune`: deletes backups and binary logs that the retention of a server no longer keeps, and says why."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from chom_pipelines.binlogs.streaming.wholes import remove_superseded
from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.environment import retention_from_environment
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.offsite.archive import delete_month, due_months
from chom_pipelines.repository.layout import BACKUPS
from chom_pipelines.repository.pins import pins_of
from chom_pipelines.repository.repository import Repository
from chom_pipelines.retention.decisions import Decision, Group, grouped, total
from chom_pipelines.retention.pruning import Applied, not_applied
from chom_pipelines.retention.pruning import prune as delete
from chom_pipelines.retention.reach import Reach

app = typer.Typer(add_completion=False, rich_markup_mode=None)

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Delete nothing, and print what would be deleted.", show_default=False)
]
_OffsiteOption = Annotated[
    bool,
    typer.Option(
        "--offsite", help="Delete from the second copy instead, and months of its archive.", show_default=False
    ),
]
_OnlyOption = Annotated[
    str | None, typer.Option("--server", metavar="NAME", help="Only this server; else all.", show_default=False)
]


@app.command()
def prune(
    config: ConfigOption = None,
    server: _OnlyOption = None,
    dry_run: DryRunOption = False,
    offsite: _OffsiteOption = False,
    json: JsonOption = False,
) -> None:
    """Delete backups and binary logs that the retention no longer keeps.

    Whatever it says, all that restores to a moment of the last binlog_days need stays, and so do the last full backup
    that was proved, pinned backups, and what cannot be read or believed. RETAIN_FULL_DAYS, RETAIN_INCREMENTAL_DAYS and
    RETAIN_BINLOG_DAYS override chom.yaml.

    Where the newest full backup has failed, is overdue by backup_age_hours or cannot be believed, nothing is deleted.
    Exit code 1 then, and where something could not be deleted.
    """
    inventory = load_inventory(config)
    servers = inventory.servers if server is None else (inventory.server(server),)
    repository = existing_repository(inventory.repository, offsite=offsite)
    documents, codes = [], {0}
    for one in servers:
        applied = _applied(repository, inventory, one, dry_run=dry_run, offsite=offsite)
        if not dry_run:
            gone = sorted(f"{each.stream}/{each.id}" for each in applied.gone)
            record(inventory.repository, "prune", one.name, offsite=offsite, deleted=gone)
        months, trouble = _months(repository, inventory, one, dry_run=dry_run) if offsite else ([], None)
        codes |= {each.exit_code for each in (trouble, applied.problem) if each}
        if applied.plan.nothing_because:
            codes.add(1)
        if json:
            documents.append({"server": one.name, **_as_json(applied), **({"months": months} if offsite else {})})
        else:
            _print(one.name, repository.where if offsite else "", applied, months, trouble, dry_run=dry_run)
    if json:
        output.document("prune", {"repository": repository.where, "dry_run": dry_run, "servers": documents})
    raise typer.Exit(1 if 1 in codes else max(codes))


def _print(
    server: str, where: str, applied: Applied, months: Iterable[str], trouble: ChomError | None, *, dry_run: bool
) -> None:
    typer.secho(server + (f" at {where}" if where else ""), bold=True)
    for line, colour in _lines(applied, server, dry_run=dry_run):
        typer.secho(f"  {line}", fg=colour)
    for month in months:
        said = "would be deleted" if dry_run else "deleted"
        typer.secho(f"  {said}: the archive of {month}: beyond monthly_archives", fg="yellow")
    if trouble:
        typer.secho(f"  {trouble}", fg="red")


def _months(
    repository: Repository, inventory: Inventory, server: Server, *, dry_run: bool
) -> tuple[list[str], ChomError | None]:
    """The months of the archive that go, and why not all of them did."""
    gone: list[str] = []
    problem: ChomError | None = None
    try:
        due = due_months(repository, server, keyring_of(inventory.repository, server.backup))
    except ChomError as error:
        return [], error
    for month in due:
        try:
            if not dry_run:
                delete_month(repository, server.name, month)
                record(inventory.repository, "prune", server.name, offsite=True, month=month)
        except ChomError as error:  # the others are not to suffer for it
            problem = problem or error
        else:
            gone.append(month)
    return gone, problem


def _applied(repository: Repository, inventory: Inventory, server: Server, *, dry_run: bool, offsite: bool) -> Applied:
    """With the error where nothing could be decided: the next server is not to suffer for it.

    Of the second copy stays what is pinned in the repository, too, which therefore has to be there.
    """
    retention = retention_from_environment(server.retention, os.environ)
    server, now = server.model_copy(update={"retention": retention}), datetime.now(UTC)
    try:
        keyring = keyring_of(inventory.repository, server.backup)
        pins = pins_of(existing_repository(inventory.repository).backups(server.name)) if offsite else {}
        if dry_run:
            return not_applied(repository, server, keyring, now, pins)
        if offsite:  # here the stream does that, when the whole file is archived
            remove_superseded(repository, server.name, keyring)
        return delete(repository, server, keyring, now, pins)
    except ChomError as error:
        return Applied(problem=error)


def _lines(applied: Applied, server: str, *, dry_run: bool) -> Iterator[tuple[str, str | None]]:
    """What is printed of a server, each with its colour."""
    plan = applied.plan
    if plan.nothing_because:
        yield f"nothing is deleted: {plan.nothing_because}", "red"
        if plan.refused:
            due = f"{_amounts(plan.refused)} due, and deleted once there is"
            yield f"  -> `chom backup --server {server}` takes a full backup; {due}", "red"
    for group in grouped(plan.decisions, applied.gone):
        label, colour = _label(group, applied.gone, dry_run=dry_run)
        yield f"{label}: {_described(group)}", colour
    if applied.problem:
        yield str(applied.problem), "red"
    gone = frozenset(plan.goes) if dry_run else applied.gone
    deleted = f"{_amounts(gone)} {'would be deleted' if dry_run else 'deleted'}" if gone else "nothing to delete"
    yield f"{deleted}; {_amounts([each for each in plan.decisions if each not in gone])} stay", None
    if applied.reach.now:
        yield _reach(applied.reach, dry_run=dry_run), None


def _reach(reach: Reach, *, dry_run: bool) -> str:
    now, afterwards = (output.utc_text(each) if each else "nothing" for each in (reach.now, reach.afterwards))
    said = "restores to a point in time"
    if now == afterwards:
        return f"{said} reach back to {now}"
    tense = f"reach back to {now}, and then to" if dry_run else f"reached back to {now}, and now to"
    return f"{said} {tense} {afterwards}"


def _label(group: Group, gone: Collection[Decision], *, dry_run: bool) -> tuple[str, str | None]:
    if group.first.stays:
        return "stays", None
    if dry_run:
        return "would be deleted", "yellow"
    return ("deleted", "yellow") if group.first in gone else ("not deleted", "red")


def _described(group: Group) -> str:
    first, last = output.printable(group.first.id), output.printable(group.last.id)
    known = all(each.bytes is not None for each in group.decisions)
    size = output.size(total(group.decisions)) if known else "size unknown"
    ids = first if group.first is group.last else f"{first} to {last}"
    count = "" if group.first is group.last else f"{_counted(group.decisions)}, "
    return f"{ids} ({count}{size}): {output.printable(group.first.why)}"


def _amounts(decisions: Collection[Decision]) -> str:
    return f"{_counted(decisions)} ({output.size(total(decisions))})"


def _counted(decisions: Collection[Decision]) -> str:
    backups = sum(each.stream == BACKUPS for each in decisions)
    amounts = ((backups, "backup"), (len(decisions) - backups, "segment"))
    return " and ".join(output.amount(count, thing) for count, thing in amounts if count) or "nothing"


def _as_json(applied: Applied) -> dict[str, Any]:
    problem = applied.problem
    return {
        "nothing_because": applied.plan.nothing_because or None,
        "error": {"message": problem.what, "remedy": problem.remedy} if problem else None,
        "deleted_bytes": total(applied.gone),
        "reaches_back_to": {"before": applied.reach.now, "afterwards": applied.reach.afterwards},
        "decisions": [{**asdict(each), "deleted": each in applied.gone} for each in applied.plan.decisions],
    }
