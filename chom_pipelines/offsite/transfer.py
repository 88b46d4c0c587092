"""All that one repository has of a server, copied into another: what is there stays, and what fails is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from chom_pipelines.binlogs.archive.heard import NAME as HEARD
from chom_pipelines.errors import (
    DamagedError,
    KeyUnavailableError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    UnencryptedError,
    UnknownFormatError,
)
from chom_pipelines.offsite.copying import Copying, copy_backup
from chom_pipelines.offsite.differences import Lacking, StreamDifference, difference, new_names
from chom_pipelines.progress import Report, counted
from chom_pipelines.repository.data_keys import StreamKey, opened_key, stream_keys
from chom_pipelines.repository.layout import BACKUPS, BINLOGS, KEYS, STREAMED, Kind, parse_id
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import Folder

_OF_ONE = (
    DamagedError,
    KeyUnavailableError,
    ObjectExistsError,
    ObjectMissingError,
    UnencryptedError,
    UnknownFormatError,
)
"""What is wrong with one backup, and keeps no other from being copied."""


@dataclass(frozen=True)
class Copied:
    """A backup or segment that was copied, or mended, as `backups/full_20260102_020000`; its bytes as stored."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Transfer:
    """What came of it: what was copied, what was there already, what failed and why, and what ended it before its end.

    It is complete where nothing failed: then the target has all that the source had when it began.
    """

    copied: tuple[Copied, ...] = ()
    there: int = 0
    failures: dict[str, RepositoryError] = field(default_factory=dict)
    problem: RepositoryError | None = None
    not_tried: int = 0
    seconds: float = 0

    @property
    def is_complete(self) -> bool:
        """Nothing is missing."""
        return not self.failures and self.problem is None

    @property
    def bytes(self) -> int:
        """Of what was copied."""
        return sum(each.bytes for each in self.copied)

    @property
    def error(self) -> RepositoryError | None:
        """Why it is not complete: what ended it, else the first of what failed."""
        return self.problem or next(iter(self.failures.values()), None)


