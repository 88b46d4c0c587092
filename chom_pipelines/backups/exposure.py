"""Whether enough of a server can be recovered: how much is at stake now, and whether its archive is unbroken; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chom_pipelines.backups.verdicts import LATE, Details, Verdict
from chom_pipelines.binlogs.archive.unlogged import Unlogged
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.inventory.models import Server
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.proof import SKEW

EXPOSURE, UNBROKEN = "exposure", "unbroken_archive"

QUESTIONS = {
    EXPOSURE: "The newest moment that can be restored is not longer ago than `exposure_minutes`.",
    UNBROKEN: (
        "The archive of the binary log has no gap after the newest full backup, no segment that is damaged, and lacks "
        "nothing of what is backed up that the server's settings kept out of its log since."
    ),
}
"""The checks by name, and what each asserts."""


def answers(found: Recoverable, server: Server, now: datetime) -> dict[str, Verdict]:
    """Both questions, by name; `now` is aware."""
    return {EXPOSURE: _exposed(found, server, now), UNBROKEN: unbroken(found, server)}


def limit(server: Server) -> timedelta:
    """What may be at stake: by the threshold where binary logs are archived, else by the age that a backup may have."""
    if server.schedules.binlogs is None:
        return timedelta(hours=server.thresholds.backup_age_hours) + LATE
    return timedelta(minutes=server.thresholds.exposure_minutes)


def _exposed(found: Recoverable, server: Server, now: datetime) -> Verdict:
    exposure, latest = found.windows.exposure(now), found.windows.latest
    if exposure is None or latest is None:
        return Verdict(Outcome.FAILED, f"nothing of {server.name} can be restored: {found.why_no_full}")
    allowed = _minutes(limit(server))
    details: Details = {"minutes": _minutes(exposure), "limit": allowed}
    said = f"the newest moment that can be restored is {latest:%Y-%m-%d %H:%M:%S} UTC"
    if exposure < -SKEW:
        return Verdict(Outcome.FAILED, f"{said}, which is still to come: the clock of the server is wrong", details)
    if exposure > limit(server):
        return Verdict(Outcome.FAILED, f"{said}, longer ago than {allowed:g} minutes", details)
    return Verdict(Outcome.PASSED, said, details)


def unbroken(found: Recoverable, server: Server) -> Verdict:
    """Whether what is archived can be replayed, all of it, and nothing is lacking in it."""
    unlogged = [each for each in found.unlogged(server.databases) if not found.is_mended(each)]
    mended = len(found.windows.gaps) - len(found.open_gaps)
    details: Details = {
        "gaps": len(found.open_gaps),
        "mended": mended,
        "unusable": len(found.unusable_segments),
        "unlogged": len(unlogged),
        "settings_unknown": found.settings_unknown,
    }
    earlier = f"; {mended} earlier, each followed by a full backup" if mended else ""
    return (
        _broken(found, unlogged, details)
        or _doubtful(found, server, unlogged, details)
        or Verdict(Outcome.PASSED, f"no gap{earlier}", details)
    )


def _broken(found: Recoverable, unlogged: Sequence[Unlogged], details: Details) -> Verdict | None:
    """What certainly cannot be restored."""
    gaps, lacking = found.open_gaps, [each for each in unlogged if each.lack.matters]
    if gaps:
        what = f"{gaps[-1].why}; {gaps[-1].remedy}"
        return Verdict(Outcome.FAILED, what, details, (*(gap.why for gap in gaps), *(each.line for each in lacking)))
    if lacking:
        return Verdict(Outcome.FAILED, lacking[-1].said, details, tuple(each.line for each in lacking))
    if found.unusable_segments:
        reasons = tuple(f"{name}: {reason}" for name, reason in found.unusable_segments.items())
        what = (
            f"segments that cannot be used: {len(reasons)}; move them away, so that what the server still has is "
            "archived anew, and keep them where it has not"
        )
        return Verdict(Outcome.FAILED, what, details, reasons)
    return None


def _doubtful(found: Recoverable, server: Server, unlogged: Sequence[Unlogged], details: Details) -> Verdict | None:
    """What keeps it from being known. Where nothing is archived, and nothing is to be, there is nothing to know."""
    if server.schedules.binlogs is None and not found.histories:
        what = "no binary log is archived, as chom.yaml says with schedules.binlogs: only full backups can be restored"
        return Verdict(Outcome.PASSED, what, details)
    if not any(interval.last for interval in found.windows.intervals):
        return Verdict(Outcome.NOT_VERIFIED, "no binary log that follows a full backup is archived", details)
    if unlogged:
        return Verdict(Outcome.NOT_VERIFIED, unlogged[-1].said, details, tuple(each.line for each in unlogged))
    if led_out := max(found.fulls, key=lambda full: full.as_of).leading_out:
        return Verdict(Outcome.NOT_VERIFIED, f"{led_out[-1]}: a replay onto it may be refused", details, led_out)
    if found.settings_unknown:
        what = f"with which settings the server wrote {found.settings_unknown} of the segments is not known"
        return Verdict(Outcome.NOT_VERIFIED, f"{what}; take a full backup", details)
    return None


def _minutes(length: timedelta) -> float:
    return round(length.total_seconds() / 60, 1)
