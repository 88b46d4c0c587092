"""A physical backup passes by what was compared, and by nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.backups import verdicts
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.chunks import Chunk, end_chunk, payload_chunk
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.data_files import ranges
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level, Means, Proof, Subject
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.physical.files_data import rewritten, take_files
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

KEYS = Keyring("", ()).generate("escrow", KeyKind.AES_256)
ROWS = 20_000


@pytest.fixture(scope="module")
def taken_once(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a repository with one backup: to take it lasts longer than what is tested with it."""
    once = Backups(tmp_path_factory.mktemp("files"), KEYS)
    with mariadb_server.scope() as mariadb:
        database = mariadb.fresh_database(name="chom_test_files")
        with mariadb.connect() as session:
            session.execute(f"CREATE TABLE {database}.orders (id INT PRIMARY KEY, note VARCHAR(99), KEY (note))")
            filled(session, f"{database}.orders", ROWS, "n, SHA2(n, 256)")
            session.execute(f"CREATE TABLE {database}.older (id INT) ENGINE=MyISAM")
            session.execute(f"CREATE VIEW {database}.seen AS SELECT id FROM {database}.orders")
        take_files(once, mariadb)
    return once.directory


@pytest.fixture
def kept(taken_once: Path, tmp_path: Path) -> Backups:
    return Backups(Path(shutil.copytree(taken_once, tmp_path / "kept")), KEYS)


@pytest.fixture
def taken(kept: Backups) -> BackupEntry:
    (entry,) = kept.entries()
    return entry


def proved(entry: BackupEntry, level: Level = Level.BASIC) -> Proof:
    return verify(entry, level, KEYS, unreported, threads=2)


def test_what_was_read_to_the_last_chunk_passes(kept: Backups, taken: BackupEntry) -> None:
    proof = proved(taken)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")
    manifest = kept.manifest(taken)
    assert proof.count(Subject.OBJECTS) == len(manifest.objects)
    assert proof.count(Subject.FILES) == manifest.physical.files
    assert proof.count(Subject.ROWS) is None  # nothing is known of those


def test_a_restored_copy_is_checked_page_by_page_and_table_by_table(taken: BackupEntry) -> None:
    proof = proved(taken, Level.FULL)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")
    assert proof.count(Subject.TABLES, Means.RESTORED) == 2
    assert proof.count(Subject.ROWS, Means.RESTORED) == ROWS
    assert (proof.count(Subject.PAGES, Means.RESTORED) or 0) > 100
    assert proof.restored
    assert proof.restored.way.said == "into a private server in memory"
    assert set(proof.restored.phases) == {"unpack", "prepare", "start"}
    said = verdicts.content(proof)
    assert (said.outcome, said.reason) == (Outcome.NOT_VERIFIED, "2 tables are sound, and were compared with nothing")
    assert verdicts.tables(proof, 2).outcome is Outcome.PASSED


@pytest.mark.parametrize("level", list(Level))
def test_a_flipped_byte_fails_by_the_name_of_its_object(taken: BackupEntry, level: Level) -> None:
    part = next((path_of(taken) / "data").iterdir())
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    proof = proved(taken, level)
    assert proof.outcome is Outcome.FAILED
    assert part.name in proof.reason


def test_a_changed_guide_fails(taken: BackupEntry) -> None:
    (path_of(taken) / "RESTORE.md").write_text("rm -rf /")
    assert "RESTORE.md" in proved(taken).reason


def without_an_end(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return (chunk for chunk in chunks if not (chunk.extent.ends and chunk.extent.path == "ibdata1"))


def without_a_file(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return (chunk for chunk in chunks if not chunk.extent.path.endswith("older.MYD"))


def with_another_file(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    yield from chunks
    yield from (payload_chunk("chom_test_files/more.frm", 0, b"rows"), end_chunk("chom_test_files/more.frm", 4))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without_an_end, "ibdata1 has no end"),
        (without_a_file, "files are in the stream"),
        (with_another_file, "files are in the stream"),
    ],
)
def test_an_authentic_stream_that_is_not_whole_fails(
    kept: Backups, taken: BackupEntry, change: type[Iterator[Chunk]], why: str
) -> None:
    proof = proved(rewritten(kept, taken, change))
    assert proof.outcome is Outcome.FAILED
    assert why in proof.reason


