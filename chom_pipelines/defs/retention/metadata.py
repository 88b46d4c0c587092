"""What a person wants to see of a plan in the UI, as plain values; pure."""

from chom_pipelines.retention.decisions import Plan, grouped, total

_MEGA = 1_000_000


def numbers(plan: Plan) -> dict[str, int | float | str]:
    """What plots over time."""
    return {
        "deleted": len(plan.goes),
        "kept": len(plan.stays),
        "deleted_mb": round(total(plan.goes) / _MEGA, 3),
        "kept_mb": round(total(plan.stays) / _MEGA, 3),
        **({"nothing_deleted_because": plan.nothing_because} if plan.nothing_because else {}),
    }


def rows(plan: Plan, *, dry_run: bool) -> list[dict[str, str | int | float]]:
    """The whole plan: what goes first, then what stays."""
    return [
        {
            "what": group.first.id + (f" to {group.last.id}" if group.first is not group.last else ""),
            "count": len(group.decisions),
            "MB": round(total(group.decisions) / _MEGA, 3),
            "becomes": "stays" if group.first.stays else "would go" if dry_run else "gone",
            "why": group.first.why,
        }
        for decisions in (plan.goes, plan.stays)
        for group in grouped(decisions)
    ]