@dataclass(frozen=True)
class ServerDifference:
    """What the target lacks of a server: of its streams, by their places below the server, as `binlogs/11`."""

    streams: dict[str, StreamDifference]

    @property
    def bytes(self) -> int:
        """Of all that is lacking."""
        return sum(each.bytes for each in self.streams.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of streams that the target has not, or of another size: without them nothing of a stream is read."""
        return tuple(f"{name}/{KEYS}/{key}" for name, each in self.streams.items() for key in each.keys)

    def of(self, backups: Collection[str]) -> ServerDifference:
        """Of these backups alone."""
        stream = self.streams[BACKUPS]
        lacking = tuple(each for each in stream.lacking if each.entry.id in backups)
        return ServerDifference({BACKUPS: replace(stream, lacking=lacking)})

    @property
    def lacking(self) -> dict[str, tuple[Lacking, ...]]:
        """Backups and segments that the target has not whole, by stream; none where it has all of that."""
        found = {name: each.backups for name, each in self.streams.items()}
        return {name: each for name, each in found.items() if each}


def compare(source: Repository, target: Repository, server: str) -> ServerDifference:
    """Compare all streams of a server by their listings; raises RepositoryError."""
    pairs = {BACKUPS: (source.stream(server), target.stream(server))}
    histories = source.histories(server)
    # whole files first: parts of those that follow are only wanted for what is not whole yet
    for history in histories:
        pairs[f"{BINLOGS}/{history}"] = (source.binlogs(server, history), target.binlogs(server, history))
    for history in histories:
        pairs[f"{STREAMED}/{history}"] = (source.streamed(server, history), target.streamed(server, history))
    return ServerDifference({name: difference(ours, theirs) for name, (ours, theirs) in pairs.items()})


def copy_server(
    source: Repository,
    target: Repository,
    server: str,
    copying: Copying,
    report: Report,
    *,
    only: Collection[str] | None = None,
) -> Transfer:
    """Copy what the target lacks of a server; `only`: of backups these alone, read again there, and no binary logs.

    What fails of one backup is in what is returned, and the others are copied all the same; where the store does not
    answer or is full, the rest is not tried. Raises RepositoryError where it cannot begin, with nothing copied.
    """
    began = time.monotonic()
    found = compare(source, target, server) if only is None else _of(source, target, server, only)
    copying = replace(copying, progress=counted(report, found.bytes, f"copy {server}"), reads_again=only is not None)
    run = _Run(copying)
    for name, stream in found.streams.items():
        run.copy_stream(name, stream)
    if only is None:
        run.copy_plain("benchmarks", source.benchmarks_of(server), target.benchmarks_of(server))
        run.copy_plain("migrations", source.migrations_of(server), target.migrations_of(server))
    there = sum(len(each.there) for each in found.streams.values())
    if only is not None:  # each of them was looked at
        asked = sum(len(each.lacking) for each in found.streams.values())
        there = asked - len(run.copied) - len(run.failures) - run.not_tried
    seconds = time.monotonic() - began
    return Transfer(tuple(run.copied), there, run.failures, run.problem, run.not_tried, seconds)


def _of(source: Repository, target: Repository, server: str, backups: Collection[str]) -> ServerDifference:
    """These backups, also what the target has of them, which is read again; what they build on is theirs to name."""
    stream = difference(source.stream(server), target.stream(server))
    known = {each.entry.id: each for each in stream.lacking}
    entries = [entry for entry in stream.source.entries() if entry.id in backups]
    lacking = tuple(known.get(entry.id) or Lacking(entry, (), 0, is_there=True) for entry in entries)
    return ServerDifference({BACKUPS: replace(stream, lacking=lacking, there=stream.there & frozenset(backups))})


class _Run:
    """Copies stream by stream, and remembers what came of it."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self.copied: list[Copied] = []
        self.failures: dict[str, RepositoryError] = {}
        self.problem: RepositoryError | None = None
        self.not_tried = 0

    def copy_stream(self, name: str, stream: StreamDifference) -> None:
        if self.problem:
            self.not_tried += len(stream.backups)
            return
        heard = name.startswith(STREAMED) and stream.source.folder.exists(HEARD)
        if not (stream.lacking or heard or stream_keys(stream.source.folder)):
            return
        try:
            with stream.target.receiving():
                for key in stream_keys(stream.source.folder):
                    self._attempt(f"{name}/{KEYS}/{key.stream_key}", lambda: self._copy_key(stream, key))  # noqa: B023  (called at once)
                self._copy_backups(name, stream)
                if heard and self.problem is None:
                    stream.target.folder.replace(HEARD, stream.source.folder.read(HEARD))
        except RepositoryError as error:
            self.problem = error

    def copy_plain(self, name: str, source: Folder, target: Folder) -> None:
        """Objects that belong to no backup: JSON documents last, as it is those by which a report is found."""
        if self.problem is None:
            self._attempt(name, lambda: _copy_plain(source, target))

    def _attempt(self, name: str, copy: Callable[[], bool]) -> bool:
        """Do it, and say whether anything was put; what fails is remembered."""
        try:
            return copy()
        except _OF_ONE as error:
            self.failures[name] = error
        except RepositoryError as error:
            self.problem = self.problem or error
        return False

    def _copy_key(self, stream: StreamDifference, key: StreamKey) -> bool:
        """The key as it is here, if it can be opened, in place of one that is missing, spoiled or wrapped otherwise."""
        name = f"{KEYS}/{key.stream_key}.json"
        data, target = stream.source.folder.read(name), stream.target.folder
        there = target.exists(name)
        if there and target.read(name) == data:
            return False
        try:
            opened_key(key, stream.source.folder, self._copying.keyring, stream.source.folder.where(name))
        except KeyUnavailableError:
            if there:  # nobody here knows which one is right
                return False
        target.replace(name, data)
        return True

    def _copy_backups(self, name: str, stream: StreamDifference) -> None:
        """Backups one after the other, as each has many objects; segments, which have few, several at once."""
        for each in stream.lacking:
            if not _is_segment(each):
                self._copy_one(name, each, stream, self._copying)
        segments = [each for each in stream.lacking if _is_segment(each)]
        if segments:
            with ThreadPoolExecutor(self._copying.threads) as pool:
                one = replace(self._copying, threads=1)
                list(pool.map(lambda each: self._copy_one(name, each, stream, one), segments))

    def _copy_one(self, name: str, lacking: Lacking, stream: StreamDifference, copying: Copying) -> None:
        if self.problem:
            self.not_tried += not lacking.has_records_alone
            return
        place = f"{name}/{lacking.entry.id}"
        if self._attempt(place, lambda: copy_backup(lacking, stream.target, copying)):
            self.copied.append(Copied(place, lacking.bytes))
        elif place in self.failures and not stream.source.lists(lacking.entry):
            del self.failures[place]  # it was deleted meanwhile, and need not be copied


def _is_segment(lacking: Lacking) -> bool:
    identity = parse_id(lacking.entry.id)
    return identity is not None and identity.kind is Kind.BINLOG


def _copy_plain(source: Folder, target: Folder) -> bool:
    names = new_names(source, target)
    for name in sorted(names, key=lambda each: (each.endswith(".json"), each)):
        if not target.exists(name):
            target.write(name, source.read(name))
    return bool(names)


def chain_of(source: Repository, server: str, backups: Iterable[str]) -> Iterator[str]:
    """These backups, and before each what it says that it builds on; raises BackupNotFoundError, DamagedError."""
    for backup in backups:
        entry = source.find(server, backup)
        chain = [entry.id]
        while parent := entry.peek().get("parent"):
            entry = source.find(server, str(parent))
            if entry.id in chain:
                raise DamagedError(f"{entry.where} builds on itself")
            chain.append(entry.id)
        yield from reversed(chain)
