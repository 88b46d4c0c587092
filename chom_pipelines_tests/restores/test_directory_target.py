"""A restore into a directory takes nothing away that it was not told to, and what it may take goes last."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import RestoreFailedError, RestoreRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines.restores import directory_target
from chom_pipelines.restores.directory_target import put_in_place, refuse_directory
from chom_pipelines.restores.restoring import restore_into_directory
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.samples import contents, library
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer

WITH_AND_WITHOUT_REPLACE = pytest.mark.parametrize("replace", [False, True], ids=["", "replace"])


def everything(top: Path) -> dict[str, object]:
    """Every name below, and what is in it."""
    return {str(path.relative_to(top)): content(path) for path in sorted(top.rglob("*"))}


def content(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else None


def data_directory(place: Path) -> Path:
    """What looks like one."""
    (place / "mysql").mkdir(parents=True)
    (place / "ibdata1").write_bytes(b"pages")
    return place


@WITH_AND_WITHOUT_REPLACE
@pytest.mark.parametrize("what", ["documents", "link", "dangling", "file", "almost"])
def test_what_is_no_stopped_data_directory_is_refused_and_untouched(
    tmp_path: Path, what: str, *, replace: bool
) -> None:
    target = tmp_path / "target"
    if what == "documents":
        target.mkdir()
        (target / "thesis.txt").write_text("ten years of work")
    elif what == "link":
        target.symlink_to(data_directory(tmp_path / "elsewhere"))
    elif what == "dangling":
        target.symlink_to(tmp_path / "nowhere")
    elif what == "file":
        target.write_text("a file")
    else:
        (target / "mysql").mkdir(parents=True)
    before = everything(tmp_path)
    with pytest.raises(RestoreRefusedError, match=str(target)):
        refuse_directory(target, replace=replace)
    assert everything(tmp_path) == before


@WITH_AND_WITHOUT_REPLACE
def test_a_mount_point_is_refused(*, replace: bool) -> None:
    with pytest.raises(RestoreRefusedError, match="/proc is a mount point"):
        refuse_directory(Path("/proc"), replace=replace)


@WITH_AND_WITHOUT_REPLACE
def test_a_new_name_and_an_empty_directory_are_free(tmp_path: Path, *, replace: bool) -> None:
    refuse_directory(tmp_path / "new", replace=replace)
    (tmp_path / "empty").mkdir()
    refuse_directory(tmp_path / "empty", replace=replace)


def test_a_stopped_data_directory_is_free_only_where_it_may_be_replaced(tmp_path: Path) -> None:
    target = data_directory(tmp_path / "target")
    refuse_directory(target, replace=True)
    with pytest.raises(RestoreRefusedError, match="is not empty"):
        refuse_directory(target, replace=False)


def test_the_data_directory_of_a_running_server_is_refused_whatever_the_flags(server: PrivateServer) -> None:
    with scratch_server(server.flavour) as running:
        for replace in (False, True):
            with pytest.raises(RestoreRefusedError, match=str(running.directory)):
                refuse_directory(running.directory, replace=replace)
        with Session(running.endpoint) as session:
            assert session.value("SELECT 1") == 1


def test_a_directory_in_which_somebody_works_is_refused(tmp_path: Path) -> None:
    target = data_directory(tmp_path / "target")
    command = [sys.executable, "-c", "print('here', flush=True); input()"]
    with subprocess.Popen(command, cwd=target, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(RestoreRefusedError, match=f"in use by the processes {process.pid}"):
            refuse_directory(target, replace=True)
        process.kill()
    refuse_directory(target, replace=True)


def test_the_old_one_is_removed_only_when_the_new_one_stands(tmp_path: Path) -> None:
    old, new = data_directory(tmp_path / "target"), data_directory(tmp_path / "new")
    (new / "ibdata1").write_bytes(b"newer")
    put_in_place(new, old, replace=True)
    assert (old / "ibdata1").read_bytes() == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_where_the_new_one_cannot_be_put_the_old_one_stands_again(tmp_path: Path) -> None:
    old = data_directory(tmp_path / "target")
    before = everything(tmp_path)
    with pytest.raises(RestoreFailedError, match="No such file"):
        put_in_place(tmp_path / "never was", old, replace=True)
    assert everything(tmp_path) == before


def test_a_server_that_starts_at_the_last_moment_keeps_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = data_directory(tmp_path / "target"), data_directory(tmp_path / "new")
    locked = iter([False, True])
    monkeypatch.setattr(directory_target, "_is_locked", lambda _: next(locked))
    before = everything(tmp_path)
    with pytest.raises(RestoreRefusedError, match="a server runs on"):
        put_in_place(new, old, replace=True)
    assert everything(tmp_path) == before


def test_a_restore_replaces_a_stopped_servers_directory_and_nothing_beside_it(
    server: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    database = library(server)
    entry, target = backups.take(server, database), tmp_path / "place" / "restored"
    (tmp_path / "place" / "restored.partial").mkdir(parents=True)
    (tmp_path / "place" / "restored.partial" / "mine.txt").write_text("somebody's")
    create_datadir(server_program(server.flavour), (), target)
    with pytest.raises(RestoreRefusedError, match="not empty"):
        restore_into_directory(entry, None, target, RestoreRequest(), unreported)
    restore_into_directory(entry, None, target, RestoreRequest(threads=2, replace=True), unreported)
    assert {path.name for path in (tmp_path / "place").iterdir()} == {"restored", "restored.partial"}
    assert (tmp_path / "place" / "restored.partial" / "mine.txt").read_text() == "somebody's"
    with (
        scratch_server(server.flavour, data_directory=target) as restored,
        Session(restored.endpoint) as session,
        server.connect() as source,
    ):
        assert contents(session, database) == contents(source, database)


names = st.sampled_from(["target", "target.partial", "target.replaced-0", "other", "target/thesis", "other/ibdata1"])


@given(there=st.lists(names, max_size=4, unique=True), is_data=st.booleans(), replace=st.booleans())
def test_whatever_stands_around_only_the_named_directory_changes(
    there: list[str], *, is_data: bool, replace: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        target, new = top / "target", data_directory(top / "new")
        for name in there:
            (top / name).mkdir(parents=True, exist_ok=True)
        if is_data:
            data_directory(target)
        before = everything(top)
        holds_something = target.is_dir() and any(target.iterdir())
        try:
            put_in_place(new, target, replace=replace)
        except RestoreRefusedError:
            assert everything(top) == before
            assert holds_something
            return
        assert not holds_something or (is_data and replace)
        after = everything(top)
        assert after["target/ibdata1"] == b"pages"
        others = {name for name in before if name.split("/")[0] not in {"target", "new"}}
        assert {name: after[name] for name in others} == {name: before[name] for name in others}
        assert {name.split("/")[0] for name in after} == {name.split("/")[0] for name in before} - {"new"} | {"target"}
