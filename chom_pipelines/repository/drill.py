"""The record of one drill: a point in time restored by two ways that had to agree. It is kept beside the full backup.

It is sealed as the backup's manifest is, so that an edited or copied record is not believed.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeInt, model_validator

from chom_pipelines.errors import DamagedError, ObjectExistsError, RepositoryError
from chom_pipelines.log_lines import amount
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import DRILLS
from chom_pipelines.repository.manifest import Position
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.timing import ENOUGH_TRANSACTIONS, REPLAY, Timing

FORMAT = 1

_WAYS = 2


class Drill(Record):
    """One drill; the combinations that would be a false green cannot be built."""

    format: int = FORMAT
    server: str = Field(description="its name in the inventory")
    backup: str = Field(description="the id of the full backup from which it began")
    moment: AwareDatetime = Field(description="what was restored, by the server's clock")
    end: Position | None = Field(default=None, description="the place of the binary log that it comes to")
    transactions: NonNegativeInt = Field(description="that are replayed, by the first way")
    ways: tuple[str, ...] = Field(description="by which it is restored, as 'replication from full_20260102_020000'")
    replayed: tuple[NonNegativeInt, ...] = Field(
        default=(), description="transactions that each of the ways has replayed, of those that got there"
    )
    outcome: Outcome
    reason: str = Field(default="", description="why it is not passed; empty where it is")
    started: AwareDatetime
    tables: NonNegativeInt = Field(default=0, description="compared between the two")
    rows: NonNegativeInt = 0
    definitions: NonNegativeInt = 0
    scratch: str | None = Field(default=None, description="the servers that it was restored on")
    phases: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, description="seconds of each phase")
    restored: Timing | None = Field(default=None, description="the first way's restore; None: it did not get there")
    failures: tuple[str, ...] = Field(default=(), description="what differs between the two")

    @model_validator(mode="after")
    def _no_false_green(self) -> Drill:
        if self.outcome is not Outcome.PASSED:
            if not self.reason:
                raise ValueError(f"{self.outcome.value} needs a reason")
            return self
        if self.failures or self.reason:
            raise ValueError("what has failures or a reason against it has not passed")
        if len(set(self.ways)) < _WAYS or not self.tables:
            raise ValueError("what was not compared between two ways has not passed")
        if not self.transactions:
            raise ValueError("what replayed nothing of the log has not passed")
        return self

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: each way, and what it has replayed."""
        counts = [f"{amount(count, 'transaction')} replayed" for count in self.replayed]
        counts += ["it did not get there"] * (len(self.ways) - len(counts))
        return tuple(f"{way}: {count}" for way, count in zip(self.ways, counts, strict=True))

    @property
    def seconds(self) -> float:
        """How long all phases took; the replay is a part of the first way."""
        return sum(seconds for phase, seconds in self.phases.items() if phase != REPLAY)

    @property
    def rate(self) -> float | None:
        """Transactions that the first way replayed in a second; None where there were too few to tell."""
        seconds = self.phases.get(REPLAY, 0)
        return self.transactions / seconds if seconds and self.transactions >= ENOUGH_TRANSACTIONS else None


DOCUMENT = SealedDocument("drill", FORMAT, Drill)


def keep_drill(entry: BackupEntry, drill: Drill, key: DataKey | None) -> str:
    """Keep the record beside the backup, sealed with its data key; say where. Raises DiskFullError, RepositoryError."""
    if (drill.server, drill.backup) != (entry.server, entry.id):
        raise RepositoryError(f"a drill of {drill.backup} does not belong to {entry.where}", "report this as a bug")
    while True:
        name = _name(drill)
        try:
            entry.folder.write(name, DOCUMENT.seal(drill, key.mac if key else None))
        except ObjectExistsError:  # its name is part of what is sealed
            drill = drill.model_copy(update={"started": drill.started + timedelta(microseconds=1)})
        else:
            return entry.folder.where(name)


def drills_of(entry: BackupEntry, keyring: Keyring | None) -> list[Drill]:
    """What was kept, oldest first. Raises DamagedError where one cannot be believed; what `data_key` raises."""
    names = [each.name for each in (entry.folder / DRILLS).below() if each.name.endswith(".json")]
    key = entry.data_key(keyring) if names else None
    return [_read(entry, f"{DRILLS}/{name}", key) for name in names]


def _read(entry: BackupEntry, name: str, key: DataKey | None) -> Drill:
    where = entry.folder.where(name)
    drill = DOCUMENT.unseal(entry.folder.read(name), key.mac if key else None, where)
    if (drill.server, drill.backup, _name(drill)) != (entry.server, entry.id, name):
        raise DamagedError(f"{where} is the drill of another backup or time", "remove it, and have another drill")
    return drill


def _name(drill: Drill) -> str:
    return f"{DRILLS}/{drill.started.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.json"
