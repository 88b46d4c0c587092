"""Whole files in place of their streamed parts: a thread beside the stream, which must not wait for it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from chom_pipelines.binlogs.archive.archiving import LogArchive, archive
from chom_pipelines.binlogs.archive.histories import histories, histories_to_continue
from chom_pipelines.errors import ChomError, KeyUnavailableError
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.repository import Repository

_AGAIN = 60.0
"""Seconds after which what has failed is tried again."""

_ENDING = 10.0
"""Seconds to wait for a run that is cut off: what it has begun is removed by it, or else by the next one."""

_log = logging.getLogger(__name__)


class _EndedError(Exception):
    pass


def remove_superseded(repository: Repository, server: str, keyring: Keyring | None) -> int:
    """Remove parts of files that are archived as a whole, and return their number.

    Raises RepositoryBusyError where somebody reads parts, or one is just being written; RepositoryError.
    """
    removed = 0
    try:
        known = histories(repository, server, keyring)  # a whole file that failed its proof is none
    except KeyUnavailableError:
        known = histories_to_continue(repository, server, keyring)
    for history in known:
        for entry in history.superseded():
            history.parts.remove(entry, patience=1)
            removed += 1
    return removed


@dataclass
class Wholes:
    """Archives what the server has closed when it is `wanted`, then removes the parts of it; never more than one run.

    A run that is cut off, by whatever, is done again by the next one.
    """

    archive: LogArchive
    _wanted: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def wanted(self) -> None:
        """Have it done soon."""
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="whole files", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Cut off what is going on."""
        self._ended.set()
        self._wanted.set()
        if self._thread:
            self._thread.join(_ENDING)

    def _run(self) -> None:
        again: float | None = None
        while not self._ended.is_set():
            self._wanted.wait(again)
            self._wanted.clear()
            again = None
            try:
                self._archive()
            except _EndedError:
                return
            except ChomError as error:
                again = _AGAIN
                log = _log.info if error.retryable else _log.warning
                log("whole files are tried again in %.0f s: %s", again, error.what)
            except Exception:  # noqa: BLE001  (or parts would pile up, and nobody would know why)
                again = _AGAIN
                _log.exception("whole files are tried again in %.0f s", again)

    def _archive(self) -> None:
        done = archive(self.archive, self._report, close=False)
        for segment in done.new:
            _log.info("whole: %s is archived, and its parts go", segment.file)
        for each in done.blocked:
            _log.warning("%s", each)
        remove_superseded(self.archive.repository, self.archive.server.name, self.archive.keyring)

    def _report(self, done: int, total: int | None, label: str) -> None:
        del done, total, label
        if self._ended.is_set():
            raise _EndedError
