"""The demonstration as a person runs it: in a terminal, in a pipe, interrupted, killed, and lied to."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from chom_pipelines.cli.main import main
from chom_pipelines.demo import evidence, orchestration, server
from chom_pipelines.demo.rows import create_shop
from chom_pipelines.errors import DemonstrationFailedError
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.cli.setting import Setting

CHOM = str(Path(sys.executable).with_name("chom"))
SMALLER = """
from functools import partial
from chom_pipelines.cli.main import main
from chom_pipelines.demo import server
server.create_shop = partial(server.create_shop, one_in=10)
main()
"""


@pytest.fixture
def smaller_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not depend on the number of rows."""
    monkeypatch.setattr(server, "create_shop", partial(create_shop, one_in=10))


def environment(folder: Path) -> dict[str, str]:
    """As a person's, with a PATH that marks every process of this demonstration, private servers too."""
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return inherited | {"TERM": "xterm", "COLUMNS": "100", "PATH": f"{os.environ['PATH']}:{folder}"}


def processes(folder: Path) -> list[str]:
    """The command lines of all that a demonstration in this folder started, and of itself."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue  # ended meanwhile
        if any(each.startswith(b"PATH=") and each.endswith(f":{folder}".encode()) for each in variables.split(b"\0")):
            found.append(command.replace(b"\0", b" ").decode())
    return found


@dataclass(frozen=True)
class InTerminal:
    """What a terminal showed, and the exit code."""

    folder: Path
    shown: str
    code: int


@pytest.fixture(scope="module")
def in_terminal(tmp_path_factory: pytest.TempPathFactory) -> InTerminal:
    """One whole demonstration in a terminal, of a smaller shop, ended by Enter."""
    folder = tmp_path_factory.mktemp("demo") / "place"
    terminal, side = pty.openpty()
    command = [sys.executable, "-c", SMALLER, "demo", "--directory", str(folder)]
    shown = b""
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environment(folder)) as process:
        os.close(side)
        try:
            while chunk := os.read(terminal, 4096):
                shown += chunk
                if re.search(rb"Enter or Ctrl-C[^\n]*\n$", shown):
                    os.write(terminal, b"\n")
        except OSError:  # Linux: nobody has the other side any more
            pass
        finally:
            os.close(terminal)
            code = process.wait()
    return InTerminal(folder, shown.decode(), code)


def test_in_a_terminal_it_shows_everything_and_ends_on_enter(in_terminal: InTerminal) -> None:
    assert in_terminal.code == 0, in_terminal.shown
    for text in ("order_items", "passed (basic)", "passed (full)", "Dagster's UI: http://127.0.0.1:"):
        assert text in in_terminal.shown


def test_afterwards_no_process_is_left_and_the_repository_is(in_terminal: InTerminal) -> None:
    assert processes(in_terminal.folder) == []
    assert len(Repository(LocalStore(in_terminal.folder / "repository")).backups("shop")) == 1


@pytest.mark.long
def test_a_second_run_in_the_same_folder_works_and_says_so_as_json(in_terminal: InTerminal) -> None:
    """It is of the whole shop."""
    command = [CHOM, "demo", "--directory", str(in_terminal.folder), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(in_terminal.folder))
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert (body["command"], body["outcome"], body["backup"]["outcome"]) == ("demo", "passed", "passed")
    assert [proof["level"] for proof in body["backup"]["proofs"]] == ["basic", "full"]
    assert body["restored"]["databases"] == ["shop_restored"]
    assert body["orders_meanwhile"] > 0
    assert len(body["comparisons"]) > 15
    assert len(set(body["dagster_runs"])) == 2
    assert processes(in_terminal.folder) == []
    assert len(Repository(LocalStore(in_terminal.folder / "repository")).backups("shop")) == 2


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demonstration that has its server and is about to have Dagster's run."""
    folder = tmp_path / "place"
    command = [sys.executable, "-c", SMALLER, "demo", "--directory", str(folder), "--no-ui"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment(folder)) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "chom check" in line:
                break
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long),
        (signal.SIGKILL, -9),
    ],
)
def test_however_it_is_ended_it_shows_nothing_and_leaves_nothing(
    started: subprocess.Popen[str],
    tmp_path: Path,
    number: int,
    code: int,
) -> None:
    folder = tmp_path / "place"
    while len([command for command in processes(folder) if "dagster" in command]) < 2:  # a run below its supervisor
        time.sleep(0.05)  # /proc is looked at again and again
    assert [command for command in processes(folder) if "mariadbd" in command]
    started.send_signal(number)
    out, _ = started.communicate()
    assert (started.returncode, out) == (code, "")
    while processes(folder):  # where it was killed, its supervisors still have to notice
        time.sleep(0.05)  # they are nobody's children any more, who could be waited for


@pytest.mark.usefixtures("smaller_shop")
def test_a_run_that_only_claims_to_have_worked_is_not_believed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(orchestration, "materialize", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--directory", str(tmp_path / "place"), "--no-ui"])
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there is no repository" in captured.err


@pytest.mark.usefixtures("smaller_shop")
def test_a_failed_run_shows_the_end_of_its_log(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(orchestration, "_DEFINITIONS", ("-m", "chom_pipelines.nothing"))
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--directory", str(tmp_path / "place"), "--no-ui"])
    assert caught.value.code == 1
    assert "chom_pipelines.nothing" in capsys.readouterr().err


def test_a_folder_of_something_else_is_refused_before_anything_starts(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "chom.yaml").write_text("repository: {}\n")
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--directory", str(tmp_path)])
    assert caught.value.code == 2
    assert "something else" in capsys.readouterr().err
    assert (tmp_path / "chom.yaml").read_text() == "repository: {}\n"


def test_only_a_proof_that_passed_counts(on_mariadb: Setting) -> None:
    on_mariadb.chom("backup")
    entry, keyring = on_mariadb.latest, on_mariadb.keyring
    assert evidence.passed_proof(entry, keyring, Level.BASIC).level is Level.BASIC
    with pytest.raises(DemonstrationFailedError, match="no full proof"):
        evidence.passed_proof(entry, keyring, Level.FULL)
    on_mariadb.flip_a_byte(on_mariadb.data_object())
    on_mariadb.chom("verify")
    with pytest.raises(DemonstrationFailedError, match="failed"):
        evidence.passed_proof(entry, keyring, Level.BASIC)
