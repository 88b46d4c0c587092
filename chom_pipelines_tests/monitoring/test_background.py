"""Who asks for what may take long gets what is there in time, and never a thread for each question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chom_pipelines.errors import RepositoryError
from chom_pipelines.monitoring.exporting.background import Answer, Background


class Slow:
    """Answers with a number that grows, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        self.failure: Exception | None = None

    def __call__(self) -> int:
        self.asked += 1
        assert self.may_answer.wait(30)
        if self.failure:
            raise self.failure
        return self.asked


@pytest.fixture
def slow() -> Iterator[Slow]:
    found = Slow()
    yield found
    found.may_answer.set()


def soon() -> float:
    return time.monotonic() + 30


def asked(question: Background[int]) -> Answer[int]:
    question.begin()
    return question.latest(soon())


def test_an_answer_that_is_too_late_is_there_the_next_time(slow: Slow) -> None:
    question = Background("it", slow)
    question.begin()
    late = question.latest()
    assert (late.value, late.problem) == (None, "it has not answered in time")
    question.begin()
    assert slow.asked == 1
    slow.may_answer.set()
    assert (question.latest(soon()).value, question.latest(soon()).problem) == (1, "")
    slow.may_answer.clear()
    question.begin()
    late = question.latest()
    assert (late.value, late.problem) == (1, "it has not answered in time")


@pytest.mark.parametrize("failure", [RepositoryError("no disk"), KeyError("a defect")])
def test_what_fails_has_no_answer_but_for_who_keeps_the_last(slow: Slow, failure: Exception) -> None:
    slow.may_answer.set()
    for keeps, value in ((False, None), (True, 3)):
        question = Background("it", slow, keeps=keeps)
        slow.failure = None
        assert asked(question).value == slow.asked
        slow.failure = failure
        found = asked(question)
        assert found.value == value
        assert found.problem == ("no disk" if isinstance(failure, RepositoryError) else "a defect: KeyError")


def test_it_is_not_asked_again_too_soon(slow: Slow) -> None:
    slow.may_answer.set()
    question = Background("it", slow, every=3600)
    assert [asked(question).value for _ in range(3)] == [1, 1, 1]


def test_no_more_ask_at_a_time_than_there_is_room_for() -> None:
    room, inside, most = threading.Semaphore(2), [0], [0]
    lock = threading.Lock()

    def counted() -> int:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)  # the others would come in meanwhile
        with lock:
            inside[0] -= 1
        return 1

    ask: Callable[[], int] = counted
    questions = [Background("it", ask, room=room) for _ in range(8)]
    for each in questions:
        each.begin()
    assert [each.latest(soon()).value for each in questions] == [1] * 8
    assert most == [2]
