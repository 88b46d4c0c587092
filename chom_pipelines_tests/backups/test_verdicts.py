"""Every proof that there can be, and what it answers."""

from datetime import timedelta

import pytest

from chom_pipelines.backups.verdicts import content, content_now, integrity, newest, recent, repeated, size, tables
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.proof import Comparison, Level, Means, Proof, Subject
from chom_pipelines_tests.repository.samples import NOON, a_manifest, stored

PASSED, FAILED, OPEN = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_VERIFIED
READ = {"read": 1.0}
RESTORED = {**READ, "start": 1.0, "data": 1.0}


def proof(
    level: Level,
    outcome: Outcome,
    phases: dict[str, float],
    *,
    scratch: str | None = None,
    seen: int = 3,
    failures: tuple[str, ...] = (),
    restored: bool | None = None,
) -> Proof:
    restored = bool(scratch) if restored is None else restored
    return Proof(
        server="chom",
        backup="full_20260102_120000",
        level=level,
        outcome=outcome,
        reason="" if outcome is PASSED else "this is why",
        started=NOON,
        source="mariadb 10.11.19",
        scratch=scratch,
        phases=phases,
        comparisons=tuple(
            Comparison(subject=subject, means=means, against="the dump", count=count)
            for means in (Means.READ, Means.RESTORED)[: 0 if "read" not in phases else 2 if restored else 1]
            for subject, count in ((Subject.OBJECTS, 5), (Subject.TABLES, seen), (Subject.ROWS, 9))
            if means is Means.READ or subject is not Subject.OBJECTS
        ),
        failures=failures,
    )


READ_WELL = proof(Level.BASIC, PASSED, READ)
DAMAGED = proof(Level.BASIC, FAILED, READ, failures=("data/a: truncated",))
MANIFEST_DAMAGED = proof(Level.BASIC, FAILED, {}, seen=0, failures=("manifest",))
NO_KEY = proof(Level.BASIC, OPEN, {}, seen=0)
RESTORED_WELL = proof(Level.FULL, PASSED, RESTORED, scratch="MariaDB 10.11.19")
TABLE_LOST = proof(Level.FULL, FAILED, RESTORED, scratch="MariaDB 10.11.19", seen=2, failures=("table d.t",))
ROWS_DIFFER = proof(Level.FULL, FAILED, RESTORED, scratch="MariaDB 10.11.19", failures=("table d.t",))
NOT_RESTORED = proof(
    Level.FULL, FAILED, RESTORED, scratch="MariaDB 10.11.19", failures=("it cannot be restored",), restored=False
)
DAMAGED_BEFORE_RESTORE = proof(Level.FULL, FAILED, READ, failures=("data/a: truncated",))
NO_PROGRAM = proof(Level.FULL, OPEN, READ)
NEVER_READ = proof(Level.FULL, OPEN, {}, seen=0)


@pytest.mark.parametrize(
    ("found", "integrity_is", "tables_are", "content_is"),
    [
        (None, OPEN, OPEN, OPEN),
        (READ_WELL, PASSED, PASSED, OPEN),
        (DAMAGED, FAILED, OPEN, OPEN),
        (MANIFEST_DAMAGED, FAILED, OPEN, OPEN),
        (NO_KEY, OPEN, OPEN, OPEN),
        (RESTORED_WELL, PASSED, PASSED, PASSED),
        (TABLE_LOST, PASSED, FAILED, FAILED),
        (ROWS_DIFFER, PASSED, PASSED, FAILED),
        (NOT_RESTORED, PASSED, OPEN, FAILED),
        (DAMAGED_BEFORE_RESTORE, FAILED, OPEN, FAILED),
        (NO_PROGRAM, PASSED, PASSED, OPEN),
        (NEVER_READ, OPEN, OPEN, OPEN),
    ],
)
def test_what_a_proof_answers(
    found: Proof | None, integrity_is: Outcome, tables_are: Outcome, content_is: Outcome
) -> None:
    verdicts = integrity(found), tables(found, 3), content(found)
    assert [verdict.outcome for verdict in verdicts] == [integrity_is, tables_are, content_is]
    assert all(verdict.reason for verdict in verdicts)
    assert all(verdict.failures for verdict in verdicts if verdict.outcome is FAILED)


