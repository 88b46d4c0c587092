import errno
import os
import stat
from pathlib import Path

import pytest

from chom_pipelines.errors import DiskFullError, RepositoryError
from chom_pipelines.repository import files
from chom_pipelines.repository.files import make_directory, storage_error, write_file
from chom_pipelines_tests.repository.samples import files_limited_to


def test_directories_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")] == [0o700, 0o700]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")
    with files_limited_to(2), pytest.raises(RepositoryError, match="File too large"):
        write_file(tmp_path / "a", b"newer")
    assert (tmp_path / "a").read_bytes() == b"old"
    write_file(tmp_path / "a", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "create_file", lambda _: os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(DiskFullError, match="a: No space left on device"):
        write_file(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_is_as_good_as_a_full_disk(number: int) -> None:
    error = storage_error(OSError(number, os.strerror(number)), Path("/b"))
    assert isinstance(error, DiskFullError)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENXIO])
def test_every_other_error_names_the_place_and_what_to_do(number: int) -> None:
    error = storage_error(OSError(number, os.strerror(number)), Path("/b"))
    assert not isinstance(error, DiskFullError)
    assert error.what == f"/b: {os.strerror(number)}"
    assert error.remedy
