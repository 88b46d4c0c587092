"""What of a server one repository has and the other has not, by their listings: nothing is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import DRILLS, INCOMPLETE, KEYS, MANIFEST, PINNED, PROOFS, RESTORES
from chom_pipelines.repository.store import Folder, Listed
from chom_pipelines.repository.streams import Stream

_OF_THE_COPY = {PROOFS}
"""What each copy has of its own: what was found of one says nothing of the other."""


@dataclass(frozen=True)
class Lacking:
    """A backup that the copy has not, or not all of: what has to be copied, of how many bytes."""

    entry: BackupEntry
    names: tuple[str, ...]
    bytes: int
    is_there: bool
    """The copy lists it: it lacks records that are newer, or it is damaged."""
    has_other_manifest: bool = False
    """Its manifest there is of another size: spoiled, or with its key wrapped otherwise."""

    @property
    def records(self) -> tuple[str, ...]:
        """Of the names those of records that are kept beside a backup, and are in no manifest."""
        return tuple(name for name in self.names if _is_record(name))

    @property
    def has_records_alone(self) -> bool:
        """The copy has the backup itself, as far as names and sizes tell."""
        return self.is_there and len(self.records) == len(self.names)


@dataclass(frozen=True)
class StreamDifference:
    """Of one stream: what the copy lacks, oldest first, what it has whole, and keys of the stream that it lacks."""

    source: Stream
    target: Stream
    lacking: tuple[Lacking, ...]
    there: frozenset[str]
    keys: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all that is lacking."""
        return sum(each.bytes for each in self.lacking)

    @property
    def backups(self) -> tuple[Lacking, ...]:
        """What the copy does not list, or lists without all of its objects."""
        return tuple(each for each in self.lacking if not each.has_records_alone)


def difference(source: Stream, target: Stream) -> StreamDifference:
    """Compare names and sizes of two streams; raises RepositoryError."""
    # the source first: what it gets or loses meanwhile is found by the next one
    entries = source.entries()
    ours = _by_backup(source.folder)
    theirs = _by_backup(target.folder)
    found = [_lacking(entry, ours.get(entry.id, {}), theirs.get(entry.id, {})) for entry in entries]
    return StreamDifference(
        source,
        target,
        tuple(each for each in found if each.names or each.has_other_manifest),
        frozenset(each.entry.id for each in found if each.has_records_alone),
        tuple(sorted(dict(ours.get(KEYS, {}).items() - theirs.get(KEYS, {}).items()))),
    )


def _by_backup(folder: Folder) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for each in folder.below():
        backup, _, name = each.name.partition("/")
        if name:
            found.setdefault(backup, {})[name] = each.bytes
    return found


def _lacking(entry: BackupEntry, ours: Mapping[str, int], theirs: Mapping[str, int]) -> Lacking:
    different = {name for name in ours if _belongs(name) and theirs.get(name) != ours[name]}
    is_there = MANIFEST in theirs
    names = tuple(sorted(different - {MANIFEST} if is_there else different))
    size = sum(ours[name] for name in names)
    return Lacking(entry, names, size, is_there, has_other_manifest=is_there and MANIFEST in different)


def _belongs(name: str) -> bool:
    return name != INCOMPLETE and name.partition("/")[0] not in _OF_THE_COPY


def _is_record(name: str) -> bool:
    return name == PINNED or name.partition("/")[0] in {DRILLS, RESTORES}


def new_names(source: Folder, target: Folder) -> list[str]:
    """Of objects that belong to no backup, those that the copy has not, or of another size."""
    return _new(source.below(), target.below())


def _new(ours: Iterable[Listed], theirs: Iterable[Listed]) -> list[str]:
    there = {each.name: each.bytes for each in theirs}
    return [each.name for each in ours if there.get(each.name) != each.bytes]
