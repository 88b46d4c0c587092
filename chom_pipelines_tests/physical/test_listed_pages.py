"""The list of pages that a server had in memory is taken along where it is one, and never in the way of a backup."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chom_pipelines.physical import listed_pages
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.physical.files_data import restored, take_files
from chom_pipelines_tests.servers import private_server

NAME = "ib_buffer_pool"


def test_a_list_is_the_file_of_its_name_whatever_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed_pages, "_PIECE", 4)
    (tmp_path / NAME).write_text("0,1\n0,2\n0")
    *pieces, end = listed_pages.listed_pages(tmp_path / NAME)
    assert [(each.extent.offset, each.payload) for each in pieces] == [(0, b"0,1\n"), (4, b"0,2\n"), (8, b"0")]
    assert (end.extent.path, end.extent.offset, end.extent.ends) == (NAME, 9, True)


def linked(path: Path) -> None:
    path.with_name("secret").write_text("of somebody else")
    path.symlink_to(path.with_name("secret"))


def too_large(path: Path) -> None:
    path.touch()
    os.truncate(path, (64 << 20) + 1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (linked, "Too many levels of symbolic links"),
        (os.mkfifo, "it is not a regular file"),
        (Path.mkdir, "it is not a regular file"),
        (too_large, "it has 67108865 bytes"),
    ],
    ids=["link", "pipe", "directory", "too large"],
)
def test_what_is_no_list_is_left_out_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make: Callable[[Path], None], why: str
) -> None:
    make(tmp_path / NAME)
    assert list(listed_pages.listed_pages(tmp_path / NAME)) == []
    assert caplog.messages == [f"{NAME} is left out of the backup, and a restored server starts cold: {why}"]


def test_where_there_is_none_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert list(listed_pages.listed_pages(tmp_path / NAME)) == []
    assert caplog.messages == []


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_it_has_the_name_that_the_server_gives_it_in_its_data_directory(
    backups: Backups, tmp_path: Path, *, is_elsewhere: bool
) -> None:
    name = f"{tmp_path}/warm.list" if is_elsewhere else "warm.list"
    with private_server(Flavour.MARIADB, (f"--innodb-buffer-pool-filename={name}",)) as server:
        Path(server.facts.variables["datadir"], name).write_text("0,1\n")
        entry = take_files(backups, server)
    restored(backups, entry, tmp_path / "data")
    assert (tmp_path / "data" / "warm.list").exists() != is_elsewhere
