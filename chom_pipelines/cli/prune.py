"""`chom prune`: deletes what the retention of a server lets go, and says what stays and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.inventory.environment import retention_from_environment
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.outcome import Outcome
from chom_pipelines.retention.decisions import Decision, Group, Plan, grouped, total
from chom_pipelines.retention.planning import planned
from chom_pipelines.retention.pruning import prune as delete

app = typer.Typer(add_completion=False, rich_markup_mode=None)

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Delete nothing, and print what would go.", show_default=False)
]


@app.command()
def prune(
    config: ConfigOption = None, server: ServerOption = None, dry_run: DryRunOption = False, json: JsonOption = False
) -> None:
    """Delete what the retention of each server lets go: backups, and segments of the binary log.

    Of every server, unless one is named. RETAIN_FULL_DAYS, RETAIN_INCREMENTAL_DAYS and RETAIN_BINLOG_DAYS count more
    than chom.yaml. Whatever a moment of the last binlog_days needs stays, and so do the last full backup that was
    proved, pinned backups, and what cannot be read. Where the newest full backup has failed or is overdue by
    backup_age_hours, nothing is deleted at all: exit code 1 where something was due then.
    """
    inventory = load_inventory(config)
    servers = inventory.servers if server is None else (inventory.server(server),)
    repository = existing_repository(inventory.repository)
    documents, failed = [], False
    for one in (_with_environment(each) for each in servers):
        keyring, now = keyring_of(inventory.repository, one.backup), datetime.now(UTC)
        plan = planned(repository, one, keyring, now).plan if dry_run else delete(repository, one, keyring, now)
        failed |= bool(plan.refused)
        if json:
            documents.append({"server": one.name, **_as_json(plan)})
        else:
            typer.secho(one.name, bold=True)
            for line, colour in _lines(plan, dry_run=dry_run):
                typer.secho(f"  {line}", fg=colour)
    if json:
        output.document("prune", {"repository": repository.where, "dry_run": dry_run, "servers": documents})
    raise typer.Exit(output.EXIT_CODES[Outcome.FAILED if failed else Outcome.PASSED])


def _with_environment(server: Server) -> Server:
    return server.model_copy(update={"retention": retention_from_environment(server.retention, os.environ)})


def _lines(plan: Plan, *, dry_run: bool) -> Iterator[tuple[str, str | None]]:
    """What is printed of a server, each with its colour."""
    if plan.nothing_because:
        yield f"nothing is deleted: {plan.nothing_because}", "red" if plan.refused else None
    for group in grouped(plan.goes):
        yield f"{'would go' if dry_run else 'gone'}: {_described(group)}", "yellow"
    for group in grouped(plan.stays):
        yield f"stays: {_described(group)}", None
    would = "would be free" if dry_run else "free again"
    yield f"{_amounts(plan.goes)} {would}, {_amounts(plan.stays)} stay", None


def _described(group: Group) -> str:
    many = "" if group.first is group.last else f" to {group.last.id}, {len(group.decisions)} of them"
    return f"{group.first.id}{many} ({output.size(total(group.decisions))}): {group.first.why}"


def _amounts(decisions: tuple[Decision, ...]) -> str:
    return f"{output.size(total(decisions))} in {output.amount(len(decisions), 'item')}"


def _as_json(plan: Plan) -> dict[str, Any]:
    return {
        "nothing_because": plan.nothing_because or None,
        "freed_bytes": total(plan.goes),
        "kept_bytes": total(plan.stays),
        "decisions": [asdict(each) for each in plan.decisions],
    }
