"""What a server could be brought back from now, read from the repository: right with the server and Dagster down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chom_pipelines.backups import exposure
from chom_pipelines.backups.assessment import recent
from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.binlogs.recovery.recoverable import recoverable
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.repository.layout import Kind, parse_id
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.proof import Level, Proof

RECENT = "recent"


@dataclass(frozen=True)
class Proved:
    """The last answer of a verification of that level: passed or failed, when, and why."""

    level: Level
    outcome: Outcome
    at: datetime
    reason: str


@dataclass(frozen=True)
class LastOfKind:
    """The newest backup of a kind: of the binary log the newest piece, `as_of` its last event, proved by drills only.

    `seconds` and `bytes` are None where its manifest cannot be read; then `problem` says why.
    """

    kind: Kind
    id: str
    as_of: datetime
    seconds: float | None
    bytes: int | None
    proofs: tuple[Proved, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class BackupStanding:
    """`earliest` to `latest` is the newest interval that can be restored to; `verdicts` are by the thresholds."""

    where: str
    last: tuple[LastOfKind, ...]
    earliest: datetime | None
    latest: datetime | None
    exposure: timedelta | None
    """What would be lost if the server were lost now; None: everything."""
    gaps: int
    drilled: Proved | None
    verdicts: dict[str, Verdict]
    unusable: int

    @property
    def outcome(self) -> Outcome:
        """Of all verdicts."""
        return worst(verdict.outcome for verdict in self.verdicts.values())


def read_standing(inventory: Inventory, server: Server, now: datetime) -> BackupStanding:
    """What is there; objects are not read. `now` is aware.

    Raises RepositoryError where there is no repository or it cannot be listed, SecretUnavailableError, and
    KeyUnavailableError where backups are encrypted with a key that is not there.
    """
    repository = existing_repository(inventory.repository)
    keyring = keyring_of(inventory.repository, server.backup)
    found = recoverable(repository, server.name, keyring)
    entries = [(entry, parse_id(entry.id)) for entry in repository.backups(server.name)]
    last = []
    for kind in (Kind.FULL, Kind.INCREMENTAL):
        newest = max(
            (entry for entry, identity in entries if identity and identity.kind is kind and entry.time),
            key=lambda entry: entry.time or now,
            default=None,
        )
        if newest is None or newest.time is None:
            continue
        one = opened(newest, keyring)
        manifest = one.manifest
        last.append(
            LastOfKind(
                kind,
                newest.id,
                manifest.as_of if manifest else newest.time,
                manifest.seconds if manifest else None,
                manifest.stored_bytes if manifest else None,
                tuple(_proved(proof) for proof in one.latest.values()),
                one.problem.what if one.problem else None,
            )
        )
    segment = found.newest.last if found.newest else None
    if segment is not None:
        last.append(LastOfKind(Kind.BINLOG, segment.id, segment.as_of, None, segment.stored_bytes))
    interval = max(found.windows.intervals, key=lambda each: each.latest, default=None)
    drill = interval.drill if interval else None
    return BackupStanding(
        where=repository.where,
        last=tuple(last),
        earliest=interval.earliest if interval else None,
        latest=interval.latest if interval else None,
        exposure=found.windows.exposure(now),
        gaps=len(found.open_gaps),
        drilled=Proved(Level.FULL, drill.outcome, drill.started, drill.reason) if drill else None,
        verdicts={RECENT: recent(repository, server, keyring, now), **exposure.answers(found, server, now)},
        unusable=len(found.unusable_backups) + len(found.unusable_segments),
    )


def _proved(proof: Proof) -> Proved:
    return Proved(proof.level, proof.outcome, proof.started, proof.reason)
