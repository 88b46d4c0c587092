"""A run that is killed with -9 at any moment leaves nothing that lists and is not whole, and nothing that runs."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.proof import Level
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.taking import NAME, Backups, filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

_MARK = "CHOM_TEST_RUN"


def _configured(server: PrivateServer, backups: Backups, database: str) -> Path:
    configured = backups.inventory(server, database)
    config = backups.directory / "chom.yaml"
    config.write_text(
        f"repository: {{path: {path_of(backups.repository)}}}\n"
        "servers:\n"
        f"  - {{name: {NAME}, host: {configured.host}, port: {configured.port}, user: {configured.user}, "
        f"password: {{file: {backups.directory / 'password'}}}, databases: [{database}], "
        "backup: {verification: none, threads: 2}}\n",
    )
    return config


def _alive(mark: str) -> list[psutil.Process]:
    """The processes of these runs: other tests may have workers too."""
    return [
        process for process in psutil.process_iter(["environ"]) if (process.info["environ"] or {}).get(_MARK) == mark
    ]


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.long)])
def test_kills_at_random_moments_leave_nothing(server: PrivateServer, backups: Backups, kills: int) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        for number in range(2):
            session.execute(f"CREATE TABLE t{number} (id INT PRIMARY KEY, t VARCHAR(300) NOT NULL)")
            filled(session, f"t{number}", 40_000, "n, REPEAT(SHA2(n, 256), 4)")
        session.execute("ANALYZE TABLE t0, t1")
    backups.repository.create()
    config = _configured(server, backups, database)
    command = [str(Path(sys.executable).parent / "chom"), "backup", "--config", str(config), "--json"]
    environment = {**os.environ, _MARK: str(backups.directory)}
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    whole_run = time.monotonic() - began
    moments = random.Random(str(database))  # noqa: S311  (moments, not secrets)
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as run:
            try:
                run.wait(moments.uniform(0.1, whole_run * 1.1))
            except subprocess.TimeoutExpired:
                os.kill(run.pid, signal.SIGKILL)
        for entry in backups.entries():
            assert entry.problem(None) is None
            assert verify(entry, Level.BASIC, None, unreported).outcome is Outcome.PASSED
    _, alive = psutil.wait_procs(_alive(environment[_MARK]), timeout=30)
    assert alive == []
    listed = {entry.id for entry in backups.entries()}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    (newest,) = [entry for entry in backups.entries() if entry.id not in listed]
    assert verify(newest, Level.BASIC, None, unreported).outcome is Outcome.PASSED
    names = [path.name for path in path_of(newest).parent.iterdir() if path.is_dir()]
    assert not [name for name in names if name.startswith(".")]
    with Session(server.root) as session:  # the server holds nothing for those that were killed either
        assert session.rows("SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'chom_backup'") == []
