"""What was read of a server's full and incremental backups, kept for as long as their records stay as they are.

Manifests are not kept: those of many tables are large, and a thousand of them take a minute to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chom_pipelines.binlogs.recovery.recoverable import fulls_of
from chom_pipelines.binlogs.recovery.windows import Full
from chom_pipelines.monitoring.exporting.marks import Mark, Marks
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind, parse_id
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.measured import rates_of
from chom_pipelines.restores.predicting import Rate


@dataclass(frozen=True)
class LastBackup:
    """One that can be believed: as of when it is, how long it took, and the bytes that are stored of it."""

    taken: datetime
    seconds: float | None
    bytes: int


@dataclass(frozen=True)
class Known:
    """Of one backup. `good` is None where it cannot be believed, or failed its last verification."""

    entry: BackupEntry
    kind: Kind
    good: LastBackup | None
    passed: tuple[tuple[Level, datetime], ...]
    """Its verifications that passed, by level and time."""


@dataclass(frozen=True)
class Family:
    """A full backup and those that build on it."""

    backups: tuple[Known, ...]
    fulls: tuple[Full, ...]
    unusable: dict[str, str]
    rates: tuple[Rate, ...]
    stands_alone: bool
    """No record of another family has a part in this."""


@dataclass
class KnownBackups:
    """Those of one server; what has changed since the last time is read anew."""

    _families: dict[tuple[tuple[str, Mark], ...], Family] = field(default_factory=dict)

    def read(self, entries: Sequence[BackupEntry], marks: Marks, keyring: Keyring | None) -> list[Family]:
        """All of these entries, in their order; `marks` are of before they were listed, and `keyring` is always equal.

        Raises nothing for what cannot be believed.
        """
        found: dict[tuple[tuple[str, Mark], ...], Family] = {}
        for members in families(entries):
            marked = tuple((each.id, marks.get(each.id, ())) for each in members)
            family = self._families.get(marked)
            if family is None or not family.stands_alone:
                family = family_of(opened_all(members, keyring), keyring)
            found[marked] = family
        self._families = found
        return list(found.values())


def families(entries: Iterable[BackupEntry]) -> Iterator[list[BackupEntry]]:
    """Each full backup with the incremental ones up to the next full one, by their ids. Pure."""
    members: list[BackupEntry] = []
    for entry in entries:
        identity = parse_id(entry.id)
        if members and (identity is None or identity.kind is Kind.FULL):
            yield members
            members = []
        members.append(entry)
    if members:
        yield members


def family_of(found: Sequence[OpenedEntry], keyring: Keyring | None) -> Family:
    """What is kept of them."""
    unusable: dict[str, str] = {}
    fulls = tuple(fulls_of(found, keyring, unusable))
    ids = {one.entry.id for one in found}
    return Family(
        backups=tuple(filter(None, map(_known, found))),
        fulls=fulls,
        unusable=unusable,
        rates=rates_of(found, keyring),
        stands_alone=all(one.manifest is None or one.manifest.parent in {None, *ids} for one in found),
    )


def _known(one: OpenedEntry) -> Known | None:
    identity = parse_id(one.entry.id)
    if identity is None:
        return None
    is_good = one.manifest is not None and not one.problem and one.outcome is not Outcome.FAILED
    passed = tuple(
        (record.proof.level, record.proof.started)
        for record in one.proofs
        if record.proof and record.backup == one.entry.id and record.proof.outcome is Outcome.PASSED
    )
    return Known(one.entry, identity.kind, _last(one.manifest) if one.manifest and is_good else None, passed)


def _last(manifest: Manifest) -> LastBackup:
    seconds = (manifest.finished - manifest.started).total_seconds()
    return LastBackup(manifest.as_of, seconds, sum(each.bytes for each in manifest.objects))
