"""Dagster at work on the demonstration: runs as a person would start them, and the UI that shows them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from chom_pipelines.demo.place import SERVER, Place
from chom_pipelines.errors import DemonstrationFailedError
from chom_pipelines.inventory.environment import POLICY, RETENTION
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.process import supervised
from chom_pipelines.server.scratch import free_port

_DEFINITIONS = ("-m", "chom_pipelines.definitions")
_USUAL_PORT = 3000
_START_SECONDS = 120.0
_POLL_SECONDS = 0.3
_END_SECONDS = 20.0
_TAIL_LINES = 25
_RUNS = """
query Runs($limit: Int!) {
  runsOrError(limit: $limit) {
    __typename
    ... on Runs { results { runId status startTime assetSelection { path } } }
  }
}
"""


def materialize(place: Place, asset: str, partition: str) -> None:
    """Have Dagster make one partition of one asset of the demonstration's server, with its checks.

    Raises DemonstrationFailedError with the end of the run's log where the run failed.
    """
    log = place.dagster / f"{asset}.log"
    log.unlink(missing_ok=True)
    selection = f"{SERVER}/{asset}"
    command = ["asset", "materialize", *_DEFINITIONS, "--select", selection, "--partition", partition]
    with _dagster(command, place, log) as process:
        code = process.wait()
    if code != 0:
        remedy = f"read {log}" if place.kept else "keep the whole log with --directory"
        raise DemonstrationFailedError(f"Dagster's run of {selection} failed:\n{_tail(log)}", remedy)


@dataclass(frozen=True)
class Ui:
    """The running UI, its process and its log."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """For a browser on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def refuse_if_it_ended(self) -> None:
        """Raise DemonstrationFailedError with the end of its log where it ended by itself."""
        if self.process.poll() is not None:
            raise DemonstrationFailedError(f"Dagster's UI ended:\n{_tail(self.log)}", "see the end of its log above")

    def succeeded(self, assets: Sequence[str], since: float) -> list[str]:
        """The ids of the runs that made these assets since then (a timestamp), as the UI itself lists them.

        Raises DemonstrationFailedError where one of them is not there, or did not succeed.
        """
        answer = self._query(_RUNS, {"limit": 25})["runsOrError"]
        found: dict[str, str] = {}
        for run in answer.get("results", ()):
            if run["status"] == "SUCCESS" and (run["startTime"] or 0) >= since:
                for key in run["assetSelection"] or ():
                    found.setdefault("/".join(key["path"]), run["runId"])
        missing = [asset for asset in assets if f"{SERVER}/{asset}" not in found]
        if missing:
            raise DemonstrationFailedError(
                f"{self.url} shows no successful run of {', '.join(missing)}", f"read {self.log}"
            )
        return [found[f"{SERVER}/{asset}"] for asset in assets]

    def _query(self, text: str, variables: Mapping[str, object]) -> dict[str, Any]:
        began = time.monotonic()
        while True:
            self.refuse_if_it_ended()
            try:
                answer = _posted(self.port, json.dumps({"query": text, "variables": variables}))
            except (OSError, HTTPException) as error:  # it is starting
                if time.monotonic() - began > _START_SECONDS:
                    what = f"{self.url} does not answer after {_START_SECONDS:.0f} s: {error}\n{_tail(self.log)}"
                    raise DemonstrationFailedError(what, "see the end of its log above") from error
                time.sleep(_POLL_SECONDS)
                continue
            if "errors" in answer:
                raise DemonstrationFailedError(
                    f"{self.url}/graphql: {answer['errors'][0]['message']}", f"read {self.log}"
                )
            return dict(answer["data"])


@contextmanager
def ui(place: Place) -> Iterator[Ui]:
    """The UI and the daemon, for the length of the block; answering comes a few seconds later."""
    port = _USUAL_PORT if _is_free(_USUAL_PORT) else free_port()
    log = place.dagster / "ui.log"
    log.unlink(missing_ok=True)
    with _dagster(["dev", *_DEFINITIONS, "--host", "127.0.0.1", "--port", str(port)], place, log) as process:
        yield Ui(port, process, log)


@contextmanager
def _dagster(command: Sequence[str], place: Place, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    # a person's BACKUP_TYPE or COMPRESSION is meant for their own backups
    inherited = {name: value for name, value in os.environ.items() if name not in {*_OVERRIDES}}
    # what Dagster leaves in TMPDIR goes with it; sockets are among that, whose paths must be short
    with claimed_directory(Path("/tmp")) as temporary:  # noqa: S108  (made by mkdtemp, 0700)
        ours = {"DAGSTER_HOME": place.dagster, "CHOM_CONFIG": place.config, "TMPDIR": temporary.path}
        running = supervised(
            [sys.executable, "-m", "dagster", *command],
            log=log,
            remove=[temporary.path],
            hold=[temporary.descriptor],
            environment=inherited | {name: str(path) for name, path in ours.items()},
        )
        with running as process:
            try:
                yield process
            finally:
                process.terminate()  # killed at once, its processes would leave their semaphores
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)


_OVERRIDES = ("CHOM_SCHEDULES", "BACKUP_TYPE", *POLICY.values(), *RETENTION.values())


def _posted(port: int, body: str) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
