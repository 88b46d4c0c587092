"""What a backup's manifest, its proofs and the backups before it tell: passed, failed or not verified; pure.

A question that could not be answered is never a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import TypeAlias

from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.repository.proof import Level, Means, Proof, Subject

INTEGRITY, TABLES, CONTENT, SIZE, RECENT = (
    "archive_integrity",
    "every_table_present",
    "content_identical",
    "size_against_history",
    "recent_enough",
)

QUESTIONS = {
    INTEGRITY: "Every stored byte was read back, authenticated, decoded and is what the manifest says.",
    TABLES: "Every table of the manifest is there: in the archive, or after a full verification in the restored copy.",
    CONTENT: "The backup was restored on a private server, and each table and definition there is what was dumped.",
    SIZE: "The uncompressed size is at least half and at most twice the median of up to seven backups before.",
    RECENT: "The newest backup is not older than `backup_age_hours` and six hours. None at all is overdue, too.",
}
"""The checks by name, and what each asserts."""

HISTORY = 7
"""Backups that a size is compared with."""

_FEW = 2

SMALLEST, LARGEST = 0.5, 2.0

LATE = timedelta(hours=6)
"""Beyond thresholds.backup_age_hours: a daily dump begins when the last one is that old, and then takes its time."""

_FROM_LOWEST = (Outcome.FAILED, Outcome.NOT_VERIFIED, Outcome.PASSED)

Details: TypeAlias = dict[str, str | int | float]


@dataclass(frozen=True)
class Verdict:
    """The answer to one question; `details` are words and numbers that belong to it, `failures` names what is wrong."""

    outcome: Outcome
    reason: str
    details: Details = field(default_factory=dict)
    failures: tuple[str, ...] = ()


def integrity(proof: Proof | None) -> Verdict:
    """Of the newest proof of any level."""
    if proof is None:
        return _open("nothing was read back yet: materialise verification_restore, or set verification: basic")
    if proof.outcome is Outcome.FAILED and not _restored(proof):
        return _failed(proof)
    objects = proof.count(Subject.OBJECTS, Means.READ)
    if objects is None:
        return _open(proof.reason, _of(proof))
    return Verdict(Outcome.PASSED, f"{objects} objects read and authenticated", _of(proof))


def tables(proof: Proof | None, expected: int | None) -> Verdict:
    """Of the newest proof of any level, and the number of tables in the manifest; None: it cannot be read."""
    if proof is None:
        return _open("nothing was compared yet: materialise verification_restore, or set verification: basic")
    if proof.outcome is Outcome.FAILED and not _restored(proof):
        return _open("the archive is damaged; which tables are whole was not determined", _of(proof))
    compared = proof.count(Subject.TABLES, Means.RESTORED if _restored(proof) else Means.READ)
    if compared is None or expected is None:  # it ended before they were looked at
        return _open(proof.reason or "how many there should be is not known", _of(proof))
    if compared < expected:
        return _failed(proof, f"{expected - compared} of {expected} tables are missing")
    where = f"on {proof.scratch}" if _restored(proof) else "in the archive"
    return Verdict(Outcome.PASSED, f"{expected} tables, {proof.count(Subject.ROWS)} rows {where}", _of(proof))


def content(proof: Proof | None) -> Verdict:
    """Of the newest full proof."""
    if proof is None:
        return _open("it was not restored yet: materialise verification_restore, or set verification: full")
    if proof.level is not Level.FULL:
        return _open("it was read, but not restored", _of(proof))
    if proof.outcome is Outcome.FAILED:
        return _failed(proof)
    if proof.outcome is Outcome.NOT_VERIFIED:
        return _open(proof.reason, _of(proof))
    note = f"; {proof.version_differs}" if proof.version_differs else ""
    count = proof.count(Subject.TABLES, Means.RESTORED)
    if count is None or proof.count(Subject.FILES) is not None:
        what = "no table was compared" if count is None else f"{count} tables are sound, and were compared with nothing"
        return _open(what, _of(proof))
    return Verdict(Outcome.PASSED, f"{count} tables identical on {proof.scratch}{note}", _of(proof))


def content_now(proof: Proof | None, last: Proof | None) -> Verdict:
    """Of the newest full proof, and of any level: what is damaged now is not what was restored then."""
    passed = proof and proof.outcome is Outcome.PASSED
    if passed and last and last is not proof and last.outcome is Outcome.FAILED:
        return _open(f"it was restored, and failed its {last.level.value} verification since: {last.reason}", _of(last))
    return content(proof)


def of_base(proof: Proof) -> Verdict:
    """Of what failed of a backup that the one in question builds on, where that one's own proofs speak of more."""
    verification = f"{proof.level.value} verification"
    return _open(f"{proof.backup}, on which it builds, failed its {verification}: {proof.reason}", _of(proof))


