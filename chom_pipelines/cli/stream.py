"""`chom stream`: archive a server's binary log continuously."""

from __future__ import annotations

import json as json_text
import logging
import os
import signal
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from chom_pipelines.binlogs.archive.archiving import LogArchive
from chom_pipelines.binlogs.streaming.connection import EVERY, Pace
from chom_pipelines.binlogs.streaming.lag import LagReport, State
from chom_pipelines.binlogs.streaming.service import Streaming
from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ConfigurationError, RepositoryError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.log_lines import SECONDS
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.files import write_file

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_FRESH = 60.0
"""Seconds after which a status that nobody writes any more says nothing about now."""

_log = logging.getLogger(__name__)


@app.command()
def stream(
    *,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="Between two parts that are kept.")] = EVERY,
    status: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the lag is told; else in $XDG_RUNTIME_DIR.", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print what a running stream tells, and end.")] = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Archive what the server writes to its binary log as it comes, until SIGTERM or Ctrl-C. Meant to be a service.

    A server that cannot be reached is waited for. The lag goes into a small JSON file, and every 30 s to stderr. With
    --show, exit code 0 where a stream follows its server, 1 where it has lost it or was stopped, 3 where it is
    silent.
    """
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    file = status or _status_file(chosen.name)
    if show:
        raise typer.Exit(_show(file, json=json))
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    repository = repository_of(inventory.repository)
    repository.create()
    archive = LogArchive(chosen, chosen.backup, repository, keyring_of(inventory.repository, chosen.backup))
    Streaming(archive, Pace(_Teller(chosen.name, file).tell, every, stopped)).run()


class _Teller:
    """Writes the status file each time, and a log line every half minute."""

    def __init__(self, server: str, file: Path | None) -> None:
        self._server, self._file = server, file
        self._logged = time.monotonic()

    def tell(self, lag: LagReport) -> None:
        """Take a report."""
        if self._file:
            try:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_file(self._file, (json_text.dumps(_document(self._server, lag), indent=1) + "\n").encode())
            except (OSError, RepositoryError) as error:  # the log is archived all the same
                _log.warning("the status cannot be written: %s", error)
        if time.monotonic() - self._logged >= SECONDS:
            self._logged = time.monotonic()
            _log.info("%s", _line(_document(self._server, lag)))


def _status_file(server: str) -> Path | None:
    directory = os.environ.get("XDG_RUNTIME_DIR")
    return Path(directory) / "chom" / server / "stream.json" if directory else None


def _document(server: str, lag: LagReport) -> dict[str, Any]:
    return {
        "server": server,
        "process": os.getpid(),
        "told": lag.told.isoformat(timespec="milliseconds"),
        "state": lag.state.value,
        "published": asdict(lag.published) if lag.published else None,
        "published_as_of": lag.as_of.isoformat(timespec="milliseconds") if lag.as_of else None,
        "server_at": asdict(lag.server) if lag.server else None,
        "lag_bytes": lag.bytes,
        "lag_seconds": round(lag.seconds, 3),
    }


def _line(status: dict[str, Any]) -> str:
    """What a status says, for people."""
    published = status["published"]
    place = f", published up to {published['file']}:{published['position']}" if published else ""
    behind = "" if status["lag_bytes"] is None else f", {output.size(status['lag_bytes'])} behind the server"
    return f"{status['state']}{place}{behind}; at stake are the last {output.duration(status['lag_seconds'])}"


def _show(file: Path | None, *, json: bool) -> int:
    """Print what is in a status file, and return the exit code."""
    if file is None:
        raise ConfigurationError("there is no $XDG_RUNTIME_DIR to look in", "name the file with --status")
    try:
        status = json_text.loads(file.read_bytes())
        age = (datetime.now(UTC) - datetime.fromisoformat(status["told"])).total_seconds()
        line, state = _line(status), State(status["state"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no status of a stream"
        raise ConfigurationError(f"{file}: {why}", "start `chom stream`, or name its file with --status") from error
    outcome = Outcome.FAILED if state in {State.LOST, State.STOPPED} else Outcome.PASSED
    if age > _FRESH and state is not State.STOPPED:
        outcome, line = Outcome.NOT_VERIFIED, f"nothing was told for {output.duration(age)}; before that: {line}"
    if json:
        output.document("stream", {"outcome": outcome.value, "age_seconds": round(age, 3), **status})
    else:
        typer.echo(line)
    return output.EXIT_CODES[outcome]
