"""A question that may take long, asked in a thread of its own: who wants the answer waits only while there is time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from chom_pipelines.errors import ChomError

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """None: there is none. `failure` is of the last time that it was asked, which took `seconds`."""

    value: T | None = None
    failure: str = ""
    seconds: float = 0.0
    is_late: bool = False
    """It is from before: what is asked now has not been answered in time."""

    @property
    def problem(self) -> str:
        """Why it is not there, or not of now; "": it is."""
        return self.failure or ("it has not answered in time" if self.is_late else "")


class Background(Generic[T]):
    """Asks when somebody wants to know, with a pause after it; one thread at most asks.

    The pause is of `every` seconds, and `rest` times as long as the answer took where that is longer.
    An answer that comes too late for who waits is there for who comes next; until then the one before is told, with
    the problem. Where asking fails there is none, but for who `keeps` the last one. The thread is a daemon, as what it
    waits for may never end. Only so many ask at a time as there is `room` for.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], T],
        *,
        every: float = 0.0,
        rest: float = 0.0,
        keeps: bool = False,
        room: threading.Semaphore | None = None,
    ) -> None:
        self._name, self._ask, self._every, self._rest, self._keeps = name, ask, every, rest, keeps
        self._room = room or threading.Semaphore()
        self._changed = threading.Condition()
        self._answer: Answer[T] = Answer()
        self._is_asked = False
        self._ended = -float("inf")

    def begin(self) -> None:
        """Have it asked, where that is due and not under way."""
        with self._changed:
            pause = max(self._every, self._rest * self._answer.seconds)
            if self._is_asked or time.monotonic() - self._ended < pause:
                return
            self._is_asked = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def latest(self, deadline: float = -float("inf")) -> Answer[T]:
        """Wait until that time of the monotonic clock for what is under way."""
        with self._changed:
            if self._changed.wait_for(lambda: not self._is_asked, timeout=max(deadline - time.monotonic(), 0)):
                return self._answer
            return replace(self._answer, is_late=True)

    def _run(self) -> None:
        with self._room:
            begun, value, problem = time.monotonic(), self._answer.value if self._keeps else None, ""
            try:
                value = self._ask()
            except ChomError as error:
                problem = error.what
            except Exception as bug:  # noqa: BLE001  (a defect must not hide what else there is to tell; it is told)
                _log.exception("%s: a defect", self._name)
                problem = f"a defect: {type(bug).__name__}"
            answer = Answer(value, problem, time.monotonic() - begun)
        with self._changed:
            self._answer, self._is_asked, self._ended = answer, False, time.monotonic()
            self._changed.notify_all()
