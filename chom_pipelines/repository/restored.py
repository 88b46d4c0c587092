"""The record of one restore that came to its end: how long it took. It is kept beside the backup that it began with.

It is sealed as the backup's manifest is. Nothing but predictions rests on it: what cannot be believed is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pydantic import AwareDatetime, Field

from chom_pipelines.errors import ObjectExistsError, RepositoryError
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import RESTORES, proof_name
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.timing import Timing

FORMAT = 1


class RestoreRecord(Record):
    """One restore."""

    format: int = FORMAT
    server: str = Field(description="its name in the inventory")
    backup: str = Field(description="the id of the one with which it began")
    started: AwareDatetime
    restored: Timing

    @property
    def name(self) -> str:
        """Of its object."""
        return proof_name(self.started, RESTORES)


DOCUMENT = SealedDocument("restore", FORMAT, RestoreRecord)


def keep_restore(entry: BackupEntry, record: RestoreRecord, keyring: Keyring | None) -> None:
    """Keep it beside the backup; raises RepositoryError, and what `BackupEntry.data_key` raises."""
    key = entry.data_key(keyring)
    while True:
        try:
            entry.folder.write(record.name, DOCUMENT.seal(record, key.mac if key else None))
        except ObjectExistsError:  # its name is part of what is sealed
            record = record.model_copy(update={"started": record.started + timedelta(microseconds=1)})
        else:
            return


def restores_of(entry: BackupEntry, keyring: Keyring | None) -> Iterator[RestoreRecord]:
    """What was kept and can be believed, oldest first; raises what `BackupEntry.data_key` raises."""
    names = [each.name for each in (entry.folder / RESTORES).below() if each.name.endswith(".json")]
    key = entry.data_key(keyring) if names else None
    for name in names:
        if record := _read(entry, f"{RESTORES}/{name}", key):
            yield record


def _read(entry: BackupEntry, name: str, key: DataKey | None) -> RestoreRecord | None:
    try:
        record = DOCUMENT.unseal(entry.folder.read(name), key.mac if key else None, entry.folder.where(name))
    except RepositoryError:
        return None
    return record if (record.server, record.backup, record.name) == (entry.server, entry.id, name) else None
