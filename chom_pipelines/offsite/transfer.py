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
    RepositoryError,
    UnencryptedError,
    UnknownFormatError,
)
from chom_pipelines.offsite.copying import Copying, copy_backup
from chom_pipelines.offsite.differences import Lacking, StreamDifference, difference, new_names
from chom_pipelines.progress import Report, counted
from chom_pipelines.repository.layout import BACKUPS, BINLOGS, KEYS, STREAMED, Kind, parse_id
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import Folder

_OF_ONE = (DamagedError, KeyUnavailableError, ObjectExistsError, UnencryptedError, UnknownFormatError)
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
    """Copy what the target lacks of a server; `only`: of backups these alone, and no binary logs.

    What fails of one backup is in what is returned, and the others are copied all the same; where the store does not
    answer or is full, the rest is not tried. Raises RepositoryError where it cannot begin, with nothing copied.
    """
    began = time.monotonic()
    found = compare(source, target, server)
    if only is not None:
        found = _restricted(found, only)
    copying = replace(copying, progress=counted(report, found.bytes, f"copy {server}"))
    run = _Run(copying)
    for name, stream in found.streams.items():
        run.copy_stream(name, stream)
    if only is None and run.problem is None:
        run.attempt("benchmarks", lambda: _copy_plain(source.benchmarks_of(server), target.benchmarks_of(server)))
    there = sum(len(each.there) for each in found.streams.values())
    seconds = time.monotonic() - began
    return Transfer(tuple(run.copied), there, run.failures, run.problem, run.not_tried, seconds)


def _restricted(found: ServerDifference, only: Collection[str]) -> ServerDifference:
    """Of these backups; what they build on is theirs to name."""
    stream = found.streams[BACKUPS]
    lacking = tuple(each for each in stream.lacking if each.entry.id in only)
    return ServerDifference({BACKUPS: replace(stream, lacking=lacking, there=stream.there & frozenset(only))})


class _Run:
    """Copies stream by stream, and remembers what came of it."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self.copied: list[Copied] = []
        self.failures: dict[str, RepositoryError] = {}
        self.problem: RepositoryError | None = None
        self.not_tried = 0

    def copy_stream(self, name: str, stream: StreamDifference) -> None:
        heard = stream.source.folder.exists(HEARD) if name.startswith(STREAMED) else False
        if self.problem or not (stream.lacking or stream.keys or heard):
            self.not_tried += len(stream.lacking) if self.problem else 0
            return
        try:
            with stream.target.receiving():
                for key in stream.keys:
                    _copy_plain_object(stream.source.folder / KEYS, stream.target.folder / KEYS, key)
                self._copy_backups(name, stream)
                if heard and self.problem is None:
                    stream.target.folder.replace(HEARD, stream.source.folder.read(HEARD))
        except RepositoryError as error:
            self.problem = error

    def attempt(self, name: str, copy: Callable[[], object]) -> bool:
        """Do it, and say whether it was done; what fails is remembered."""
        try:
            copy()
        except _OF_ONE as error:
            self.failures[name] = error
        except RepositoryError as error:
            self.problem = self.problem or error
        else:
            return True
        return False

    def _copy_backups(self, name: str, stream: StreamDifference) -> None:
        """Backups one after the other, as each has many objects; segments, which have few, several at once."""
        segments = [each for each in stream.lacking if _is_segment(each)]
        for each in stream.lacking:
            if each not in segments:
                self._copy_one(name, each, stream, self._copying)
        if segments:
            with ThreadPoolExecutor(self._copying.threads) as pool:
                one = replace(self._copying, threads=1)
                list(pool.map(lambda each: self._copy_one(name, each, stream, one), segments))

    def _copy_one(self, name: str, lacking: Lacking, stream: StreamDifference, copying: Copying) -> None:
        if self.problem:
            self.not_tried += 1
            return
        place = f"{name}/{lacking.entry.id}"
        if not self.attempt(place, lambda: copy_backup(lacking, stream.target, copying)):
            if not stream.source.lists(lacking.entry):  # it was deleted meanwhile, and need not be copied
                self.failures.pop(place, None)
            return
        if not lacking.has_records_alone:
            self.copied.append(Copied(place, lacking.bytes))


def _is_segment(lacking: Lacking) -> bool:
    identity = parse_id(lacking.entry.id)
    return identity is not None and identity.kind is Kind.BINLOG


def _copy_plain(source: Folder, target: Folder) -> None:
    """Objects that belong to no backup: the JSON document last, as it is that by which a report is found."""
    for name in sorted(new_names(source, target), key=lambda each: (each.endswith(".json"), each)):
        _copy_plain_object(source, target, name)


def _copy_plain_object(source: Folder, target: Folder, name: str) -> None:
    if not target.exists(name):
        target.write(name, source.read(name))


def chain_of(source: Repository, server: str, backups: Iterable[str], copying: Copying) -> Iterator[str]:
    """These backups, and before each what it builds on; raises what `BackupEntry.ancestors` raises."""
    for backup in backups:
        entry = source.find(server, backup)
        manifest = entry.manifest(copying.keyring)
        ancestors = [parent.id for parent, _ in entry.ancestors(manifest, copying.keyring)]
        yield from (*reversed(ancestors), entry.id)
