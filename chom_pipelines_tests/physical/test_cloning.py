"""Physical backups of MySQL, which its CLONE plugin copies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level, Means, Subject
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.logical.test_restore_guide import followed
from chom_pipelines_tests.physical.files_data import copying_options, restored, running, take_files
from chom_pipelines_tests.servers import PrivateServer, private_server

KEYS = Keyring("", ()).generate("escrow", KeyKind.AES_256)
ROWS = 5000


@pytest.fixture(scope="module")
def cloning() -> Iterator[PrivateServer]:
    """A MySQL with the plugin, which its package brings, and a database with some rows."""
    with private_server(Flavour.MYSQL, copying_options(Flavour.MYSQL)) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            session.execute("CREATE DATABASE empty_one")
            session.execute("CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT, KEY (note(9)))")
            filled(session, "shop.orders (note)", ROWS, "REPEAT(SHA2(n, 256), 2)")
            session.execute("CREATE VIEW shop.seen AS SELECT id FROM shop.orders")
        yield server


@pytest.fixture
def kept(backups: Backups) -> Backups:
    return Backups(backups.directory, KEYS, backups.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1}))


def test_what_was_cloned_comes_back(cloning: PrivateServer, kept: Backups, tmp_path: Path) -> None:
    entry = take_files(kept, cloning)
    manifest = kept.manifest(entry)
    assert (manifest.physical.tables, manifest.source.flavour) == (1, "mysql")
    proof = verify(entry, Level.FULL, KEYS, unreported, threads=2)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")
    assert proof.count(Subject.TABLES, Means.RESTORED) == 1
    found = restored(kept, entry, tmp_path / "data")
    assert found.databases == ("empty_one", "shop")
    asked = "SELECT COUNT(*), SUM(CRC32(note)) FROM shop.orders"
    with running(tmp_path / "data", Flavour.MYSQL) as copy, cloning.connect() as source:
        assert copy.rows(asked) == source.rows(asked)
        assert copy.value("SELECT COUNT(*) FROM shop.seen") == ROWS
        copy.execute("CREATE TABLE empty_one.more (id INT PRIMARY KEY)")
        copy.execute("DROP DATABASE empty_one")


def test_the_position_is_that_of_the_rows(cloning: PrivateServer, kept: Backups, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        with cloning.connect() as session:
            while not ended.is_set():
                session.execute("INSERT INTO shop.moving VALUES (DEFAULT)")

    with cloning.connect() as session:
        session.execute("CREATE TABLE shop.moving (id INT PRIMARY KEY AUTO_INCREMENT)")
        before = str(session.value("SELECT @@gtid_executed"))
        writer = threading.Thread(target=write)
        writer.start()
        try:
            entry = take_files(kept, cloning)
        finally:
            ended.set()
            writer.join()
        end = kept.manifest(entry).coordinates.end
        assert end is not None
        new = str(session.value(f"SELECT GTID_SUBTRACT('{end.gtid}', '{before}')"))
        session.execute("DROP TABLE shop.moving")
    first, _, last = new.rpartition(":")[2].partition("-")
    restored(kept, entry, tmp_path / "data")
    with running(tmp_path / "data", Flavour.MYSQL) as copy:
        assert copy.value("SELECT COUNT(*) FROM shop.moving") == int(last or first) - int(first) + 1 > 1


def test_the_guide_restores_with_stock_tools(cloning: PrivateServer, kept: Backups, tmp_path: Path) -> None:
    entry = take_files(kept, cloning)
    done = followed(entry, "", tmp_path, KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    with running(tmp_path / "decoded" / "data", Flavour.MYSQL) as copy:
        assert copy.value("SELECT COUNT(*) FROM shop.orders") == ROWS
