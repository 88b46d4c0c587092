"""Chains of physical backups without objects, as only who has their key could make them."""

from __future__ import annotations

from datetime import timedelta

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.payloads import PhysicalPayload
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest

OTHERS = Keyring().generate("others", KeyKind.AES_256)
FILES = PhysicalPayload(
    program="mariadb-backup",
    stream="mbstream",
    to_lsn=7,
    page_size=16384,
    files=2,
    tables=1,
    parts=("data/a", "data/b"),
)


def published(
    repository: Repository, parent: BackupEntry | None = None, ring: Keyring = AES, of_parent: Keyring = AES
) -> BackupEntry:
    """A physical backup of no objects, an hour after the one before."""
    above = parent.manifest(of_parent) if parent else None
    kind, payload = Kind.FULL, FILES
    if above:
        kind = Kind.INCREMENTAL
        payload = FILES.model_copy(update={"from_lsn": FILES.to_lsn, "base": above.fingerprint})
    with repository.stream("chom").begin(kind, NOON + timedelta(hours=len(repository.backups("chom")))) as draft:
        update = {"id": draft.id, "kind": kind, "parent": above.id if above else None, "payload": payload}
        return draft.publish(a_manifest(key=ring.wrap(KEY)).model_copy(update=update), KEY)
