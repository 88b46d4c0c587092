"""A file of the binary log that cannot be archived is told as a failure, and so is the gap that it leaves."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.streams import RESET, eventually, service
from chom_pipelines_tests.cli.setting import PASSWORD, setting
from chom_pipelines_tests.logical.taking import Backups


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_what_cannot_be_archived_fails_the_command_and_is_told(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(flavour) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made = setting(tmp_path, server)
        assert made.chom("backup", "--verification", "none") == 0
        assert made.chom("backup", "--type", "incremental") == 0
        file = Archive(server, Backups(tmp_path)).spoil()
        capsys.readouterr()
        assert made.chom("backup", "--type", "incremental") == 1
        told = capsys.readouterr().err
        assert f"{file} is not archived: " in told
        assert f"{file} is missing" in told
        code, body = made.document(capsys, "backup", "--type", "binlog")
        assert (code, len(body["archive"]["blocked"])) == (1, 1)  # again, while the server has it
        assert made.chom("backup", "--type", "binlog") == 1
        assert "nothing is closed that is not archived" not in capsys.readouterr().out
        assert made.chom("windows") == 1
        assert f"{file} is missing" in capsys.readouterr().out


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_an_open_gap_fails_each_later_archive_until_a_full_backup_ends_it(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(flavour) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made, source = setting(tmp_path, server), Archive(server, Backups(tmp_path))
        assert made.chom("backup", "--verification", "none") == 0
        source.work()
        time.sleep(2.5)  # what is archived is sure up to a second before its end: that has to be after the backup
        assert made.chom("backup", "--type", "incremental") == 0
        lost = source.files()[-1]
        source.work("FLUSH BINARY LOGS")
        source.purge()
        time.sleep(2.5)  # and what is archived after the gap, likewise, after what was before it
        assert made.chom("backup", "--type", "incremental") == 1
        for kind in ("incremental", "binlog"):
            capsys.readouterr()
            assert made.chom("backup", "--type", kind) == 1
            told = capsys.readouterr()
            assert f"gap: {lost} is missing; it stays open until a full backup is taken" in told.err
            assert "archived is everything" not in told.out
            code, body = made.document(capsys, "backup", "--type", kind)
            archive = body["archive"]
            assert (code, archive["outcome"], archive["gaps"]) == (1, "failed", [])
            assert archive["open_gaps"] == [f"{lost} is missing"]
        assert made.chom("windows") == 1
        into = ("--into-directory", str(tmp_path / "restored"), "--dry-run")
        assert made.chom("restore", "--at", "latest", *into) == 1
        refused = capsys.readouterr().err
        assert f"not all that is archived can be restored: {lost} is missing" in refused
        reached = refused.split("--before '")[1].split("'")[0]
        assert made.chom("restore", "--before", reached, *into) == 0
        capsys.readouterr()
        assert made.chom("restore", *into) == 0
        assert f": --before '{reached}' restores that as well" in capsys.readouterr().out
        _, body = made.document(capsys, "backup", "--type", "binlog")
        assert made.chom("restore", "--at", body["archive"]["until"], *into) == 1
        assert f"it is in no window: {lost} is missing" in capsys.readouterr().err
        assert made.chom("backup", "--verification", "none") == 0
        capsys.readouterr()
        assert made.chom("backup", "--type", "incremental") == 0
        told = capsys.readouterr()
        assert (lost in told.err, "archived is everything" in told.out) == (False, True)


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "by the hour"])
@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_a_log_that_was_begun_anew_is_told_by_the_first_archive_after_it(
    flavour: Flavour,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    streams: bool,
) -> None:
    with archived_server(flavour) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made, source = setting(tmp_path, server), Archive(server, Backups(tmp_path))
        assert made.chom("backup", "--verification", "none") == 0
        assert made.chom("backup", "--type", "incremental") == 0
        with service(made.config) if streams else nullcontext():
            if streams:
                source.work()
                eventually(lambda: bool(made.repository.streamed("chom", str(server.facts.server_id)).entries()))
            time.sleep(1)  # by its first second the log before it is told from this one
            source.work(RESET[flavour])
            source.work()
            if streams:
                eventually(lambda: len(made.repository.histories("chom")) == 2)
            capsys.readouterr()
            assert made.chom("backup", "--type", "incremental") == 1
            told = capsys.readouterr()
            assert told.err.count("as by RESET") == 1
            assert "archived is everything" not in told.out
            assert "since the log began anew" in told.out
            assert made.chom("backup", "--type", "incremental") == 1
            told = capsys.readouterr()
            assert told.err.count("as by RESET") == 1
            assert "it stays open until a full backup is taken" in told.err
            time.sleep(1.1)  # times in a log are cut off to whole seconds
            assert made.chom("backup", "--verification", "none") == 0
            capsys.readouterr()
            assert made.chom("backup", "--type", "incremental") == 0
            told = capsys.readouterr()
            assert ("RESET" in told.err, "archived is everything" in told.out) == (False, True)


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_who_cannot_read_the_archive_is_told_of_a_log_that_a_stream_found_begun_anew(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(flavour) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made, source = setting(tmp_path, server), Archive(server, Backups(tmp_path))
        Keyring().generate("vault", KeyKind.RSA).without_private().save(tmp_path / "keys.json")
        assert made.chom("backup", "--type", "incremental") == 0
        source.work(RESET[flavour])
        assert made.chom("backup", "--type", "incremental") == 1  # as a stream would
        capsys.readouterr()
        assert made.chom("backup", "--type", "incremental") == 3
        told = capsys.readouterr()
        assert "as by RESET" in told.err
        assert "whether a full backup was taken after it cannot be read on this machine" in told.err
        assert "archived is everything" not in told.out


def test_a_gap_that_a_full_backup_is_behind_already_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(Flavour.MARIADB) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made, source = setting(tmp_path, server), Archive(server, Backups(tmp_path))
        assert made.chom("backup", "--type", "incremental") == 0
        lost = source.files()[-1]
        source.work("FLUSH BINARY LOGS")
        source.purge()
        assert made.chom("backup", "--verification", "none") == 0
        capsys.readouterr()
        assert made.chom("backup", "--type", "incremental") == 1
        assert f"gap: {lost} is missing; a full backup was taken after it" in capsys.readouterr().err
        assert made.chom("backup", "--type", "incremental") == 0


def test_who_cannot_read_whether_a_gap_is_mended_says_so_and_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with archived_server(Flavour.MARIADB) as server:
        monkeypatch.setenv(PASSWORD, server.backup.password)
        made, source = setting(tmp_path, server), Archive(server, Backups(tmp_path))
        Keyring().generate("vault", KeyKind.RSA).without_private().save(tmp_path / "keys.json")
        assert made.chom("backup", "--verification", "none") == 0
        for _ in range(2):
            assert made.chom("backup", "--type", "incremental") == 0
        lost = source.files()[-1]
        source.work("FLUSH BINARY LOGS")
        source.purge()
        assert made.chom("backup", "--type", "incremental") == 1
        capsys.readouterr()
        assert made.chom("backup", "--type", "incremental") == 3
        told = f"gap: {lost} is missing; whether a full backup was taken after it cannot be read on this machine"
        assert told in capsys.readouterr().err
