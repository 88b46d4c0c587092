"""What the repository has of a server's binary log: its histories, each with its segments as their manifests say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chom_pipelines.binlogs.chain import Chain, chained
from chom_pipelines.binlogs.segments import FIRST, Segment
from chom_pipelines.errors import DamagedError, KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest, unauthenticated
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream, lacking


@dataclass(frozen=True)
class History:
    """Files of one server that were numbered in one line, from where the archive begins to where it ends.

    `unreadable` are ids of segments that are there and cannot be used, with the reason.
    """

    name: str
    stream: Stream
    segments: tuple[Segment, ...]
    unreadable: dict[str, str]

    @property
    def last(self) -> Segment | None:
        """The segment with which it ends."""
        return max(self.segments, key=lambda each: (each.number, each.start), default=None)

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

    def next_id(self, file: str) -> str:
        """The id of the segment that goes on with a file."""
        found = self.of_file(file)
        return BackupId(Kind.BINLOG, file=file, start=found[-1].end if found else FIRST).text

    def is_archived(self, file: str) -> bool:
        """All of a file is."""
        found = self.of_file(file)
        return bool(found) and found[-1].complete

    def head_before(self, file: str) -> str | None:
        """The head of the file before this one; None where nothing of it is archived."""
        base, _, number = file.rpartition(".")
        wanted = (base, int(number) - 1)
        return next((each.head for each in self.segments if (each.base, each.number) == wanted), None)

    def entry(self, segment: Segment) -> BackupEntry:
        """The entry of one of its segments."""
        return BackupEntry(self.stream.server, self.stream.folder, segment.id)


def histories(repository: Repository, server: str, keyring: Keyring | None) -> list[History]:
    """Every history of a server, the newest last; manifests are read and authenticated, and objects looked for.

    A segment whose last proof failed cannot be used. Raises RepositoryError where the repository cannot be read,
    KeyUnavailableError where the key is not at hand.
    """

    def manifest(entry: BackupEntry) -> Manifest:
        found = opened(entry, keyring)
        if found.problem:
            raise found.problem
        if found.manifest is None or found.outcome is Outcome.FAILED:
            raise DamagedError(found.reason)
        return found.manifest

    return _histories(repository, server, manifest)


def histories_to_continue(repository: Repository, server: str, keyring: Keyring | None) -> list[History]:
    """As `histories`, for who only adds to them: who can encrypt and not decrypt takes manifests as they are."""

    def manifest(entry: BackupEntry) -> Manifest:
        try:
            return entry.manifest(keyring)
        except KeyUnavailableError:
            if keyring is None:
                raise
            return unauthenticated(entry.peek())

    return _histories(repository, server, manifest)


def _histories(repository: Repository, server: str, read: Callable[[BackupEntry], Manifest]) -> list[History]:
    found = [_history(name, repository.binlogs(server, name), read) for name in repository.histories(server)]
    return sorted((each for each in found if each), key=_opened)


def _history(name: str, stream: Stream, read: Callable[[BackupEntry], Manifest]) -> History | None:
    segments: list[Segment] = []
    unreadable: dict[str, str] = {}
    for entry in stream.entries():
        try:
            manifest = read(entry)
            segment = Segment.of(manifest, name)
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
    return History(name, stream, tuple(segments), unreadable) if segments or unreadable else None


def _opened(history: History) -> tuple[float, str]:
    last = history.last
    return (last.opened.timestamp() if last else 0, history.name)
