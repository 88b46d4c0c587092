"""What is at stake is never said to be little where nobody knows it."""

from __future__ import annotations

from pathlib import Path

from chom_pipelines.backups.exposure import EXPOSURE, UNBROKEN, answers
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.recovery.recoverable import Recoverable
from chom_pipelines.inventory.models import Server
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.store import Folder
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.binlogs.segments import at, full, segment

SERVER = Server.model_validate({"name": "chom", "socket": "/s", "user": "u"})


def recoverable(*hours: int) -> Recoverable:
    nothing = Stream("chom", Folder(LocalStore(Path("/nowhere"))))
    history = History("11", nothing, nothing, tuple(map(segment, hours)), {})
    return Recoverable((full(0.5),), (history,), {}, {})


def outcome(found: Recoverable, now: float, question: str = EXPOSURE) -> Outcome:
    return answers(found, SERVER, at(now))[question].outcome


def test_as_much_as_the_policy_allows_passes_and_more_fails() -> None:
    assert outcome(recoverable(0, 1, 2), 4.9) is Outcome.PASSED
    assert outcome(recoverable(0, 1, 2), 5.1) is Outcome.FAILED


def test_a_moment_that_is_still_to_come_fails() -> None:
    """By a clock that somebody set it would pass for years."""
    assert outcome(recoverable(0, 1, 2), 2) is Outcome.FAILED


def test_without_a_full_backup_everything_is_at_stake() -> None:
    assert outcome(Recoverable((), (), {}, {}), 1) is Outcome.FAILED


def test_an_archive_that_nobody_wants_is_missed_by_nobody_and_one_that_is_there_is_judged() -> None:
    unwanted = Server.model_validate({**SERVER.model_dump(exclude_unset=True), "schedules": {"binlogs": None}})
    found = answers(Recoverable((full(0.5),), (), {}, {}), unwanted, at(1))[UNBROKEN]
    assert found.outcome is Outcome.PASSED
    assert "no binary log is archived, as chom.yaml says with schedules.binlogs" in found.reason
    assert answers(recoverable(0, 2), unwanted, at(4))[UNBROKEN].outcome is Outcome.FAILED
    assert answers(recoverable(2), unwanted, at(4))[UNBROKEN].outcome is Outcome.NOT_VERIFIED


def test_an_archive_that_follows_no_backup_is_not_verified_and_a_gap_fails() -> None:
    assert outcome(Recoverable((full(0.5),), (), {}, {}), 1, UNBROKEN) is Outcome.NOT_VERIFIED
    assert outcome(recoverable(0, 1, 2), 4, UNBROKEN) is Outcome.PASSED
    assert outcome(recoverable(0, 2), 4, UNBROKEN) is Outcome.FAILED