def test_a_proof_of_fewer_tables_than_the_manifest_has_does_not_pass_whatever_it_says() -> None:
    assert tables(READ_WELL, 4).outcome is FAILED
    assert tables(RESTORED_WELL, 4).outcome is FAILED


def test_the_newest_proof_counts_and_for_a_restore_the_newest_full_one() -> None:
    later = READ_WELL.model_copy(update={"started": NOON + timedelta(days=1)})
    assert newest([RESTORED_WELL, later]) is later
    assert newest([later, RESTORED_WELL], Level.FULL) is RESTORED_WELL
    assert newest([later], Level.FULL) is None
    assert newest([]) is None


def test_a_failure_is_not_forgotten_by_a_later_proof_that_came_to_no_answer() -> None:
    later = NO_KEY.model_copy(update={"started": NOON + timedelta(days=1)})
    assert newest([DAMAGED, later]) is DAMAGED
    assert newest([later]) is later


def test_a_pass_is_not_repeated_after_a_later_proof_that_came_to_no_answer() -> None:
    later = NO_KEY.model_copy(update={"started": NOON + timedelta(days=1)})
    assert newest([READ_WELL, later]) is later
    assert integrity(newest([READ_WELL, later])).outcome is OPEN


def sized(manifest: Manifest, raw_bytes: int) -> Manifest:
    return manifest.model_copy(update={"objects": (stored("data/a", raw_bytes),)})


@pytest.fixture
def manifest() -> Manifest:
    return a_manifest(objects=(stored("data/a", 1000),))


@pytest.mark.parametrize(
    ("before", "outcome"),
    [
        ([], OPEN),
        ([1000], PASSED),
        ([2000], PASSED),
        ([2001], FAILED),
        ([500], PASSED),
        ([499], FAILED),
        ([9000, 1000, 1000], PASSED),
        ([9000] * 7 + [1000] * 4, PASSED),
        ([0], PASSED),
    ],
)
def test_a_size_is_compared_with_the_median_of_the_last_seven(
    manifest: Manifest, before: list[int], outcome: Outcome
) -> None:
    assert size(manifest, [sized(manifest, each) for each in before]).outcome is outcome


def test_other_databases_are_no_measure(manifest: Manifest) -> None:
    other = sized(manifest, 9).model_copy(
        update={"payload": manifest.logical.model_copy(update={"databases": ("other",)})}
    )
    assert size(manifest, [other, None]).outcome is OPEN


def test_tables_that_are_gone_are_named(manifest: Manifest) -> None:
    small = sized(manifest, 100).model_copy(update={"payload": manifest.logical.model_copy(update={"tables": ()})})
    (lost,) = size(small, [manifest]).failures
    assert "2 rows in full_20260102_120000, not here" in lost


@pytest.mark.parametrize(("days", "outcome"), [(0, PASSED), (7, PASSED), (8, OPEN)])
def test_a_proof_that_is_repeated_tells_its_age_and_proves_nothing_when_it_is_too_old(
    days: int, outcome: Outcome
) -> None:
    now = NOON + timedelta(days=days)
    verdict = repeated(content(RESTORED_WELL), RESTORED_WELL, now, timedelta(days=7))
    assert verdict.outcome is outcome
    assert ("0 min" if not days else f"{days} days") in verdict.reason


def test_a_failure_stays_one_however_old_it_is() -> None:
    verdict = repeated(content(ROWS_DIFFER), ROWS_DIFFER, NOON + timedelta(days=99), timedelta(days=7))
    assert verdict.outcome is FAILED


@pytest.mark.parametrize(("hours", "outcome"), [(0, PASSED), (30, PASSED), (31, FAILED), (None, FAILED)])
def test_a_server_is_overdue_when_its_newest_backup_is_too_old_or_is_none(hours: int | None, outcome: Outcome) -> None:
    taken = None if hours is None else NOON - timedelta(hours=hours)
    assert recent(taken, NOON, 24).outcome is outcome


def test_what_fails_after_a_restore_leaves_its_contents_open_unless_they_failed_and_what_failed_before_does_not() -> (
    None
):
    for restored, since in ((RESTORED_WELL, OPEN), (ROWS_DIFFER, FAILED)):
        assert content_now(restored, newest([restored, DAMAGED])).outcome is since
        found = [DAMAGED, restored]
        assert content_now(newest(found, Level.FULL), newest(found)).outcome is restored.outcome
