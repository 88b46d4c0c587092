"""To which moments a server's data can be brought back; pure.

A full backup is a moment. From it on every later one can be reached for as long as the binary log that follows it is in
the archive without a gap: that is an interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.chain import Chain, Gap, Run, anew
from chom_pipelines.binlogs.archive.segments import FIRST, Identity, Segment
from chom_pipelines.binlogs.format.gtids import covers
from chom_pipelines.binlogs.recovery.clocks import Uncertain, uncertain
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.drill import Drill
from chom_pipelines.repository.manifest import Manifest, Position
from chom_pipelines.repository.payloads import LogicalPayload
from chom_pipelines.server.facts import Flavour

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Full:
    """A full backup: the place in the binary log that it holds everything before, and how its last proof ended."""

    id: str
    flavour: Flavour
    as_of: datetime
    identity: Identity
    place: Position | None
    proof: Outcome
    proved: datetime | None
    everything: bool
    """It has all databases."""
    head: str | None = None
    """Of the file in which its place is; None: it could not be had when it was taken."""
    drills: tuple[Drill, ...] = ()
    """Of points in time that begin with it, oldest first."""
    prepared: tuple[str, ...] = ()
    """Ids of XA transactions, as the log writes them, that were prepared then, and so are not in it; if known."""
    leading_out: tuple[str, ...] = ()
    """For people: foreign keys that lead out of it, by which rows may have changed that no log has."""

    @classmethod
    def of(cls, manifest: Manifest, proof: Outcome, proved: datetime | None, drills: Sequence[Drill]) -> Full:
        """From its manifest, the outcome and time of its last proof, and its drills."""
        return cls(
            id=manifest.id,
            flavour=Flavour(manifest.source.flavour),
            as_of=manifest.as_of,
            identity=Identity(manifest.source.server_id, manifest.source.server_uuid),
            place=manifest.coordinates.end,
            proof=proof,
            proved=proved,
            head=manifest.coordinates.head,
            everything=not isinstance(manifest.payload, LogicalPayload) or manifest.payload.everything,
            drills=tuple(drills),
            prepared=(manifest.payload.prepared or ()) if isinstance(manifest.payload, LogicalPayload) else (),
            leading_out=manifest.payload.leading_out if isinstance(manifest.payload, LogicalPayload) else (),
        )


@dataclass(frozen=True)
class Interval:
    """Every moment from `earliest` to `latest` can be restored; of a full backup alone they are the same."""

    earliest: datetime
    latest: datetime
    fulls: tuple[Full, ...]
    last: Segment | None
    """The segment with which it ends."""
    uncertain: tuple[Uncertain, ...] = ()
    """Times in it that may be wrong: in these, no moment can be restored, but places can."""

    @property
    def drill(self) -> Drill | None:
        """The last drill of a moment of it that came to an answer."""
        found = [drill for full in self.fulls for drill in full.drills if drill.outcome is not Outcome.NOT_VERIFIED]
        return max(found, key=lambda drill: drill.started, default=None)

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first and the last whole second that can be restored; where there is none in it, what it is exactly."""
        first, last = self.earliest.replace(microsecond=0), self.latest.replace(microsecond=0)
        if first < self.earliest:
            first += _SECOND
        return (first, last) if first <= last else (self.earliest, self.latest)

    @property
    def duration(self) -> timedelta:
        """How long it is."""
        return self.latest - self.earliest


@dataclass(frozen=True)
class Windows:
    """All intervals, oldest first, the gaps in the archive, and what is there and leads nowhere."""

    intervals: tuple[Interval, ...]
    gaps: tuple[Gap, ...]
    unreachable: tuple[Run, ...]
    """Runs without a full backup from which they could be replayed."""

    @property
    def latest(self) -> datetime | None:
        """The latest moment that can be restored; None: none can."""
        return max((each.latest for each in self.intervals), default=None)

    def exposure(self, now: datetime) -> timedelta | None:
        """How much would be lost if the server were lost now; None: everything."""
        return now - self.latest if self.latest else None


def windows(fulls: Iterable[Full], chains: Iterable[Chain]) -> Windows:
    """Lay full backups on the chains of all histories, which are in their order."""
    chains = tuple(chains)
    runs = [run for chain in chains for run in chain.runs]
    of_run: dict[int, list[Full]] = {}
    alone: list[Interval] = []
    for full in sorted(fulls, key=lambda each: each.as_of):
        run = run_of(full, runs)
        if run is None:
            alone.append(Interval(full.as_of, full.as_of, (full,), None))
        else:
            of_run.setdefault(runs.index(run), []).append(full)
    found = [*alone, *(_interval(run, of_run[index]) for index, run in enumerate(runs) if index in of_run)]
    return Windows(
        intervals=tuple(sorted(found, key=lambda each: (each.earliest, each.latest))),
        gaps=(*(gap for chain in chains for gap in chain.gaps), *anew(chains)),
        unreachable=tuple(run for index, run in enumerate(runs) if index not in of_run),
    )


def run_of(full: Full, runs: Iterable[Run]) -> Run | None:
    """The run that goes on from this backup; None where none does."""
    found = [(segments[0].opened, run) for run in runs if (segments := following(full, run))]
    # a server that began to count its files anew has had this place before: the backup is of the last time
    return max(found, key=lambda each: each[0])[1] if found else None


def following(full: Full, run: Run) -> tuple[Segment, ...]:
    """The segments of a run to replay onto this backup, the first of them in part; none where it cannot go on there."""
    if full.place is None or full.identity != run.segments[0].identity:
        return ()
    found = run.from_place(full.place.file, full.place.position)
    if not any(each.file == full.place.file and each.start == FIRST for each in run.segments):
        return ()  # a file is read from its beginning
    return found if found and _is_of_its_time(full, found) and _within(full, found[0]) else ()


def replayed(full: Full, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Of the segments that follow a backup those with something behind its place."""
    place = full.place
    return tuple(each for each in segments if not place or each.file != place.file or each.end > place.position)


def _is_of_its_time(full: Full, segments: tuple[Segment, ...]) -> bool:
    """A server that began to count its files anew has the backup's place twice, and once in the backup's own file.

    Where the backup does not know that one's head, times tell. What follows the place was written after the backup. Of
    one file the end may be noted as earlier, by the session that closed it, and so the latest time of all counts that
    follow it.
    """
    if full.head:
        return segments[0].head == full.head
    position = full.place.position if full.place else 0
    segment = next(each for each in reversed(segments) if each.file == segments[0].file)
    latest = max(each.as_of for each in segments)
    return segment.opened <= full.as_of and (position == segment.end or full.as_of < latest + _SECOND)


def _within(full: Full, segment: Segment) -> bool:
    """The backup's transactions are those before the segment, and perhaps some of it."""
    gtid = full.place.gtid if full.place else None
    if gtid is None or segment.before is None or segment.after is None:
        return True
    return covers(full.flavour, gtid, segment.before) and covers(full.flavour, segment.after, gtid)


def _interval(run: Run, fulls: list[Full]) -> Interval:
    earliest = fulls[0].as_of
    doubts = tuple(each for each in uncertain(run.segments) if each.end >= earliest)
    return Interval(earliest, max(earliest, run.last.until), tuple(fulls), run.last, doubts)
