"""Empty data directories: how they are made, what they take, and what making one must not touch."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from chom_pipelines.errors import ScratchServerError
from chom_pipelines.server import empty_datadirs
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.process import supervised
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import scratch_server


def test_mariadb_finds_its_redo_log_made_and_that_takes_no_room_before_it_is_written() -> None:
    with scratch_server(Flavour.MARIADB) as server:
        log = (server.directory / "ib_logfile0").stat()
        assert log.st_size == 256 << 20
        assert log.st_blocks * 512 < log.st_size // 8
        assert "Resizing redo log" not in server.log.read_text()


@pytest.mark.parametrize("around", [b"", b"x"], ids=["hole at both ends", "data at both ends"])
def test_a_file_with_holes_is_copied_as_it_is(tmp_path: Path, around: bytes) -> None:
    block = 1 << 16
    content = around + bytes(5 * block) + b"between" + bytes(3 * block) + around
    (tmp_path / "made").write_bytes(content)
    empty_datadirs._dig_holes(tmp_path / "made")
    empty_datadirs._copied_with_holes(str(tmp_path / "made"), str(tmp_path / "copy"))
    assert (tmp_path / "made").read_bytes() == (tmp_path / "copy").read_bytes() == content
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["copy", "made"]


@pytest.mark.long_on_mysql
@pytest.mark.parametrize("flavour", Flavour)
def test_no_secret_of_the_environment_reaches_what_initialises_it(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    program = server_program(flavour)

    def telling(
        command: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        noted = ["/bin/sh", "-c", f'env > {told}; exec "$@"', "sh", *command]
        return supervised(noted, log=log, environment=environment)

    monkeypatch.setattr(empty_datadirs, "supervised", telling)
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHOM_PASSWORD", "Swordfish-1")
    create_datadir(program, (), tmp_path / "data")
    assert "PATH=" in told.read_text()
    assert "Swordfish-1" not in told.read_text()


@pytest.mark.long_on_mysql
@pytest.mark.parametrize("flavour", Flavour)
def test_temporary_tables_of_other_servers_are_left_alone(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A MariaDB that starts removes what is called like one in its `tmpdir`, which is /tmp for many in production."""
    shared = tmp_path / "tmp"
    shared.mkdir()
    of_others = {f"#sql-temptable-1f-2-3.{kind}" for kind in ("MAI", "MAD", "MYI", "MYD", "frm", "ibd")}
    for name in of_others:
        (shared / name).touch()
    program = server_program(flavour)
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))
    create_datadir(program, (), tmp_path / "data")
    assert {path.name for path in shared.iterdir()} == of_others


def test_the_installation_that_a_data_directory_is_made_with_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Run as root, MariaDB's script would give the directory of its PAM plugin to root, and take it from the server."""
    installed = server_program(Flavour.MARIADB).path.resolve()
    top = tmp_path / "usr"
    for folder in ("sbin", "bin", "lib/mysql/plugin/auth_pam_tool_dir"):
        (top / folder).mkdir(parents=True)
    shutil.copy(installed, top / "sbin")
    for name in ("mariadb-install-db", "my_print_defaults", "resolveip"):
        shutil.copy(installed.parents[1] / "bin" / name, top / "bin")
    (top / "share").symlink_to(installed.parents[1] / "share")
    (top / "lib/mysql/plugin/auth_pam_tool_dir/auth_pam_tool").touch(mode=0o640)
    monkeypatch.setenv("CHOM_MARIADBD", str(top / "sbin" / installed.name))
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))
    before = [(path, path.stat()[:6]) for path in sorted((top / "lib").rglob("*"))]
    create_datadir(server_program(Flavour.MARIADB), (), tmp_path / "data")
    assert [(path, path.stat()[:6]) for path in sorted((top / "lib").rglob("*"))] == before


def test_what_stopped_the_servers_own_script_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(empty_datadirs, "_SOCKET_ONLY", {Flavour.MARIADB: b"USE nowhere;\n"})
    with pytest.raises(ScratchServerError) as caught:
        create_datadir(server_program(Flavour.MARIADB), (), tmp_path / "data")
    assert caught.value.what.count("Unknown database 'nowhere'") == 1


@pytest.mark.parametrize("advice", [0, 5, 50])
def test_each_line_of_a_complaint_is_told_once_and_none_that_says_error_is_left_out(
    tmp_path: Path, advice: int
) -> None:
    (tmp_path / "log").write_text("\n".join(["ERROR: what it was", *map("advice {}".format, range(advice))]))
    told = empty_datadirs._complaint(tmp_path / "log").splitlines()
    assert told[0] == "ERROR: what it was"
    assert len(told) == len(set(told)) == 1 + min(advice, 15)