def lowest(verdict: Verdict, others: Iterable[Verdict]) -> Verdict:
    """The one that fails, else one that leaves the question open, else the first."""
    return min((verdict, *others), key=lambda each: _FROM_LOWEST.index(each.outcome))


def size(manifest: Manifest, before: Sequence[Manifest | None]) -> Verdict:
    """Against backups before it that hold the same databases by the same method; None is one that could not be read."""
    read = [each for each in before if each]
    alike = [each for each in read if _is_of(each) == _is_of(manifest)][-HISTORY:]
    unreadable = f", {len(before) - len(read)} unreadable" if len(read) < len(before) else ""
    details: Details = {"compared_with": f"{len(alike)} backups{unreadable}", "data_mb": _megabytes(manifest.raw_bytes)}
    if not alike:
        return _open("there is no earlier backup of the same databases to compare with", details)
    usual = median(each.raw_bytes for each in alike)
    ratio = manifest.raw_bytes / usual if usual else 1.0
    details |= {"median_mb": _megabytes(usual), "times_the_median": round(ratio, 3)}
    reason = f"{ratio:.2f} times the median of {len(alike)} before"
    if SMALLEST <= ratio <= LARGEST:
        return Verdict(Outcome.PASSED, reason, details)
    return Verdict(Outcome.FAILED, reason, details, _lost(alike[-1], manifest))


def recent(newest_backup: datetime | None, now: datetime, hours: float) -> Verdict:
    """Of the time at which the newest backup was begun, None where there is none, and `backup_age_hours`."""
    if newest_backup is None:
        return Verdict(Outcome.FAILED, "this server was never backed up")
    age, allowed = now - newest_backup, timedelta(hours=hours) + LATE
    if age < -LATE:
        return Verdict(
            Outcome.NOT_VERIFIED, f"the newest backup is of {newest_backup:%Y-%m-%d %H:%M} UTC, in the future"
        )
    reason = f"the newest backup is {_age(age)} old, and may be {_age(allowed)}"
    return Verdict(Outcome.PASSED if age <= allowed else Outcome.FAILED, reason)


def repeated(verdict: Verdict, proof: Proof | None, now: datetime, limit: timedelta) -> Verdict:
    """A verdict that rests on an earlier proof: it says how old that is, and does not pass where it is too old."""
    if proof is None or verdict.outcome is Outcome.NOT_VERIFIED:
        return verdict
    age = now - proof.started
    reason = f"{verdict.reason}; proved {_age(age)} ago"
    if verdict.outcome is Outcome.PASSED and age > limit:
        reason = f"the last proof is {_age(age)} old, and may be {_age(limit)}: it said {verdict.reason}"
        return replace(verdict, outcome=Outcome.NOT_VERIFIED, reason=reason)
    return replace(verdict, reason=reason)


def newest(proofs: Sequence[Proof], level: Level = Level.BASIC) -> Proof | None:
    """The last of these of that level or more; one that failed is not forgotten for a later one without an answer.

    One that passed is: whoever has just tried to read a backup and could not is not told that it is sound.
    """
    enough = [proof for proof in proofs if level is Level.BASIC or proof.level is Level.FULL]
    answered = [proof for proof in enough if proof.outcome is not Outcome.NOT_VERIFIED]
    if answered and answered[-1].outcome is Outcome.FAILED:
        return answered[-1]
    return enough[-1] if enough else None


def _age(time: timedelta) -> str:
    hours = time.total_seconds() / 3600
    if hours < _FEW:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < _FEW * 24 else f"{hours / 24:.0f} days"


def _megabytes(count: float) -> float:
    return round(count / 1e6, 2)


def _is_of(manifest: Manifest) -> tuple[object, ...]:
    """What two backups share whose sizes may be compared."""
    payload = manifest.payload
    return (manifest.kind, payload.method, payload.databases if isinstance(payload, LogicalPayload) else None)


def _lost(before: Manifest, now: Manifest) -> tuple[str, ...]:
    """Tables that were in the backup before; of other methods than the logical one nothing is known."""
    if not (isinstance(before.payload, LogicalPayload) and isinstance(now.payload, LogicalPayload)):
        return ()
    there = {(table.database, table.name) for table in now.payload.tables}
    missing = [table for table in before.payload.tables if (table.database, table.name) not in there]
    return tuple(f"{table.database}.{table.name}: {table.rows} rows in {before.id}, not here" for table in missing)


def _restored(proof: Proof) -> bool:
    return bool(proof.scratch)


def _of(proof: Proof) -> Details:
    return {"backup": proof.backup, "level": proof.level.value, "proved_at": f"{proof.started:%Y-%m-%d %H:%M:%S} UTC"}


def _open(reason: str, details: Details | None = None) -> Verdict:
    return Verdict(Outcome.NOT_VERIFIED, reason, details or {})


def _failed(proof: Proof, reason: str = "") -> Verdict:
    return Verdict(Outcome.FAILED, reason or proof.reason, _of(proof), proof.failures)
