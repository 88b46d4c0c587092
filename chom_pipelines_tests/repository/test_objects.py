import os
import resource
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import (
    DamagedError,
    DiskFullError,
    KeyUnavailableError,
    ObjectExistsError,
    RepositoryError,
)
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.local_upload import LocalUpload
from chom_pipelines.repository.objects import ObjectWriter, StoredObject, read_object
from chom_pipelines.repository.store import Capabilities, Folder
from chom_pipelines_tests.repository.samples import KEY, binary, codecs, data_keys, files_limited_to
from chom_pipelines_tests.repository.samples import stored as stored_object

EVERY_CODEC = pytest.mark.parametrize("codec", Codec)
WITH_AND_WITHOUT_KEY = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])


def folder_of(directory: Path) -> Folder:
    """A directory as the folder of a backup."""
    return Folder(LocalStore(directory.parent), directory.name)


def store(root: Path, raw: bytes, codec: Codec = Codec.ZSTD, key: DataKey | None = None) -> StoredObject:
    with ObjectWriter(folder_of(root), "data/a", codec, 3, key) as writer:
        writer.write(raw)
    return writer.close()


def read(root: Path, stored: StoredObject, key: DataKey | None = None) -> bytes:
    return b"".join(read_object(folder_of(root), stored, key))


@given(codecs, data_keys, st.lists(binary, max_size=8))
def test_what_was_written_is_read_whatever_the_writes(codec: Codec, key: DataKey | None, writes: list[bytes]) -> None:
    with TemporaryDirectory() as name:
        root = Path(name)
        with ObjectWriter(folder_of(root), "data/a", codec, 3, key) as writer:
            for number, data in enumerate(writes):
                writer.write(memoryview(data) if number % 2 else data)
        stored = writer.close()
        assert read(root, stored, key) == b"".join(writes)
        assert stored.raw_bytes == writer.raw_bytes == sum(map(len, writes))
        assert stored.bytes == (root / stored.path).stat().st_size


@EVERY_CODEC
@WITH_AND_WITHOUT_KEY
def test_the_path_tells_how_to_read_it(tmp_path: Path, codec: Codec, key: DataKey | None) -> None:
    stored = store(tmp_path, b"x", codec, key)
    assert stored.path == "data/a" + codec.suffix + (".enc" if key else "")
    assert (stored.mac is None) == (key is None)


def test_objects_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store(tmp_path, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "data/a.zst").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@EVERY_CODEC
@WITH_AND_WITHOUT_KEY
def test_every_flipped_byte_is_found_and_the_object_named(tmp_path: Path, codec: Codec, key: DataKey | None) -> None:
    stored = store(tmp_path, b"1\thello\n2\tworld\n", codec, key)
    file = tmp_path / stored.path
    whole = file.read_bytes()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        file.write_bytes(flipped)
        with pytest.raises(DamagedError, match=f"{file}: its SHA-256 is [0-9a-f]{{12}}…, {stored.sha256[:12]}…"):
            read(tmp_path, stored, key)


