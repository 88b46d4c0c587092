"""`main()` sets up a process: what it sets up is taken back after each test."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

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
