import json
from itertools import product
from pathlib import Path

import pytest

from chom_pipelines.errors import DiskFullError, RepositoryError, StoreUnreachableError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report, unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level, Means, Subject
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_contents, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import literal, quote
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import files_limited_to
from chom_pipelines_tests.servers import PrivateServer, private_server

KEYRING = Keyring("", ()).generate("first", KeyKind.AES_256)


@pytest.fixture(params=["plain", "encrypted"])
def kept(request: pytest.FixtureRequest, backups: Backups) -> Backups:
    policy = backups.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1})
    return Backups(backups.directory, KEYRING if request.param == "encrypted" else None, policy)


@pytest.mark.parametrize(
    ("any_server", "kept", "level"),
    [*product([Flavour.MARIADB], ["plain", "encrypted"], Level), (Flavour.MYSQL, "encrypted", Level.FULL)],
    indirect=["any_server", "kept"],
)
def test_a_whole_backup_passes_and_the_proof_is_kept(server: PrivateServer, kept: Backups, level: Level) -> None:
    entry = kept.take(server, library(server))
    proof = verify(entry, level, kept.keyring, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
    assert (proof.count(Subject.TABLES), proof.count(Subject.ROWS)) == (3, 9)
    furthest = {Level.BASIC: Means.READ, Level.FULL: Means.RESTORED}[level]
    assert {each.means for each in proof.comparisons} <= {Means.READ, furthest}
    assert proof.count(Subject.DEFINITIONS, furthest)
    assert [record.proof for record in entry.proofs(kept.keyring)] == [proof]


@pytest.mark.long_on_mysql
def test_what_was_found_is_told_even_where_no_record_of_it_can_be_kept(server: PrivateServer, kept: Backups) -> None:
    entry = kept.take(server, library(server))
    with (
        files_limited_to(100),
        pytest.raises(RepositoryError, match="the basic verification passed, but the record cannot be kept"),
    ):
        verify(entry, Level.BASIC, kept.keyring, unreported)
    guide = path_of(entry) / "RESTORE.md"
    guide.write_bytes(guide.read_bytes() + b"\n")
    with (
        files_limited_to(100),
        pytest.raises(RepositoryError, match=r"the basic verification failed \(.*RESTORE.md.*\), but the record"),
    ):
        verify(entry, Level.BASIC, kept.keyring, unreported)


@pytest.mark.long_on_mysql
def test_a_flipped_byte_in_any_stored_file_fails_and_is_named(server: PrivateServer, kept: Backups) -> None:
    database = library(server)
    with server.connect() as session:  # a table that is not bundled
        session.execute(f"USE {quote(database)}")
        session.execute(f"CREATE TABLE {quote(database)}.large (id INT PRIMARY KEY, t VARCHAR(200) NOT NULL)")
        filled(session, f"{quote(database)}.large", 40_000, "n, REPEAT(SHA2(n, 256), 3)")
        session.execute(f"ANALYZE TABLE {quote(database)}.large")
    entry = kept.take(server, database)
    verify(entry, Level.BASIC, kept.keyring, unreported)
    files = sorted(path for path in path_of(entry).rglob("*") if path.is_file())
    names = {str(path.relative_to(path_of(entry))) for path in files}
    assert {"manifest.json", "RESTORE.md"} < names
    assert {name.partition("/")[0] for name in names} == {"data", "schema", "proofs", "manifest.json", "RESTORE.md"}
    assert any("bundle" in name for name in names)
    assert any("large" in name for name in names)
    for path in files:
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0x20]) + whole[middle + 1 :])
        proof = verify(entry, Level.BASIC, kept.keyring, unreported)
        path.write_bytes(whole)
        assert proof.outcome is Outcome.FAILED, path
        expected = path_of(entry) if path.name == "manifest.json" else path
        assert any(str(expected) in failure for failure in proof.failures), (path, proof.failures)
    assert verify(entry, Level.BASIC, kept.keyring, unreported).outcome is Outcome.PASSED


def test_a_missing_and_a_truncated_object_are_named(mariadb: PrivateServer, kept: Backups) -> None:
    entry = kept.take(mariadb, library(mariadb))
    path = next((path_of(entry) / "data").iterdir())
    whole = path.read_bytes()
    path.unlink()
    assert any(path.name in failure for failure in verify(entry, Level.BASIC, kept.keyring, unreported).failures)
    path.write_bytes(whole[:-3])
    proof = verify(entry, Level.BASIC, kept.keyring, unreported)
    assert any(path.name in failure for failure in proof.failures)
    objects = len(entry.manifest(kept.keyring).objects)
    assert (proof.count(Subject.OBJECTS), proof.count(Subject.TABLES), proof.count(Subject.ROWS)) == (objects - 1, 0, 0)


@pytest.mark.parametrize(
    "error", [StoreUnreachableError("gone", ""), DiskFullError("full", ""), RepositoryError("stale file handle", "")]
)
def test_a_store_that_fails_during_the_restore_leaves_the_question_open(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, error: RepositoryError
) -> None:
    entry = backups.take(mariadb, library(mariadb))

    def failing(*_: object) -> RestoreResult:
        raise error

    monkeypatch.setattr("chom_pipelines.proofs.full.restore_contents", failing)
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.reason, proof.failures) == (Outcome.NOT_VERIFIED, error.what, ())


