"""`main()` sets up a process: what it sets up is taken back after each test."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.cli.restore_options import PASSWORD as RESTORE_PASSWORD
from chom_pipelines_tests.cli.accidents import BOSS, with_accident
from chom_pipelines_tests.cli.setting import PASSWORD, Setting, setting
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers, terminate = root.level, list(root.handlers), signal.getsignal(signal.SIGTERM)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    signal.signal(signal.SIGTERM, terminate)


@pytest.fixture
def on_both(tmp_path: Path, server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A small database on each family in turn."""
    monkeypatch.setenv(PASSWORD, server.backup.password)
    return setting(tmp_path, server)


@pytest.fixture
def on_mariadb(tmp_path: Path, mariadb: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A small database, where the family does not matter."""
    monkeypatch.setenv(PASSWORD, mariadb.backup.password)
    return setting(tmp_path, mariadb)


@pytest.fixture
def on_mysql(tmp_path: Path, mysql: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A small database, where it has to be MySQL."""
    monkeypatch.setenv(PASSWORD, mysql.backup.password)
    return setting(tmp_path, mysql)


@pytest.fixture(scope="module")
def emptied(any_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """A full backup, more rows, then an accident, and an archive of all of it; for who adds nothing to that."""
    with any_server.scope() as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv(PASSWORD, server.backup.password)
        yield with_accident(setting(tmp_path_factory.mktemp("emptied"), server))


@pytest.fixture
def emptied_anew(on_both: Setting, capsys: pytest.CaptureFixture[str]) -> Setting:
    """The same, for who does."""
    made = with_accident(on_both)
    capsys.readouterr()
    return made


@pytest.fixture
def boss(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with server.connect() as root:
        root.execute(f"CREATE USER {BOSS}@'%' IDENTIFIED BY 'boss password'")
        root.execute(f"GRANT ALL ON *.* TO {BOSS}@'%' WITH GRANT OPTION")
        monkeypatch.setenv(RESTORE_PASSWORD, "boss password")
        yield BOSS
        root.execute(f"DROP USER {BOSS}@'%'")
