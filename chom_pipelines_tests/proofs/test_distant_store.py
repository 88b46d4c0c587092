"""A whole backup, its proofs and its restore through a store that is no directory: S3, over HTTP."""

from pathlib import Path

import pytest

from chom_pipelines.errors import BackupFailedError, DamagedError, RepositoryBusyError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.stores import open_store
from chom_pipelines.restores.restoring import restore_into_directory, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.samples import contents, library
from chom_pipelines_tests.logical.taking import Backups, filled, once
from chom_pipelines_tests.servers import PrivateServer
from chom_pipelines_tests.stores import ObjectStorage

KEYRING = Keyring().generate("first", KeyKind.AES_256)


@pytest.fixture
def distant(backups: Backups, s3: ObjectStorage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Backups:
    """A repository in an empty bucket, of encrypted backups: what a store does with bytes, it does with any."""
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path / "cache")
    policy = backups.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1})
    return Backups(backups.directory, KEYRING, policy, open_store(s3.fresh_address()))


def large_library(server: PrivateServer) -> str:
    """Small tables that are bundled, and one of several megabytes that is not."""
    database = library(server)
    with server.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.large (id INT PRIMARY KEY, t VARCHAR(200) NOT NULL)")
        filled(session, f"{quote(database)}.large", 40_000, "n, REPEAT(SHA2(n, 256), 3)")
        session.execute(f"ANALYZE TABLE {quote(database)}.large")
    return database


def test_a_backup_is_taken_listed_proved_and_restored(server: PrivateServer, distant: Backups, tmp_path: Path) -> None:
    database, copy = large_library(server), server.fresh_database()
    entry = distant.take(server, database)
    assert distant.entries() == [entry]
    assert entry.where.startswith("s3://")
    for level in Level:
        proof = verify(entry, level, distant.keyring, unreported)
        assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
    assert [record.problem for record in entry.proofs(distant.keyring)] == [None, None]
    request = RestoreRequest(rename={database: copy}, threads=2)
    restore_into_server(entry, distant.keyring, server.root, request, unreported)
    directory = tmp_path / "restored"
    restore_into_directory(entry, distant.keyring, directory, RestoreRequest(threads=2), unreported)
    with (
        server.connect() as source,
        scratch_server(server.flavour, data_directory=directory) as restored,
        Session(restored.endpoint) as session,
    ):
        assert contents(source, copy) == contents(source, database) == contents(session, database)


def test_what_is_damaged_there_is_named_by_its_url_and_not_restored(mariadb: PrivateServer, distant: Backups) -> None:
    database, copy = large_library(mariadb), mariadb.fresh_database()
    entry = distant.take(mariadb, database)
    stored = next(each for each in entry.manifest(distant.keyring).objects if "large" in each.path)
    whole = entry.folder.read(stored.path)
    entry.folder.replace(stored.path, whole[:-1] + bytes([whole[-1] ^ 1]))
    proof = verify(entry, Level.BASIC, distant.keyring, unreported)
    assert proof.outcome is Outcome.FAILED
    assert any(entry.folder.where(stored.path) in failure for failure in proof.failures)
    request = RestoreRequest(rename={database: copy}, despite_failed_proof=True)
    with pytest.raises(DamagedError, match=stored.path):
        restore_into_server(entry, distant.keyring, mariadb.root, request, unreported)


def test_a_backup_that_fails_leaves_nothing_there(mariadb: PrivateServer, distant: Backups) -> None:
    database = large_library(mariadb)

    def fail() -> None:
        raise BackupFailedError("by the test")

    with pytest.raises(BackupFailedError):
        distant.take(mariadb, database, report=once(fail))
    assert distant.entries() == []
    assert distant.repository.store.below("") == []


def test_readers_and_deletion_get_along_there(mariadb: PrivateServer, distant: Backups) -> None:
    database = library(mariadb)
    first, second = distant.take(mariadb, database), distant.take(mariadb, database)
    stream = distant.repository.stream(first.server)
    with second.reading("restore"):
        with pytest.raises(RepositoryBusyError, match=f"restore of {second.id}"):
            stream.remove(first, patience=0)
        assert distant.take(mariadb, database).id > second.id
    stream.remove(first)
    assert [entry.problem(distant.keyring) for entry in distant.entries()] == [None, None]
    assert first.folder.below() == []
