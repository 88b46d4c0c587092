"""What a restore would destroy without being told to: its list of operations is refused before any of it. Pure."""

from __future__ import annotations

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.log_lines import amount
from chom_pipelines.restores.operations import Operations
from chom_pipelines.restores.selection import Selection
from chom_pipelines.restores.standing import Standing

_NAMED = 5
"""Objects that a refusal names."""


def refusal_to_destroy(
    found: Operations, selection: Selection, standing: Standing, where: str
) -> RestoreRefusedError | None:
    """Why the list may not be carried out: something would be lost, and the request does not say that it may."""
    if selection.replace or not found.destructive:
        return None
    database = found.destructive[0].database
    names = sorted(each.name for each in found.destructive if each.database == database)
    unfinished = set(standing.databases[database].unfinished.values())
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    there = f"{database} holds {amount(len(names), 'object')}: {', '.join(names[:_NAMED])}{more}"
    what = f"{where}: {there}; {selection.backup} was not restored"
    remedy = "restore with --as-database under another name, or replace what is there with --replace"
    if unfinished:
        what = f"{what}\n  {database} holds what a restore of {', '.join(sorted(unfinished))} left that was cut off"
        remedy = "see with --dry-run what would go, and replace it with --replace"
    return RestoreRefusedError(what, remedy)