def test_without_the_key_nothing_is_verified_and_nothing_passes(mariadb: PrivateServer, backups: Backups) -> None:
    entry = Backups(backups.directory, KEYRING, backups.policy).take(mariadb, library(mariadb))
    other = Keyring("", ()).generate("first", KeyKind.AES_256)
    for keyring in (None, other):
        proof = verify(entry, Level.FULL, keyring, unreported)
        assert proof.outcome is Outcome.NOT_VERIFIED
        assert "first" in proof.reason


def test_a_manifest_of_the_future_is_not_guessed_at(mariadb: PrivateServer, backups: Backups) -> None:
    entry = backups.take(mariadb, library(mariadb))
    manifest = path_of(entry) / "manifest.json"
    body = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**body, "format": 99}))
    proof = verify(entry, Level.BASIC, None, unreported)
    assert proof.outcome is not Outcome.PASSED
    assert "format 99" in proof.reason


def test_a_full_proof_fails_where_the_restored_copy_differs(
    server: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is changed behind the proof's back between the restore and the comparison."""
    database = library(server)
    entry = backups.take(server, database)

    def unfaithful(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
        result = restore_contents(contents, target, request, report)
        with Session(target) as session:
            session.execute(f"UPDATE {quote(database)}.books SET summary = 'x' WHERE id = 2")
            session.execute(f"DELETE FROM {quote(database)}.notes LIMIT 1")
            session.execute(f"DROP TRIGGER {quote(database)}.on_book")
            session.execute(f"DELETE FROM {quote(database)}.authors WHERE id > 1")
            session.execute(f"ALTER TABLE {quote(database)}.authors AUTO_INCREMENT = 2")
        return result

    monkeypatch.setattr("chom_pipelines.proofs.full.restore_contents", unfaithful)
    proof = verify(entry, Level.FULL, None, unreported)
    assert proof.outcome is Outcome.FAILED
    assert any("AUTO_INCREMENT is" in failure for failure in proof.failures)
    assert {failure.split(":")[0] for failure in proof.failures} == {
        f"table {database}.authors",
        f"table {database}.books",
        f"table {database}.notes",
        f"trigger {database}.on_book",
    }


@pytest.mark.long_on_mysql
def test_a_private_server_without_room_proves_nothing(server: PrivateServer, backups: Backups) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute("SET SESSION max_heap_table_size = 67108864")
        session.execute(
            f"CREATE TABLE {quote(database)}.m (id INT PRIMARY KEY, t CHAR(200)) CHARSET=latin1 ENGINE=MEMORY"
        )
        filled(session, f"{quote(database)}.m", 100_000, "n, 'x'")
    proof = verify(backups.take(server, database), Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.NOT_VERIFIED, ())
    assert "is full" in proof.reason


@pytest.mark.long_on_mysql
def test_a_backup_of_nothing_is_restored_and_not_verified(server: PrivateServer, backups: Backups) -> None:
    with private_server(server.flavour) as empty:
        entry = backups.take(empty)
        assert verify(entry, Level.BASIC, None, unreported).outcome is Outcome.PASSED
        proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.reason) == (Outcome.NOT_VERIFIED, "there is nothing in it that a restore could show")


def test_without_a_server_program_a_full_proof_is_not_verified(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = backups.take(mariadb, library(mariadb))
    monkeypatch.setenv("CHOM_MARIADBD", str(tmp_path / "no-such-program"))
    proof = verify(entry, Level.FULL, None, unreported)
    assert proof.outcome is Outcome.NOT_VERIFIED
    assert "no-such-program" in proof.reason


@pytest.mark.parametrize("flavour", Flavour)
def test_a_copy_never_writes_where_its_original_keeps_its_files(
    flavour: Flavour, backups: Backups, tmp_path: Path
) -> None:
    place = tmp_path / "large disk"
    place.mkdir()
    options = [] if flavour is Flavour.MARIADB else [f"--innodb-directories={place}"]
    comment = f"DATA DIRECTORY='{place}' is only said here"
    with private_server(flavour, options) as server:
        database, copy = server.fresh_database(), server.fresh_database()
        with server.connect() as session:
            session.execute(f"USE {quote(database)}")
            session.execute(f"CREATE TABLE t (id INT PRIMARY KEY) DATA DIRECTORY='{place}'")
            session.execute(
                f"CREATE TABLE p (id INT PRIMARY KEY COMMENT {literal(comment)}) PARTITION BY RANGE (id) "
                f"(PARTITION a VALUES LESS THAN (5) DATA DIRECTORY='{place}', PARTITION b VALUES LESS THAN (9))"
            )
            session.execute("INSERT INTO t VALUES (1), (2)")
            session.execute("INSERT INTO p VALUES (1), (7)")
        entry = backups.take(server, database)
        before = sorted(place.rglob("*"))
        assert len(before) >= 3
        proof = verify(entry, Level.FULL, None, unreported)
        assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
        request = RestoreRequest(rename={database: copy}, threads=2)
        result = restore_into_server(entry, None, server.root, request, unreported)
        assert f"not where their definitions say: table {database}.p, table {database}.t" in result.warnings[0]
        assert sorted(place.rglob("*")) == before
        with server.connect() as session:
            assert session.rows(f"SELECT id FROM {quote(copy)}.p ORDER BY id") == [(1,), (7,)]
            assert comment in str(session.rows(f"SHOW FULL COLUMNS FROM {quote(copy)}.p"))
