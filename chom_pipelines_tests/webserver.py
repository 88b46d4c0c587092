"""Dagster's webserver in a test, which starts runs at once, without a daemon."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chom_pipelines.server.process import supervised
from chom_pipelines.server.scratch import free_port
from chom_pipelines_tests.deployments import Deployment

_PATIENCE = 120.0
_INSTANCE = """
telemetry: {enabled: false}
# starts a run at once, without a daemon
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
"""


@dataclass(frozen=True)
class Served:
    """A webserver that answers."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(deployed: Deployment) -> Iterator[Served]:
    """The code location of this deployment, with a home beside its chom.yaml."""
    home, port = deployed.directory / "home", free_port()
    home.mkdir()
    (home / "dagster.yaml").write_text(_INSTANCE)
    command = [sys.executable, "-m", "dagster_webserver", "-m", "chom_pipelines.definitions", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "CHOM_CONFIG": str(deployed.config)}
    with supervised(command, log=deployed.directory / "webserver.log", environment=environment) as process:
        give_up = time.monotonic() + _PATIENCE
        while not _listens(port):
            assert time.monotonic() < give_up
            time.sleep(0.1)  # it tells nobody that it is there
        yield Served(port, process.pid)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
