"""Finding programs: a name proves nothing, the answer to --version does."""

from pathlib import Path

import pytest

from chom_pipelines.errors import ProgramMissingError
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import CLIENTS, SERVERS, client_program, server_program


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; the system's folders and the cache count as empty."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("chom_pipelines.server.programs._SYSTEM_FOLDERS", ())
    return tmp_path / "bin"


@pytest.mark.parametrize("flavour", Flavour)
def test_this_machine_has_server_and_client(flavour: Flavour) -> None:
    server, client = server_program(flavour), client_program(flavour)
    assert server.flavour is client.flavour is flavour
    assert server.version >= (8, 0, 0)
    assert server.path.is_absolute()
    assert client.path.is_absolute()


def test_a_mysqld_that_is_mariadb_is_not_taken_for_mysql(only: Path) -> None:
    script(only / "mysqld", 'echo "mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"')
    assert server_program(Flavour.MARIADB).version == (10, 11, 19)
    with pytest.raises(ProgramMissingError, match="no mysql program"):
        server_program(Flavour.MYSQL)


def test_mariadb_in_the_path_of_a_mysql_program_does_not_make_it_mariadb(only: Path) -> None:
    script(only / "mysqld", 'echo "/opt/mariadb-test/mysqld  Ver 8.0.36 for Linux on x86_64 (Source distribution)"')
    assert server_program(Flavour.MYSQL).version == (8, 0, 36)


@pytest.mark.parametrize(
    "answer",
    [
        "mariadb  Ver 15.1 Distrib 11.4.5-MariaDB, for debian-linux-gnu (x86_64) using  EditLine wrapper",
        "mariadb from 11.4.5-MariaDB, client 15.2 for debian-linux-gnu (x86_64) using  EditLine wrapper",
    ],
)
def test_the_version_of_a_mariadb_client_is_the_servers_not_its_own(only: Path, answer: str) -> None:
    script(only / "mariadb", f'echo "{answer}"')
    assert client_program(Flavour.MARIADB).version == (11, 4, 5)


def test_programs_in_the_cache_are_found(only: Path, tmp_path: Path) -> None:
    found = script(tmp_path / "cache" / "mysql" / "bin" / "mysqld", 'echo "mysqld  Ver 9.7.4-2 for Linux on x86_64"')
    assert not only.exists()
    assert server_program(Flavour.MYSQL).path == found


@pytest.mark.parametrize("flavour", Flavour)
def test_a_missing_program_names_the_package_and_the_variable(only: Path, flavour: Flavour) -> None:
    assert not only.exists()
    for kind, find in ((SERVERS[flavour], server_program), (CLIENTS[flavour], client_program)):
        with pytest.raises(ProgramMissingError) as caught:
            find(flavour)
        assert kind.package in caught.value.remedy
        assert kind.variable in caught.value.remedy


def test_the_variable_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = script(tmp_path / "mine", 'echo "mariadbd  Ver 11.8.2-MariaDB for Linux on x86_64"')
    monkeypatch.setenv("CHOM_MARIADBD", str(named))
    assert server_program(Flavour.MARIADB).path == named


@pytest.mark.parametrize(
    "body",
    [
        'echo "mysqld  Ver 9.7.4 for Linux"',
        "exit 1",
        "echo nothing of the kind",
        'echo "mariadbd Ver 11.8.2-MariaDB"; exit 1',
    ],
)
def test_a_variable_that_names_something_else_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
) -> None:
    monkeypatch.setenv("CHOM_MARIADBD", str(script(tmp_path / "mine", body)))
    with pytest.raises(ProgramMissingError, match="CHOM_MARIADBD"):
        server_program(Flavour.MARIADB)


def test_a_variable_that_names_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOM_MYSQLD", str(tmp_path / "absent"))
    with pytest.raises(ProgramMissingError, match="CHOM_MYSQLD"):
        server_program(Flavour.MYSQL)
