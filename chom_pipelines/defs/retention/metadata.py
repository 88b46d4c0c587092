"""What a person wants to see of an applied plan in the UI, as plain values; pure."""

from chom_pipelines.retention.decisions import Group, grouped, total
from chom_pipelines.retention.pruning import Applied

_MEGA = 1_000_000


def numbers(applied: Applied) -> dict[str, int | float]:
    """What plots over time."""
    kept = [each for each in applied.plan.decisions if each not in applied.gone]
    return {
        "deleted": len(applied.gone),
        "kept": len(kept),
        "deleted_mb": round(total(applied.gone) / _MEGA, 3),
        "kept_mb": round(total(kept) / _MEGA, 3),
    }


def rows(applied: Applied) -> list[dict[str, str | int | float]]:
    """The whole plan, oldest first: its backups, then the log."""
    return [
        {
            "what": group.first.id + (f" to {group.last.id}" if group.first is not group.last else ""),
            "count": len(group.decisions),
            "MB": round(total(group.decisions) / _MEGA, 3),
            "decision": _decision(applied, group),
            "why": group.first.why,
        }
        for group in grouped(applied.plan.decisions, applied.gone)
    ]


def _decision(applied: Applied, group: Group) -> str:
    if group.first.stays:
        return "stays"
    return "deleted" if group.first in applied.gone else "not deleted"
