"""Incremental backups of files: each brings the chain below it to its own moment, or nothing is restored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.imports import LOG, imported_tables
from chom_pipelines.errors import (
    BackupFailedError,
    ChainEndedError,
    DamagedError,
    KeyUnavailableError,
    RepositoryError,
    RestoreRefusedError,
    UnsupportedServerError,
)
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical import streaming
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.parents import refuse_imports
from chom_pipelines.physical.parts import PART
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.lineage import linked
from chom_pipelines.repository.listing import opened, opened_all
from chom_pipelines.repository.manifest import Coordinates, Manifest, Position, seal
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Comparison, Level, Means, Proof, Subject
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.logical.test_restore_guide import followed
from chom_pipelines_tests.physical.files_data import copying_options, restored, running, take_files
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import a_manifest
from chom_pipelines_tests.servers import PrivateServer, private_server

KEYS = Keyring("", ()).generate("escrow", KeyKind.AES_256)
WORK = (
    (
        "INSERT INTO shop.t (s) SELECT UUID() FROM shop.seq_1_to_5000",
        "DELETE FROM shop.t WHERE id % 7 = 0",
        "CREATE TABLE shop.made (id INT PRIMARY KEY AUTO_INCREMENT, s TEXT)",
        "INSERT INTO shop.made (s) SELECT UUID() FROM shop.seq_1_to_300",
        "INSERT INTO shop.plain SELECT seq FROM shop.seq_1_to_300",
        "DROP TABLE shop.dropped",
        "TRUNCATE shop.emptied",
        "CREATE DATABASE further",
        "CREATE TABLE further.f (id INT PRIMARY KEY)",
    ),
    (
        "UPDATE shop.t SET s = CONCAT(s, 'x') WHERE id % 3 = 0",
        "ALTER TABLE shop.made ADD COLUMN more INT DEFAULT 7, ADD KEY (more)",
        "RENAME TABLE shop.renamed TO shop.named",
        "CREATE TABLE shop.dropped (other INT PRIMARY KEY) ENGINE=MyISAM",
        "INSERT INTO shop.dropped VALUES (3)",
        "DROP TABLE shop.plain",
        "ALTER TABLE shop.aria ADD COLUMN more INT",
        "INSERT INTO shop.emptied VALUES (5)",
        "DROP DATABASE further",
        "CREATE VIEW shop.seen AS SELECT id FROM shop.t",
    ),
)


@dataclass(frozen=True)
class Link:
    """A backup, and what the server had then."""

    entry: BackupEntry
    sums: dict[str, object]


@dataclass(frozen=True)
class Scene:
    """A server, and a chain of three backups of it."""

    archive: Archive
    links: tuple[Link, ...]

    @property
    def backups(self) -> Backups:
        return self.archive.backups


def sums(session: Session) -> dict[str, object]:
    """What each table holds, by the server itself."""
    asked = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('shop', 'further')"
    names = [f"{database}.{name}" for database, name in session.rows(f"{asked} AND TABLE_TYPE = 'BASE TABLE'")]
    return {name: session.rows(f"CHECKSUM TABLE {name}")[0][1] for name in names}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with archived_server(Flavour.MARIADB) as server:
        policy = Backups(Path()).policy.model_copy(update={"compression": Codec.ZSTD, "level": 1})
        archive = Archive(server, Backups(tmp_path_factory.mktemp("chain"), KEYS, policy))
        archive.work("CREATE TABLE shop.large (id INT PRIMARY KEY, data LONGBLOB)")
        with server.connect() as session:
            filled(session, "shop.large", 60, "n, REPEAT(SHA2(n, 512), 8192)")
            for name in ("dropped", "emptied", "renamed"):
                session.execute(f"CREATE TABLE shop.{name} (id INT PRIMARY KEY)")
                session.execute(f"INSERT INTO shop.{name} VALUES (1), (2)")
        archive.work("CREATE TABLE shop.plain (id INT) ENGINE=MyISAM", "CREATE TABLE shop.aria (id INT) ENGINE=Aria")
        _settled(archive)
        links = [link(archive, Kind.FULL)]
        for statements in WORK:
            archive.work(*statements)
            links.append(link(archive, Kind.INCREMENTAL))
        archive.work("INSERT INTO shop.t (s) VALUES ('behind all of them')")
        archive.archive()
        yield Scene(archive, tuple(links))


def _settled(archive: Archive) -> None:
    """Have the server write its pages: what it has not written counts as changed after any backup of now."""
    with archive.server.connect() as session:
        session.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        session.execute("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0")
        deadline = time.monotonic() + 60
        while int(session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_checkpoint_age'")[0][1]) > PART // 8:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def link(archive: Archive, kind: Kind) -> Link:
    entry = take_files(archive.backups, archive.server, kind=kind)
    with archive.server.connect() as session:
        return Link(entry, sums(session))


def test_each_is_small_and_names_its_parent(scene: Scene) -> None:
    full, *others = [scene.backups.manifest(each.entry) for each in scene.links]
    assert full.raw_bytes > PART
    assert (full.parent, full.physical.base, full.physical.from_lsn) == (None, None, 0)
    for parent, manifest in zip((full, *others), others, strict=False):
        assert (manifest.parent, manifest.physical.base) == (parent.id, parent.fingerprint)
        assert manifest.physical.from_lsn == parent.physical.to_lsn
        assert manifest.raw_bytes < PART


@pytest.mark.parametrize("which", [0, 1, 2])
def test_each_restores_what_the_server_had_then(scene: Scene, tmp_path: Path, which: int) -> None:
    chosen = scene.links[which]
    found = restored(scene.backups, chosen.entry, tmp_path / "data")
    assert found.tables == len(chosen.sums)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    with running(tmp_path / "data") as copy:
        assert sums(copy) == chosen.sums


@pytest.mark.parametrize("which", [1, 2])
def test_a_proof_is_of_the_whole_chain(scene: Scene, which: int) -> None:
    manifests = [scene.backups.manifest(each.entry) for each in scene.links[: which + 1]]
    proof = verify(scene.links[which].entry, Level.FULL, KEYS, unreported, threads=2)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")
    assert proof.count(Subject.OBJECTS) == sum(len(each.objects) for each in manifests)
    assert proof.count(Subject.FILES) == sum(each.physical.files for each in manifests)


def test_the_guides_restore_it_with_stock_tools(scene: Scene, tmp_path: Path) -> None:
    for each in scene.links:
        done = followed(each.entry, "", tmp_path, KEYS)
        assert done.returncode == 0, done.stderr
    with running(tmp_path / "decoded" / "data") as copy:
        assert sums(copy) == scene.links[2].sums


@pytest.fixture
def copied(scene: Scene, tmp_path: Path) -> Scene:
    """The same in another repository, for who spoils it."""
    backups = Backups(tmp_path / "copy", KEYS, scene.backups.policy)
    shutil.copytree(scene.backups.directory, backups.directory)
    entries = {entry.id: entry for entry in backups.entries()}
    links = tuple(Link(entries[each.entry.id], each.sums) for each in scene.links)
    return Scene(Archive(scene.archive.server, backups), links)


def lose(scene: Scene) -> None:
    shutil.rmtree(path_of(scene.links[1].entry))


def lose_a_part(scene: Scene) -> None:
    min((path_of(scene.links[0].entry) / "data").iterdir()).unlink()


def flip(scene: Scene) -> None:
    part = min((path_of(scene.links[1].entry) / "data").iterdir())
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)


def edit(scene: Scene) -> None:
    path = path_of(scene.links[1].entry) / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"tables": ', b'"tables": 1'))


def take_another(scene: Scene) -> None:
    """As who has the key of that backup alone: it is sealed again, with objects that were made anew."""
    contents = FileContents.of(scene.links[1].entry, KEYS)
    first, *others = contents.manifest.objects
    changed = (type(first)(**{**vars(first), "sha256": "0" * 64}), *others)
    manifest = contents.manifest.model_copy(update={"objects": changed})
    assert contents.key
    (path_of(scene.links[1].entry) / "manifest.json").write_bytes(seal(manifest, contents.key.mac))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lose, "its parent {1} is not there"),
        (lose_a_part, "{0}/data/part.00000.zst.enc"),
        (flip, "{1}/data/part.00000.zst.enc"),
        (edit, "{1}: the manifest"),
        (take_another, "{1} is not the backup after which it was taken"),
    ],
)
def test_a_link_that_is_missing_or_altered_is_named(
    copied: Scene, tmp_path: Path, damage: Callable[[Scene], None], named: str
) -> None:
    damage(copied)
    said = named.format(*(each.entry.id for each in copied.links))
    with pytest.raises(DamagedError) as caught:
        restored(copied.backups, copied.links[2].entry, tmp_path / "restored" / "data")
    assert said in caught.value.what
    assert not list((tmp_path / "restored").glob("*"))
    proof = verify(copied.links[2].entry, Level.BASIC, KEYS, unreported, threads=2)
    assert proof.outcome is Outcome.FAILED
    assert said in proof.reason
    assert copied.links[2].entry.id not in {full.id for full in copied.archive.recoverable().fulls}
    if damage not in {lose_a_part, flip}:  # objects are looked at by who reads them
        assert said in str(copied.links[2].entry.problem(KEYS))
    with pytest.raises((DamagedError, ChainEndedError)):
        take_files(copied.backups, copied.archive.server, kind=Kind.INCREMENTAL)


def test_damage_of_one_link_is_known_of_it_and_of_all_that_build_on_it(copied: Scene, tmp_path: Path) -> None:
    full, first, last = (each.entry for each in copied.links)
    for each in (full, first, last):
        assert verify(each, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.PASSED
    flip(copied)
    assert verify(last, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.FAILED
    found = [opened(each, KEYS) for each in (full, first, last)]
    assert [each.outcome for each in found] == [Outcome.PASSED, Outcome.FAILED, Outcome.FAILED]
    assert f"{first.id}/data/part.00000" in found[1].reason
    with pytest.raises(RestoreRefusedError, match=f"{first.id} failed its basic verification"):
        restored(copied.backups, first, tmp_path / "restored" / "data")
    with pytest.raises(ChainEndedError, match=f"{last.id}, which failed: .*{first.id}/data/part.00000"):
        take_files(copied.backups, copied.archive.server, kind=Kind.INCREMENTAL)


def test_what_fails_is_known_of_backups_that_build_on_it_and_passed_before(copied: Scene, tmp_path: Path) -> None:
    full, first, last = (each.entry for each in copied.links)
    kept = path_of(first)
    saved = tmp_path / "saved"
    shutil.copytree(kept / "data", saved)
    assert verify(last, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.PASSED
    flip(copied)
    assert verify(first, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.FAILED
    assert opened(full, KEYS).outcome is Outcome.NOT_VERIFIED
    assert opened(last, KEYS).outcome is Outcome.FAILED
    with pytest.raises(RestoreRefusedError, match=f"{first.id}, on which {last.id} builds, failed"):
        restored(copied.backups, last, tmp_path / "restored" / "data")
    shutil.rmtree(kept / "data")
    shutil.copytree(saved, kept / "data")
    assert verify(last, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.PASSED
    assert [opened(each, KEYS).outcome for each in (first, last)] == [Outcome.PASSED, Outcome.PASSED]


def test_damage_that_was_read_counts_though_another_link_cannot_be_read(copied: Scene) -> None:
    full, first, last = (each.entry for each in copied.links)
    flip(copied)
    part = min((path_of(last) / "data").iterdir())
    part.unlink()
    part.mkdir()
    proof = verify(last, Level.BASIC, KEYS, unreported, threads=2)
    assert proof.outcome is Outcome.FAILED
    assert f"{first.id}/data/part.00000" in proof.reason
    assert [opened(each, KEYS).outcome for each in (full, first)] == [Outcome.NOT_VERIFIED, Outcome.FAILED]


def test_damage_is_noted_once_for_each_verification_that_finds_it(copied: Scene) -> None:
    first, last = (each.entry for each in copied.links[1:])
    before = len(last.proofs(KEYS)), len(first.proofs(KEYS))
    flip(copied)
    for _ in range(3):
        verify(last, Level.BASIC, KEYS, unreported, threads=2)
    assert (len(last.proofs(KEYS)), len(first.proofs(KEYS))) == (before[0] + 3, before[1] + 1)


def noted(entry: BackupEntry, level: Level, outcome: Outcome, proof: Proof) -> None:
    """Keep what a verification might have found a moment after `proof`."""
    key = FileContents.of(entry, KEYS).key
    failed = {"reason": "CHECK TABLE: error: Corrupt", "failures": ("CHECK TABLE: error: Corrupt",)}
    update: dict[str, object] = {"outcome": outcome, "level": level, "started": datetime.now(UTC), "backup": entry.id}
    if level is Level.FULL:
        tables = Comparison(subject=Subject.TABLES, means=Means.RESTORED, against="CHECK TABLE", count=1)
        update |= {"scratch": "MariaDB", "comparisons": (*proof.comparisons, tables)}
    entry.add_proof(proof.model_copy(update=update | (failed if outcome is Outcome.FAILED else {})), key)


def test_what_a_restore_has_shown_of_a_link_is_not_refuted_by_reading(copied: Scene, tmp_path: Path) -> None:
    full, _, last = (each.entry for each in copied.links)
    passed = verify(full, Level.BASIC, KEYS, unreported, threads=2)
    noted(full, Level.FULL, Outcome.FAILED, passed)
    assert verify(last, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.PASSED
    assert opened(last, KEYS).outcome is Outcome.FAILED
    with pytest.raises(RestoreRefusedError, match=f"{full.id}, on which {last.id} builds, failed its full"):
        restored(copied.backups, last, tmp_path / "restored" / "data")
    noted(full, Level.FULL, Outcome.PASSED, passed)
    assert opened(last, KEYS).outcome is Outcome.PASSED


def test_what_is_found_of_a_link_is_dated_by_when_its_reading_began(copied: Scene) -> None:
    full, first, last = (each.entry for each in copied.links)
    noted(first, Level.BASIC, Outcome.FAILED, verify(last, Level.BASIC, KEYS, unreported, threads=2))
    told: list[tuple[int, datetime]] = []
    verify(last, Level.BASIC, KEYS, lambda done, *_: told.append((done, datetime.now(UTC))), threads=1)
    found = first.proofs(KEYS)[-1].proof
    assert found
    assert found.outcome is Outcome.PASSED
    before = FileContents.of(full, KEYS).raw_bytes
    assert found.started < min(when for done, when in told if done > before)


def test_a_restore_refutes_that_a_link_could_not_be_read(copied: Scene) -> None:
    first, last = (each.entry for each in copied.links[1:])
    passed = verify(last, Level.BASIC, KEYS, unreported, threads=2)
    for each in (first, last):
        noted(each, Level.BASIC, Outcome.FAILED, passed)
    assert opened(last, KEYS).outcome is Outcome.FAILED
    for each in (first, last):
        noted(each, Level.FULL, Outcome.PASSED, passed)
    assert [opened(each, KEYS).outcome for each in (first, last)] == [Outcome.PASSED, Outcome.PASSED]


def test_a_forged_proof_beside_a_link_fails_all_that_build_on_it(copied: Scene, tmp_path: Path) -> None:
    full, _, last = (each.entry for each in copied.links)
    verify(full, Level.BASIC, KEYS, unreported, threads=2)
    (proof,) = (path_of(full) / "proofs").iterdir()
    proof.write_bytes(proof.read_bytes().replace(b"passed", b"failed"))
    assert verify(last, Level.BASIC, KEYS, unreported, threads=2).outcome is Outcome.FAILED
    with pytest.raises(RestoreRefusedError, match=f"{full.id}, on which {last.id} builds, has a proof that cannot"):
        restored(copied.backups, last, tmp_path / "restored" / "data")


def test_a_chain_upon_rows_is_damaged(copied: Scene) -> None:
    full, first = (copied.backups.manifest(each.entry) for each in copied.links[:2])
    rows = a_manifest().payload
    with pytest.raises(DamagedError, match="which only physical backups do"):
        linked(first, full.model_copy(update={"payload": rows}))


def test_listing_a_chain_reads_each_manifest_once(copied: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = BackupEntry.manifest

    def counted(entry: BackupEntry, keyring: Keyring | None) -> Manifest:
        read.append(entry.id)
        return whole(entry, keyring)

    monkeypatch.setattr(BackupEntry, "manifest", counted)
    entries = [each.entry for each in copied.links]
    assert [each.problem for each in opened_all(entries, KEYS)] == [None, None, None]
    assert read == [entry.id for entry in entries]


def test_without_its_key_nothing_is_taken_after_it(copied: Scene) -> None:
    others = Backups(copied.backups.directory, Keyring("", ()).generate("other", KeyKind.AES_256))
    with pytest.raises(KeyUnavailableError, match="escrow"):
        take_files(others, copied.archive.server, kind=Kind.INCREMENTAL)


def test_what_others_build_on_is_not_deleted(copied: Scene) -> None:
    stream = copied.backups.repository.stream(copied.links[0].entry.server)
    for each in copied.links[:2]:
        with pytest.raises(RepositoryError, match=f"builds on {each.entry.id}"):
            stream.remove(each.entry)
    for each in reversed(copied.links):
        stream.remove(each.entry)
    assert copied.backups.entries() == []


def test_a_chain_does_not_go_on_with_another_server(copied: Scene, mariadb: PrivateServer) -> None:
    mariadb.fresh_database()
    with pytest.raises(ChainEndedError, match="is not known to be the server of incremental_"):
        take_files(copied.backups, mariadb, kind=Kind.INCREMENTAL)
    assert len(copied.backups.entries()) == len(copied.links)


def test_without_a_physical_backup_there_is_no_incremental_one(mariadb: PrivateServer, backups: Backups) -> None:
    backups.take(mariadb, mariadb.fresh_database())
    with pytest.raises(ChainEndedError, match="has no physical backup"):
        take_files(backups, mariadb, kind=Kind.INCREMENTAL)


def test_mysql_has_none(backups: Backups) -> None:
    with (
        private_server(Flavour.MYSQL, copying_options(Flavour.MYSQL)) as server,
        pytest.raises(UnsupportedServerError, match="CLONE has no incremental backups"),
    ):
        take_files(backups, server, kind=Kind.INCREMENTAL)


def test_a_server_that_was_started_again_needs_a_full_backup_first(backups: Backups, tmp_path: Path) -> None:
    """Its binary log is elsewhere and goes on: nothing tells whether its files are still those of then."""
    logs, data = tmp_path / "logs", tmp_path / "data"
    logs.mkdir()
    options = (f"--log-bin={logs}/mysql-bin",)
    with private_server(Flavour.MARIADB) as server:
        restored(backups, take_files(Backups(tmp_path), server), data)
    with private_server(Flavour.MARIADB, options, data) as server:
        server.outlast_its_start()
        take_files(backups, server)
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
        take_files(backups, server, kind=Kind.INCREMENTAL)
    with private_server(Flavour.MARIADB, options, data) as server:
        with pytest.raises(ChainEndedError, match=r"was started since incremental_.*may have been replaced"):
            take_files(backups, server, kind=Kind.INCREMENTAL)
        server.outlast_its_start()
        take_files(backups, server)
        take_files(backups, server, kind=Kind.INCREMENTAL)


def imported(server: PrivateServer, directory: Path) -> None:
    """Put the file of `shop.a` in place of that of `shop.b`."""
    with server.connect() as session:
        session.execute("USE shop")
        base = Path(str(session.value("SELECT @@datadir"))) / "shop"
        session.execute("FLUSH TABLES a FOR EXPORT")
        for ending in (".ibd", ".cfg"):
            shutil.copy(base / f"a{ending}", directory / f"b{ending}")
        session.execute("UNLOCK TABLES")
        session.execute("ALTER TABLE b DISCARD TABLESPACE")
        for ending in (".ibd", ".cfg"):
            shutil.copy(directory / f"b{ending}", base / f"b{ending}")
        session.execute("ALTER TABLE b IMPORT TABLESPACE")


@pytest.fixture
def importing(backups: Backups) -> Iterator[PrivateServer]:
    """A server with two tables of the same definition and other rows, and a full backup."""
    with private_server(Flavour.MARIADB) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            for name in "ab":
                session.execute(f"CREATE TABLE shop.{name} (id INT PRIMARY KEY, s VARCHAR(100))")
                filled(session, f"shop.{name}", 2000, f"n, REPEAT('{name}', 90)")
        server.outlast_its_start()
        take_files(backups, server)
        yield server


def test_after_an_import_of_a_tablespace_a_full_backup_is_asked_for_and_has_its_rows(
    importing: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    imported(importing, tmp_path)
    with importing.connect() as session:
        session.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        session.execute("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0")
        deadline = time.monotonic() + 60
        while int(session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_checkpoint_age'")[0][1]) > 1000:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with pytest.raises(ChainEndedError, match=r"shop\.b got other files by IMPORT TABLESPACE since full_"):
        take_files(backups, importing, kind=Kind.INCREMENTAL)
    assert len(backups.entries()) == 1
    entry = take_files(backups, importing)
    restored(backups, entry, tmp_path / "data")
    with running(tmp_path / "data") as copy:
        assert copy.rows("SELECT LEFT(s, 1), COUNT(*) FROM shop.b GROUP BY 1") == [("a", 2000)]


def test_a_file_that_the_program_leaves_out_is_named_and_nothing_is_published(
    importing: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    tablespaces = streaming._tablespaces
    monkeypatch.setattr(streaming, "_tablespaces", lambda session: tablespaces(session) | {(9, "shop/left_out")})
    with pytest.raises(BackupFailedError, match="has left out the file of shop/left_out"):
        take_files(backups, importing)
    assert len(backups.entries()) == 1


def test_what_was_imported_is_not_known_of_a_log_that_was_purged(mariadb: PrivateServer) -> None:
    with mariadb.connect() as session:
        (file, position, *_) = session.rows("SHOW MASTER STATUS")[0]
    now = Position(file=str(file), position=int(position))
    assert imported_tables(mariadb.backup, mariadb.facts, now, now) == ()
    purged = now.model_copy(update={"file": "mysql-bin.999999"})
    parent = a_manifest().model_copy(update={"coordinates": Coordinates(end=purged)})
    with pytest.raises(ChainEndedError, match="999999 was purged"):
        refuse_imports(parent, now, mariadb.backup, mariadb.facts, LOG)
