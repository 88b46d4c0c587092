"""The weeks of benchmarks: what is measured is this machine as it is now. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from chom_pipelines.errors import BenchmarkRefusedError

GRACE = timedelta(hours=6)
"""How long after a week's end one still counts for it: it may have waited in the queue, behind other servers'."""


def refuse_other_weeks(week: str, start: datetime, end: datetime, now: datetime) -> None:
    """Raise BenchmarkRefusedError where one that begins now is not of that week (start <= now < end)."""
    if start <= now < end + GRACE:
        return
    monday = now - timedelta(days=now.weekday())
    what = f"the week from {week} is not this one: what is measured is this machine as it is now"
    raise BenchmarkRefusedError(what, f"materialise {monday:%Y-%m-%d}; the week from {week} stays without")
