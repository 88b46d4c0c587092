"""An object on its way into a store whose library asks again by itself where an answer is lost."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from chom_pipelines.errors import DamagedError, ObjectMissingError, RepositoryError
from chom_pipelines.repository.part_buffer import PartBuffer

MARK = "upload"
"""The name in an object's metadata of what tells by which upload it was made."""


class MarkedUpload(ABC):
    """Keeps a part in memory; nothing is there under the name before `commit`, and what was there stays.

    An object carries the mark of its upload: where the library has asked again, and meets what it made itself, that
    is not taken for another's, and another's is not removed for being other than what was written.
    """

    def __init__(self, where: str, translated: Callable[[str], AbstractContextManager[None]], *, anew: bool) -> None:
        self._where, self._anew = where, anew
        self._translated = translated
        self._mark = secrets.token_hex(8)
        self._bytes = 0
        self._rest = PartBuffer()
        self._open = True

    def write(self, data: bytes) -> None:
        """Append, and send what makes a part."""
        self._refuse_closed()
        self._bytes += len(data)
        self._note(data)
        self._rest.add(data)
        while self._rest.bytes > (size := self._next_size()):  # so that something is left for the last one
            with self._translated(self._where):
                self._send(self._rest.take(size))

    def commit(self) -> None:
        """Send the rest, have the object made of it, and compare what the store says of it."""
        self._refuse_closed()
        try:
            with self._translated(self._where):
                self._publish(self._rest.take(self._rest.bytes))
        except BaseException as error:
            if not isinstance(error, RepositoryError) or not self._is_ours():
                self.abort()
                raise
        self._open = False
        with self._translated(self._where):
            mark, same = self._found()
        if mark != self._mark:
            raise RepositoryError(f"{self._where} was replaced by another run when it had been put", "run it again")
        if not same:
            with suppress(RepositoryError), self._translated(self._where):  # the error below is the one to tell
                self._remove()
            what = f"{self._where}: the store has other bytes than the {self._bytes} that were sent"
            raise DamagedError(what, "see to the network and to the store, and run it again")

    def abort(self) -> None:
        """Send no more, and have what was sent thrown away."""
        if self._open:
            self._discard()
        self._open = False
        self._rest.clear()

    def _mark_there(self) -> str | None:
        """The mark of what is there, "" where it has none; None where nothing is."""
        try:
            with self._translated(self._where):
                return self._found()[0]
        except ObjectMissingError:
            return None

    def _is_ours(self) -> bool:
        """Whether it was made after all."""
        with suppress(RepositoryError):
            return self._mark_there() == self._mark
        return False

    def _refuse_closed(self) -> None:
        if not self._open:
            raise RepositoryError(f"{self._where}: this upload has ended already", "report this as a bug")

    def _note(self, data: bytes) -> None:  # noqa: B027  (not every store tells a checksum of the whole)
        """Take these bytes into a checksum."""

    @abstractmethod
    def _next_size(self) -> int:
        """Bytes of the next part."""

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Send a part; raises what the library raises."""

    @abstractmethod
    def _publish(self, rest: bytes) -> None:
        """Send the rest, and make the object; raises what the library raises, or ObjectExistsError."""

    @abstractmethod
    def _discard(self) -> None:
        """Have what was sent thrown away; raises nothing."""

    @abstractmethod
    def _found(self) -> tuple[str, bool]:
        """The mark of what is there now, "" for none, and whether it is what was written; raises as the library."""

    @abstractmethod
    def _remove(self) -> None:
        """Delete what is there; raises what the library raises."""
