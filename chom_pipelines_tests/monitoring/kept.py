"""A repository with backups and a binary log of a server that does not exist."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chom_pipelines.binlogs.archive.segments import FIRST
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.monitoring.exporting.backup_state import BackupState, BackupWatch
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Coordinates, Position
from chom_pipelines.repository.objects import ObjectWriter
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest, a_proof, stored

SERVER = "chom"
HISTORY = "1"
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Kept:
    """In `directory`; its backups are of NOON and whole hours after it, and so are the ends of its segments."""

    directory: Path

    @classmethod
    def at(cls, directory: Path) -> Kept:
        """An empty one, with keys."""
        found = cls(directory)
        found.repository.create()
        AES.save(directory / "keys.json")
        return found

    @property
    def repository(self) -> Repository:
        return Repository(LocalStore(self.directory / "repository"))

    @property
    def inventory(self) -> Inventory:
        return Inventory.model_validate(
            {
                "repository": {
                    "path": str(self.directory / "repository"),
                    "offsite": {"url": (self.directory / "second").as_uri()},
                    "encryption": {"keys": {"file": str(self.directory / "keys.json")}},
                },
                "servers": [{"name": SERVER, "socket": "/nowhere", "user": "u"}],
            }
        )

    def watch(self) -> BackupWatch:
        """A new one, which has read nothing yet."""
        return BackupWatch(self.inventory, self.inventory.server())

    def state(self) -> BackupState:
        """Read by one that has read nothing yet."""
        return self.watch().state()

    def back_up(self, hours: float, ring: Keyring = AES, tables: int = 1) -> BackupEntry:
        """A full one that took five minutes, begun so many hours after NOON, of the log's place then."""
        begun = NOON + timedelta(hours=hours)
        place = Position(file=_file(int(hours)), position=500, gtid=None)
        with self.repository.stream(SERVER).begin(Kind.FULL, begun) as draft:
            with ObjectWriter(draft.folder, "data/a", Codec.NONE, 0, KEY) as writer:
                writer.write(b"rows")
            manifest = a_manifest(backup=draft.id, objects=(writer.close(),), key=ring.wrap(KEY))
            times = {"started": begun, "as_of": begun + timedelta(minutes=1), "finished": begun + timedelta(minutes=5)}
            one = manifest.logical.tables[0]
            every = tuple(one.model_copy(update={"name": f"t{number}"}) for number in range(tables))
            payload = manifest.logical.model_copy(update={"tables": every})
            update = {**times, "coordinates": Coordinates(end=place), "payload": payload}
            return draft.publish(manifest.model_copy(update=update), KEY)

    def archive(self, hour: int, ring: Keyring = AES) -> BackupEntry:
        """The whole file of the log that was written in the hour of that number after NOON."""
        file, begun = _file(hour), NOON + hour * HOUR
        stream = self.repository.binlogs(SERVER, HISTORY)
        draft = Draft(SERVER, stream.folder, BackupId(Kind.BINLOG, file=file, start=FIRST).text)
        draft.folder.write("log", b"events")
        draft.folder.write("index", b"places")
        payload = BinlogPayload(
            history=HISTORY, complete=True, following=_file(hour + 1), version=4, checksum="CRC32", head=_digest(hour),
            previous=_digest(hour - 1) if hour else None, server_bytes=1000, opened=begun, closed=begun + HOUR,
            written=begun + HOUR, first_event=begun, last_event=begun + HOUR, transactions=9, digest=_digest(hour),
            log="log", index="index",
        )  # fmt: skip
        end = Position(file=file, position=1000, gtid=None)
        update = {
            "kind": Kind.BINLOG,
            "payload": payload,
            "coordinates": Coordinates(start=Position(file=file, position=FIRST, gtid=None), end=end),
            "started": begun,
            "as_of": begun + HOUR,
            "finished": begun + HOUR,
        }
        objects = (stored("log", 6, 6), stored("index", 6, 6))
        manifest = a_manifest(objects=objects, key=ring.wrap(KEY))
        return draft.publish(manifest.model_copy(update={"id": draft.id, **update}), KEY)

    def grow_old(self, seconds: float = 60) -> None:
        """As if all had been put here so many seconds ago."""
        then = time.time() - seconds
        for path in (self.directory / "repository").rglob("*"):
            os.utime(path, (then, then))


def prove(entry: BackupEntry, outcome: Outcome, level: Level = Level.BASIC, hours: float = 0) -> None:
    """Keep a proof beside it, begun so many hours after NOON."""
    update: dict[str, object] = {"level": level, "outcome": outcome}
    if level is Level.BASIC:
        update["scratch"] = None
    if outcome is Outcome.FAILED:
        update |= {"reason": "data/a is not what it was", "failures": ("data/a is not what it was",)}
    proof = a_proof(backup=entry.id, started=NOON + timedelta(hours=hours)).model_copy(update=update)
    entry.add_proof(proof, KEY)


def unix(hours: float) -> float:
    """So many hours after NOON, 2026-01-02 12:00 UTC, in seconds since 1970."""
    return datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp() + hours * 3600


def _file(hour: int) -> str:
    return f"bin.{hour + 1:06d}"


def _digest(number: int) -> str:
    return f"{number + 1:064x}"