def with_a_rotten_page(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """What a disk does under the server: the page is not what its checksum says, and all else is in order.

    It is one of a table that was not written since: else the redo log would bring the page back.
    """
    for chunk in chunks:
        if chunk.extent.path.endswith("transaction_registry.ibd") and chunk.payload:
            data = bytearray(chunk.payload)
            data[16384 * 3 + 5000] ^= 1
            yield payload_chunk(chunk.extent.path, chunk.extent.offset, bytes(data))
        else:
            yield chunk


def test_a_rotten_page_passes_as_read_and_fails_as_restored(kept: Backups, taken: BackupEntry) -> None:
    entry = rewritten(kept, taken, with_a_rotten_page)
    assert proved(entry).outcome is Outcome.PASSED
    proof = proved(entry, Level.FULL)
    assert proof.outcome is Outcome.FAILED
    assert "transaction_registry.ibd: innochecksum" in proof.reason


def with_another_page_in_the_doublewrite_buffer(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """What a busy server leaves there: a page of another file, which no restore reads."""
    place, size = 64 * 16384, 16384
    for chunk in chunks:
        begin, payload = chunk.extent.offset, chunk.payload
        if chunk.extent.path.endswith("ibdata1") and payload and begin <= place < begin + len(payload):
            data = bytearray(payload)
            data[place - begin : place - begin + size] = bytes(range(256)) * 64
            yield payload_chunk(chunk.extent.path, begin, bytes(data))
        else:
            yield chunk


def test_what_lies_in_the_doublewrite_buffer_fails_no_backup(kept: Backups, taken: BackupEntry) -> None:
    entry = rewritten(kept, taken, with_another_page_in_the_doublewrite_buffer)
    assert entry.folder.below() != taken.folder.below()
    proof = proved(entry, Level.FULL)
    assert (proof.outcome, proof.reason) == (Outcome.PASSED, "")


def test_all_other_pages_are_checked_whatever_their_size() -> None:
    shared = Path("data/ibdata1")
    assert ranges(shared, Flavour.MARIADB, 16384) == [["--end-page=63"], ["--start-page=192"]]
    assert ranges(shared, Flavour.MARIADB, 4096) == [["--end-page=255"], ["--start-page=768"]]
    assert ranges(shared, Flavour.MARIADB, 65536) == [["--end-page=63"], ["--start-page=192"]]
    assert ranges(shared, Flavour.MYSQL, 16384) == [[]]  # which has a file of its own for that buffer
    assert (
        ranges(Path("data/undo001"), Flavour.MARIADB, 16384) == ranges(Path("d/t.ibd"), Flavour.MARIADB, 4096) == [[]]
    )


def without_a_table(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """A stream whose number of files is right, and one of whose tables the server does not know."""
    for chunk in chunks:
        path = chunk.extent.path.replace("older.frm", "older.txt")
        if path == chunk.extent.path:
            yield chunk
        elif chunk.extent.ends:
            yield end_chunk(path, 0)
        else:
            yield payload_chunk(path, chunk.extent.offset, chunk.payload)


def test_a_table_that_is_not_in_the_restored_copy_fails(kept: Backups, taken: BackupEntry) -> None:
    proof = proved(rewritten(kept, taken, without_a_table), Level.FULL)
    assert proof.outcome is Outcome.FAILED
    assert "1 tables are in the restored copy, and 2 in the backup" in proof.reason


def test_files_that_no_server_starts_on_fail(kept: Backups, taken: BackupEntry) -> None:
    def change(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        return (chunk if chunk.extent.path != "ib_logfile0" else _emptied(chunk) for chunk in chunks)

    proof = proved(rewritten(kept, taken, change), Level.FULL)
    assert proof.outcome is Outcome.FAILED
    assert "it cannot be restored" in proof.reason


def _emptied(chunk: Chunk) -> Chunk:
    extent = chunk.extent
    return chunk if extent.ends else payload_chunk(extent.path, extent.offset, b"\0" * extent.length)


def test_without_a_program_for_it_a_full_verification_is_not_one(
    taken: BackupEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOM_MARIADB_BACKUP", str(tmp_path / "none"))
    proof = proved(taken, Level.FULL)
    assert proof.outcome is Outcome.NOT_VERIFIED
    assert "CHOM_MARIADB_BACKUP" in proof.reason