@given(codecs, data_keys, binary, st.data())
def test_every_truncation_is_found(codec: Codec, key: DataKey | None, raw: bytes, data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        stored = store(Path(name), raw, codec, key)
        if stored.bytes:
            size = data.draw(st.integers(0, stored.bytes - 1))
            os.truncate(Path(name, stored.path), size)
            with pytest.raises(DamagedError, match=f"it has {size} bytes, {stored.bytes} were stored"):
                read(Path(name), stored, key)


@EVERY_CODEC
@WITH_AND_WITHOUT_KEY
def test_bytes_after_the_end_are_found(tmp_path: Path, codec: Codec, key: DataKey | None) -> None:
    stored = store(tmp_path, b"x", codec, key)
    with (tmp_path / stored.path).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(DamagedError, match="bytes"):
        read(tmp_path, stored, key)


@EVERY_CODEC
@WITH_AND_WITHOUT_KEY
@pytest.mark.parametrize("raw_bytes", [0, 99, 101])
def test_another_number_of_bytes_than_was_written_is_found(
    tmp_path: Path, codec: Codec, key: DataKey | None, raw_bytes: int
) -> None:
    stored = replace(store(tmp_path, b"x" * 100, codec, key), raw_bytes=raw_bytes)
    with pytest.raises(DamagedError, match=f"bytes, {raw_bytes} were written"):
        read(tmp_path, stored, key)


@WITH_AND_WITHOUT_KEY
def test_a_missing_object_is_named(tmp_path: Path, key: DataKey | None) -> None:
    stored = store(tmp_path, b"x", key=key)
    (tmp_path / stored.path).unlink()
    with pytest.raises(DamagedError, match=f"{stored.path}: No such file"):
        read(tmp_path, stored, key=key)


def test_a_directory_in_place_of_an_object_is_named(tmp_path: Path) -> None:
    stored = store(tmp_path, b"x")
    (tmp_path / stored.path).unlink()
    (tmp_path / stored.path).mkdir()
    with pytest.raises(DamagedError, match=stored.path):
        read(tmp_path, stored)


def test_two_objects_that_were_swapped_are_found(tmp_path: Path) -> None:
    first = store(tmp_path, b"xx", key=KEY)
    with ObjectWriter(folder_of(tmp_path), "data/b", Codec.ZSTD, 3, KEY) as writer:
        writer.write(b"yy")
    second = replace(writer.close(), path=first.path)
    (tmp_path / writer.close().path).replace(tmp_path / first.path)
    with pytest.raises(DamagedError, match=first.path):
        read(tmp_path, first, key=KEY)
    with pytest.raises(DamagedError, match=first.path):  # even where the manifest had been changed to fit
        read(tmp_path, second, key=KEY)


def test_an_object_that_was_forged_with_its_hash_is_found_by_its_mac(tmp_path: Path) -> None:
    stored = store(tmp_path, b"x" * 100, key=KEY)
    (tmp_path / "other").mkdir()
    forged = store(tmp_path / "other", b"y" * 100, key=DataKey.generate())
    (tmp_path / "other" / forged.path).replace(tmp_path / stored.path)
    for mac in (stored.mac, forged.mac, None, ""):
        with pytest.raises(DamagedError, match="MAC"):
            read(tmp_path, replace(forged, mac=mac), key=KEY)


def test_a_damaged_end_is_found_before_the_first_byte_is_used(tmp_path: Path) -> None:
    raw = os.urandom(3 << 20)
    stored = store(tmp_path, raw)
    with (tmp_path / stored.path).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    with pytest.raises(DamagedError):
        next(read_object(folder_of(tmp_path), stored, None))


@pytest.mark.parametrize("codec", [codec for codec in Codec if codec is not Codec.NONE])
def test_an_object_of_another_codec_is_damaged(tmp_path: Path, codec: Codec) -> None:
    with pytest.raises(DamagedError, match=f"data/a: the {codec.value} data is (corrupt|cut short)"):
        read(tmp_path, replace(store(tmp_path, b"plain text", Codec.NONE), codec=codec))


def test_an_encrypted_object_without_its_key_is_not_damaged_but_locked(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="encrypted"):
        read(tmp_path, store(tmp_path, b"x", key=KEY))


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "data/../../a", "", ".", "data//a", "a\0", "\ud800"])
def test_no_path_leads_out_of_the_backup(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    with pytest.raises(DamagedError, match="is no path of an object"):
        read(root, stored_object(path))
    with pytest.raises(RepositoryError, match="cannot be the name of an object"):
        ObjectWriter(folder_of(root), path, Codec.NONE, 3, None)
    assert not root.exists()


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> None:
        with ObjectWriter(folder_of(tmp_path), "data/a", Codec.ZSTD, 3, None) as writer:
            writer.write(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert list((tmp_path / "data").iterdir()) == []


def test_an_object_is_never_written_over(tmp_path: Path) -> None:
    stored = store(tmp_path, b"first")
    with pytest.raises(ObjectExistsError, match="is there already"):
        store(tmp_path, b"second")
    assert read(tmp_path, stored) == b"first"


def test_an_aborted_object_can_be_written_again(tmp_path: Path) -> None:
    ObjectWriter(folder_of(tmp_path), "data/a", Codec.ZSTD, 3, None).abort()
    assert read(tmp_path, store(tmp_path, b"again")) == b"again"


def test_a_full_disk_is_called_so_and_leaves_no_file(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    writer = ObjectWriter(folder_of(tmp_path), "data/a", Codec.NONE, 3, None)
    assert isinstance(writer._upload, LocalUpload)
    os.dup2(full, writer._upload._descriptor)
    os.close(full)
    with pytest.raises(DiskFullError, match="data/a: No space left on device"):
        writer.write(b"x")
    assert list((tmp_path / "data").iterdir()) == []


@WITH_AND_WITHOUT_KEY
@pytest.mark.parametrize("size", [0, 1000, 100_000])
def test_a_limit_on_the_size_of_files_is_called_so_and_leaves_no_file(
    tmp_path: Path, key: DataKey | None, size: int
) -> None:
    with files_limited_to(size), pytest.raises(RepositoryError, match=r"File too large\n.*ulimit"):
        store(tmp_path, os.urandom(150_000), key=key)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(RepositoryError, match=r"data/a\.zst: File exists"):
        store(tmp_path, b"x")


def test_a_repository_that_was_removed_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="No such file"):
        store(tmp_path / "removed" / "backup", b"x")
    assert list(tmp_path.iterdir()) == []


@WITH_AND_WITHOUT_KEY
def test_what_is_changed_between_the_check_and_the_use_is_found(tmp_path: Path, key: DataKey | None) -> None:
    stored = store(tmp_path, b"1" * 5_000_000, Codec.NONE, key)
    pieces = read_object(folder_of(tmp_path), stored, key)
    next(pieces)
    with (tmp_path / stored.path).open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"2" * 16)
    with pytest.raises(DamagedError, match=f"{stored.path}: it was changed while it was read"):
        list(pieces)


def test_one_key_never_encrypts_two_objects_alike(tmp_path: Path) -> None:
    one, other = (store(tmp_path / name, b"x" * 100, Codec.NONE, KEY) for name in ("a", "b"))
    assert (tmp_path / "a" / one.path).read_bytes() != (tmp_path / "b" / other.path).read_bytes()


class Distant(LocalStore):
    """A store in which nothing can be read again for free."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(rereads=False, locks_all_machines=False)

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        opened.append(name)
        return super().open(name, start, length)


opened: list[str] = []


@WITH_AND_WITHOUT_KEY
def test_what_is_far_away_is_read_once_and_checked_before_it_is_used(tmp_path: Path, key: DataKey | None) -> None:
    raw = os.urandom(3 << 20)
    stored = store(tmp_path, raw, key=key)
    far = Folder(Distant(tmp_path.parent), tmp_path.name)
    opened.clear()
    assert b"".join(read_object(far, stored, key)) == raw
    assert len(opened) == 1
    with (tmp_path / stored.path).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0\0")
    with pytest.raises(DamagedError, match=stored.path):
        next(read_object(far, stored, key))


def test_an_object_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    stored = store(tmp_path, b"x")
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        with pytest.raises(RepositoryError, match="Too many open files") as caught:
            read(tmp_path, stored)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    assert not isinstance(caught.value, DamagedError)


def test_many_writes_make_one_object(tmp_path: Path) -> None:
    with ObjectWriter(folder_of(tmp_path), "data/a", Codec.NONE, 3, KEY) as writer:
        block = os.urandom(1 << 20)
        for _ in range(20):
            writer.write(block)
    assert read(tmp_path, writer.close(), KEY) == block * 20
