"""What the repository has of a server's binary log: its histories, each with its segments as their manifests say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from chom_pipelines.binlogs.archive.chain import Chain, chained
from chom_pipelines.binlogs.archive.pruned import Pruned, read_pruned
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.errors import DamagedError, KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import parse_id
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.repository.manifest import Manifest, unauthenticated
from chom_pipelines.repository.publishing import lacking
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class History:
    """Files of one server that were numbered in one line, from where the archive begins to where it ends.

    Whole files are in `stream`; of those that are not, what was streamed is in `parts`. `unreadable` are ids of
    segments that are there and cannot be used, with the reason.
    """

    name: str
    stream: Stream
    parts: Stream
    segments: tuple[Segment, ...]
    unreadable: dict[str, str]
    pruned: Pruned | None = None
    """Where it was cut off; read for who adds to it."""

    @classmethod
    def empty(cls, repository: Repository, server: str, name: str) -> History:
        """One of which there is nothing yet."""
        return cls(name, repository.binlogs(server, name), repository.streamed(server, name), (), {})

    @property
    def last(self) -> Segment | None:
        """The segment with which it ends."""
        return max(self.segments, key=lambda each: each.order, default=None)

    @property
    def chain(self) -> Chain:
        """Its runs and gaps."""
        return chained(self.segments, self.unreadable)

    def of_file(self, file: str) -> tuple[Segment, ...]:
        """What is archived of a file, from its beginning up to where something of it is missing."""
        found: list[Segment] = []
        for segment in sorted((each for each in self.segments if each.file == file), key=lambda each: each.start):
            if segment.start != (found[-1].end if found else FIRST):
                break
            found.append(segment)
        return tuple(found)

    def is_archived(self, file: str) -> bool:
        """All of a file is, whether whole or in parts."""
        found = self.of_file(file)
        return bool(found) and found[-1].complete

    def head_before(self, file: str) -> str | None:
        """The head of the file before this one; None where nothing of it is archived."""
        return next((each.head for each in self.segments if LogName.of(each.file).following == file), None)

    def is_whole(self, file: str) -> bool:
        """All of a file is archived, as one segment."""
        return file in _whole(self.segments)

    def is_past(self, file: str) -> bool:
        """A file of before what is kept: nothing of it is archived any more."""
        return self.pruned is not None and self.pruned.is_past(file)

    def entry(self, segment: Segment) -> BackupEntry:
        """The entry of one of its segments."""
        return BackupEntry(self.stream.server, (self.parts if segment.streamed else self.stream).folder, segment.id)

    def with_whole(self, segment: Segment) -> History:
        """The same with one more file, of which no part is needed any more."""
        return replace(self, segments=(*(each for each in self.segments if each.file != segment.file), segment))

    def superseded(self) -> list[BackupEntry]:
        """Parts of files that are there as a whole: nobody needs them any more. Raises RepositoryError."""
        return _parts(self.parts, lambda file: file in _whole(self.segments))

    @contextmanager
    def reading(self, purpose: str) -> Iterator[None]:
        """For who reads its segments: none is deleted while this is held. Raises RepositoryBusyError."""
        with ExitStack() as stack:
            for each in (self.stream, self.parts):
                if each.folder.folders():  # else there is nothing to keep, and no lock is made where nothing is
                    stack.enter_context(each.reading(purpose))
            yield


@contextmanager
def reading_histories(repository: Repository, server: str, purpose: str) -> Iterator[None]:
    """For who lists them and reads then: no segment is deleted while this is held. Raises RepositoryBusyError."""
    with ExitStack() as stack:
        for name in repository.histories(server):
            stack.enter_context(History.empty(repository, server, name).reading(purpose))
        yield


def histories(
    repository: Repository,
    server: str,
    keyring: Keyring | None,
    read: Callable[[BackupEntry, Keyring | None], Manifest] | None = None,
) -> list[History]:
    """Every history of a server, the newest last; manifests are read and authenticated, and objects looked for.

    A segment whose last proof failed cannot be used. `read` stands for `usable_manifest`, for who remembers what that
    said. Raises RepositoryError where the repository cannot be read, KeyUnavailableError where the key is not at hand.
    """
    reads = read or usable_manifest
    return _histories(repository, server, lambda entry: reads(entry, keyring))


def usable_manifest(entry: BackupEntry, keyring: Keyring | None) -> Manifest:
    """Of a segment; raises RepositoryError where it cannot be believed, or its last proof failed."""
    found = opened(entry, keyring)
    if found.problem:
        raise found.problem
    if found.manifest is None or found.outcome is Outcome.FAILED:
        raise DamagedError(found.reason)
    return found.manifest


def newest_of(found: Sequence[History]) -> History | None:
    """The one that the server writes, of all in their order; None: nothing is archived, or of one nothing tells when.

    That one, of which no segment can be used, is put first, and may be the newest.
    """
    return found[-1] if found and found[0].last else None


def histories_to_continue(repository: Repository, server: str, keyring: Keyring | None) -> list[History]:
    """As `histories`, for who only adds to them: who can encrypt and not decrypt takes manifests as they are."""

    def manifest(entry: BackupEntry) -> Manifest:
        try:
            return entry.manifest(keyring)
        except KeyUnavailableError:
            if keyring is None:
                raise
            return unauthenticated(entry.peek())

    return [_with_pruned(each, keyring) for each in _histories(repository, server, manifest)]


def _with_pruned(history: History, keyring: Keyring | None) -> History:
    """With the place where it was cut off; where that cannot be read, what is past it is archived once more."""
    try:
        pruned = read_pruned(history.stream, keyring)
    except RepositoryError as error:
        _log.warning("what was deleted of the history %s on purpose is archived anew: %s", history.name, error)
        return history
    return replace(history, pruned=pruned) if pruned and pruned.holds_for(history.segments) else history


def _histories(repository: Repository, server: str, read: Callable[[BackupEntry], Manifest]) -> list[History]:
    names = repository.histories(server)
    found = [_history(History.empty(repository, server, name), read) for name in names]
    return sorted((each for each in found if each), key=_opened)


def _history(empty: History, read: Callable[[BackupEntry], Manifest]) -> History | None:
    with empty.reading("listing the binary log"):  # or a part might go while its whole file is not listed yet
        segments, unreadable = _segments(empty, empty.stream.entries(), read, streamed=False)
        whole = _whole(segments)
        parts = _parts(empty.parts, lambda file: file not in whole)
        streamed, unusable = _segments(empty, parts, read, streamed=True)
    segments += streamed
    unreadable |= {f"{empty.parts.folder.name}/{name}": reason for name, reason in unusable.items()}
    return replace(empty, segments=tuple(segments), unreadable=unreadable) if segments or unreadable else None


def _segments(
    history: History, entries: Iterable[BackupEntry], read: Callable[[BackupEntry], Manifest], *, streamed: bool
) -> tuple[list[Segment], dict[str, str]]:
    segments: list[Segment] = []
    unreadable: dict[str, str] = {}
    for entry in entries:
        try:
            manifest = read(entry)
            segment = Segment.of(manifest, history.name, streamed=streamed)
            missing = next(lacking(entry.folder, manifest), None)
        except KeyUnavailableError:
            raise
        except RepositoryError as error:
            unreadable[entry.id] = error.what
            continue
        if missing:
            unreadable[entry.id] = missing
        else:
            segments.append(segment)
    return segments, unreadable


def _whole(segments: Iterable[Segment]) -> frozenset[str]:
    return frozenset(each.file for each in segments if each.complete and each.start == FIRST and not each.streamed)


def _parts(stream: Stream, wanted: Callable[[str], bool]) -> list[BackupEntry]:
    """Those of wanted files; what has no such id is wanted as well, as nothing supersedes it."""
    found = [(entry, parse_id(entry.id)) for entry in stream.entries()]
    return [entry for entry, identity in found if wanted(identity.file if identity else "")]


def _opened(history: History) -> tuple[float, str]:
    last = history.last
    return (last.opened.timestamp() if last else 0, history.name)
