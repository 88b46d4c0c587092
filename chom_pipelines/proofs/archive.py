"""Verifying the archive of a server's binary log: its segments, each once unless asked for again, and their chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.binlogs.archive.chain import mended_by_moving
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.recovery.recoverable import recoverable
from chom_pipelines.errors import ChomError, RepositoryError
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.progress import Report
from chom_pipelines.proofs.segments import verify_segment
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.publishing import lacking
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream


@dataclass(frozen=True)
class SegmentProof:
    """The proof of a segment that was verified now."""

    history: str
    proof: Proof


@dataclass(frozen=True)
class ChainProof:
    """Whether the segments follow each other: gaps, and which of them no full backup has mended."""

    outcome: Outcome
    reason: str
    gaps: tuple[str, ...]
    mended: int


@dataclass(frozen=True)
class ArchiveProof:
    """What is known of the archive of one server."""

    segments: tuple[SegmentProof, ...]
    skipped: int
    """Segments whose earlier proof was relied on: they are there in full, and were not read again."""
    oldest: datetime | None
    """When the oldest of those proofs was begun."""
    chain: ChainProof

    @property
    def outcome(self) -> Outcome:
        """Of all of it."""
        return worst([self.chain.outcome, *(each.proof.outcome for each in self.segments)])


def verify_archive(
    repository: Repository, server: str, keyring: Keyring | None, report: Report, *, again: bool = False
) -> ArchiveProof | None:
    """Prove every segment that has no proof yet, or every one where `again` says so; then the chain.

    Parts may go meanwhile, as their file has become whole: then that is proved instead of them.

    None: nothing is archived. Damage does not raise. Raises RepositoryError where the repository cannot be listed, or a
    proof cannot be kept.
    """
    proofs: list[SegmentProof] = []
    proved: list[datetime] = []
    size = 0

    def read(more: int) -> None:
        nonlocal size
        size += more
        report(size, None, "read binary logs")

    seen: set[str] = set()
    while found := [each for each in _segments(repository, server) if each.entry.where not in seen]:
        seen |= {each.entry.where for each in found}
        gone = 0
        for each in found:
            with each.entry.reading("basic verification"):
                if each.parts and not each.parts.lists(each.entry):
                    gone += 1
                    continue
                before = None if again else _proved(each.entry, each.history, keyring)
                if before:
                    proved.append(before)
                else:
                    proof = verify_segment(each.entry, each.history, keyring, read)
                    proofs.append(SegmentProof(each.history, proof))
        if not gone:
            break
    if not proofs and not proved:
        return None
    chain = _chain(repository, server, keyring)
    return ArchiveProof(tuple(proofs), len(proved), min(proved, default=None), chain)


@dataclass(frozen=True)
class _Listed:
    history: str
    entry: BackupEntry
    parts: Stream | None
    """In which it is, if it is a part."""


def _segments(repository: Repository, server: str) -> Iterator[_Listed]:
    """Whole files, then parts; a part that has gone when these are listed, has gone for a file that is among them."""
    for history in repository.histories(server):
        whole, parts = repository.binlogs(server, history), repository.streamed(server, history)
        streamed = parts.entries()
        yield from (_Listed(history, entry, None) for entry in whole.entries())
        yield from (_Listed(history, entry, parts) for entry in streamed)


def _proved(entry: BackupEntry, history: str, keyring: Keyring | None) -> datetime | None:
    """When the segment was proved, if it was and its objects still are as large as they were."""
    found = opened(entry, keyring)
    if found.manifest is None or found.outcome is not Outcome.PASSED:
        return None
    try:
        Segment.of(found.manifest, history)
        if any(lacking(entry.folder, found.manifest)):
            return None
    except RepositoryError:
        return None
    return found.latest[Level.BASIC].started


def _chain(repository: Repository, server: str, keyring: Keyring | None) -> ChainProof:
    try:
        found = recoverable(repository, server, keyring)
    except ChomError as error:
        return ChainProof(error.outcome, error.what, (), 0)
    gaps = tuple(f"{gap.history}: {gap.why}" for gap in found.open_gaps)
    mended = len(found.windows.gaps) - len(gaps)
    if gaps:
        reason = f"the log has gaps that no full backup has mended; {found.open_gaps[-1].remedy}"
        return ChainProof(Outcome.FAILED, reason, gaps, mended)
    if found.unusable_segments:
        ids = list(found.unusable_segments)
        reason = f"segments that cannot be used: {len(ids)}; {mended_by_moving(ids)}"
        return ChainProof(Outcome.FAILED, reason, (), mended)
    return ChainProof(Outcome.PASSED, "", (), mended)
