"""What is not exactly a backup's files in a directory never becomes a data directory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.errors import ChomError, DamagedError, RestoreRefusedError, UnsupportedBackupError
from chom_pipelines.physical.chunks import Chunk, end_chunk, payload_chunk
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.part_writer import PartStorage
from chom_pipelines.physical.serving import refuse_other_series
from chom_pipelines.physical.unpacking import unpack
from chom_pipelines.progress import unreported
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.store import Folder
from chom_pipelines.restores.data_files import plan_files
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.physical.files_data import REQUEST, restored, take_files
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

KEYS = Keyring("", ()).generate("escrow", KeyKind.AES_256)
KEY = DataKey.generate()


@pytest.fixture
def several(mariadb: PrivateServer, backups: Backups) -> tuple[Backups, Path]:
    """An encrypted backup of more than one part, and where it is."""
    kept = replace(backups, keyring=KEYS)
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.large (id INT PRIMARY KEY, data LONGBLOB)")
        filled(session, f"{database}.large", 60, "n, REPEAT(SHA2(n, 512), 8192)")
    return kept, path_of(take_files(kept, mariadb)) / "data"


def flip(parts: list[Path]) -> None:
    data = bytearray(parts[0].read_bytes())
    data[len(data) // 2] ^= 1
    parts[0].write_bytes(data)


def swap(parts: list[Path]) -> None:
    first, second = parts[0].read_bytes(), parts[1].read_bytes()
    parts[0].write_bytes(second)
    parts[1].write_bytes(first)


def cut(parts: list[Path]) -> None:
    parts[-1].write_bytes(parts[-1].read_bytes()[:-16])


def extend(parts: list[Path]) -> None:
    parts[-1].write_bytes(parts[-1].read_bytes() + b"0" * 16)


def lose(parts: list[Path]) -> None:
    parts[1].unlink()


@pytest.mark.parametrize("damage", [flip, swap, cut, extend, lose])
def test_a_damaged_backup_leaves_no_directory(
    several: tuple[Backups, Path], tmp_path: Path, damage: Callable[[list[Path]], None]
) -> None:
    kept, data = several
    damage(sorted(data.iterdir()))
    (entry,) = kept.entries()
    target = tmp_path / "restored" / "data"
    with pytest.raises(DamagedError, match=r"data/part\.0000"):
        restored(kept, entry, target)
    assert list(target.parent.glob("*")) == []


def test_nothing_that_stands_there_is_lost(several: tuple[Backups, Path], tmp_path: Path) -> None:
    kept, _ = several
    (entry,) = kept.entries()
    target = tmp_path / "data"
    (target / "mysql").mkdir(parents=True)
    (target / "ibdata1").write_bytes(b"pages")
    with pytest.raises(RestoreRefusedError, match="is not empty"):
        restored(kept, entry, target)
    assert (target / "ibdata1").read_bytes() == b"pages"
    operations, refused = plan_files(entry, KEYS, target, replace(REQUEST, replace=True))
    assert refused is None
    assert [each.action.value for each in operations] == ["create", "drop"]
    assert "1 file, " in operations[1].note


def stored(tmp_path: Path, manifest: FileContents, *parts: list[Chunk]) -> FileContents:
    """A backup of these parts, every one of them authentic."""
    folder = Folder(LocalStore(tmp_path / "store"), "source/backups/full_20260102_020000")
    folder.store.create()
    storing = PartStorage(folder, Codec.ZSTD, 1, KEY)
    objects = tuple(storing.part(number, part) for number, part in enumerate(parts))
    payload = manifest.physical.model_copy(update={"parts": tuple(each.path for each in objects)})
    update = {"objects": objects, "payload": payload}
    return FileContents(folder, manifest.manifest.model_copy(update=update), payload, KEY)


FIRST, SECOND = payload_chunk("shop/t.ibd", 0, b"0123"), payload_chunk("shop/t.ibd", 4, b"4567")
END, OTHER = end_chunk("shop/t.ibd", 8), payload_chunk("ibdata1", 0, b"pages")


@pytest.fixture(scope="module")
def sample(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> FileContents:
    """Any backup."""
    with mariadb_server.scope() as server:
        backups = Backups(tmp_path_factory.mktemp("sample"))
        return FileContents.of(take_files(backups, server), None)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([[SECOND, FIRST, END]], "a piece is missing"),
        ([[FIRST], [FIRST, SECOND, END]], "is there twice"),
        ([[FIRST, payload_chunk("shop/t.ibd", 2, b"2345"), END]], "overlaps another"),
        ([[FIRST, END], [SECOND]], "something follows its end"),
        ([[FIRST, SECOND]], "has no end"),
        ([[FIRST], [END], [OTHER]], "ibdata1 has no end"),
        ([[SECOND], [END]], "a piece is missing"),
        ([[replace(FIRST, pieces=(b"0124",)), SECOND, END]], "CRC"),
        ([[payload_chunk("../t.ibd", 0, b"0123")]], "leads elsewhere"),
        ([[payload_chunk("/etc/cron.d/t", 0, b"0123")]], "leads elsewhere"),
        ([], "there is no file in it"),
    ],
    ids=["order", "twice", "overlap", "end", "unended", "other", "hole", "crc", "up", "root", "nothing"],
)
def test_authentic_parts_that_are_not_whole_files_are_refused(
    sample: FileContents, tmp_path: Path, parts: list[list[Chunk]], why: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    if why == "CRC":
        with pytest.raises(DamagedError, match=why):
            stored(tmp_path, sample, *parts)
        return
    with pytest.raises(DamagedError, match=why):
        unpack(stored(tmp_path, sample, *parts), target, 2, unreported)
    assert not (tmp_path / "t.ibd").exists()


def test_parts_in_any_number_of_threads_are_the_files(sample: FileContents, tmp_path: Path) -> None:
    pieces = [payload_chunk("shop/t.ibd", 1000 * number, bytes([number]) * 1000) for number in range(100)]
    contents = stored(tmp_path, sample, *([piece] for piece in pieces), [end_chunk("shop/t.ibd", 100_000)])
    for threads in (1, 7):
        target = tmp_path / "target"
        target.mkdir()
        files = unpack(contents, target, threads, unreported)
        assert (set(files.paths), files.bytes) == ({"shop/t.ibd"}, 100_000)
        assert (target / "shop" / "t.ibd").read_bytes() == b"".join(piece.payload for piece in pieces)
        shutil.rmtree(target)


def test_a_link_in_the_way_is_not_followed(sample: FileContents, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "ibdata1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChomError, match="ibdata1"):
        unpack(stored(tmp_path, sample, [OTHER, end_chunk("ibdata1", 5)]), target, 1, unreported)
    assert not (tmp_path / "elsewhere").exists()


def test_programs_of_another_series_are_refused(sample: FileContents) -> None:
    source = sample.manifest.source.model_copy(update={"version": "10.6.20-MariaDB"})
    with pytest.raises(UnsupportedBackupError, match=r"has files of mariadb 10\.6, and .* is of 10\.11"):
        refuse_other_series(replace(sample, manifest=sample.manifest.model_copy(update={"source": source})))
