from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chom_pipelines.cli.main import main
from chom_pipelines_tests.servers import PrivateServer

PASSWORD = "CHOM_TEST_PASSWORD"  # the name of a variable


@pytest.fixture
def config(tmp_path: Path, server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PASSWORD, server.backup.password)
    return written(tmp_path, server)


def written(folder: Path, server: PrivateServer, **changed: object) -> Path:
    entry = {
        "name": "chom",
        "host": server.backup.host,
        "port": server.backup.port,
        "user": server.backup.user,
        "password": {"env": PASSWORD},
        "databases": [server.fresh_database()],
        **changed,
    }
    body = {"repository": {"path": str(folder / "repository")}, "servers": [entry, {**entry, "name": "second"}]}
    file = folder / "chom.yaml"
    file.write_text(yaml.safe_dump(body))
    return file


def run(*arguments: str, command: str = "check") -> int:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), *arguments])
    return int(caught.value.code or 0)


def findings(out: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(out)["findings"]
    return found


def test_what_is_sound_exits_with_0_and_every_server_is_asked(
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--config", str(config), "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["outcome"] == "passed"
    assert {finding["server"] for finding in findings(captured.out)} == {None, "chom", "second"}
    assert captured.err == ""


def test_one_server_can_be_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", str(config), "--json", "--server", "second") == 0
    assert {finding["server"] for finding in findings(capsys.readouterr().out)} == {None, "second"}


def test_a_database_that_is_missing_exits_with_1(
    tmp_path: Path,
    config: Path,
    server: PrivateServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert config.exists()
    file = written(tmp_path, server, databases=["chom_never_was"])
    assert run("--config", str(file)) == 1
    assert "chom_never_was does not exist" in capsys.readouterr().out


def test_statements_stand_alone_on_their_lines(
    tmp_path: Path,
    server: PrivateServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(PASSWORD, "p")
    with server.connect() as root:
        root.execute("CREATE USER weak@'%' IDENTIFIED BY 'p'")
        try:
            file = written(tmp_path, server, user="weak", databases=["app"])
            assert run("--config", str(file), "--server", "chom") == 1
        finally:
            root.execute("DROP USER weak@'%'")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "GRANT SHOW VIEW ON `app`.* TO `weak`@`%`;" in lines


def test_the_password_is_nowhere_in_what_is_printed(
    config: Path,
    server: PrivateServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("--config", str(config))
    run("--config", str(config), "--json")
    captured = capsys.readouterr()
    assert server.backup.password not in captured.out + captured.err


def test_an_unknown_server_exits_with_2(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", str(config), "--server", "third") == 2
    assert "chom, second" in capsys.readouterr().err


def test_who_adapts_the_addresses_of_the_example_can_check_and_back_up(
    tmp_path: Path,
    server: PrivateServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHOM_DB_PASSWORD", server.backup.password)
    body = yaml.safe_load((Path(__file__).parents[2] / "chom.example.yaml").read_text())
    body["repository"]["path"] = "repository"
    body["repository"]["encryption"]["keys"]["file"] = "keys.json"
    over_tcp, by_socket = body["servers"]
    over_tcp |= {"port": server.backup.port, "databases": [server.fresh_database()]}
    by_socket |= {"socket": server.root.socket, "user": server.root.user}
    file = tmp_path / "chom.yaml"
    file.write_text(yaml.safe_dump(body))
    assert run("--config", str(file), command="keys generate") == 0
    assert run("--config", str(file)) == 0
    for name in ("chom", "reports"):
        assert run("--config", str(file), "--server", name, command="backup") == 0
