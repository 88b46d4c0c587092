"""`chom stream`: archive a server's binary log continuously."""

from __future__ import annotations

import json as json_text
import logging
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chom_pipelines.binlogs.archive.archiving import LogArchive
from chom_pipelines.binlogs.streaming.connection import EVERY, Pace
from chom_pipelines.binlogs.streaming.lag import LagReport, State
from chom_pipelines.binlogs.streaming.service import Streaming
from chom_pipelines.cli import stream_status
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ConfigurationError, RepositoryError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.log_lines import SECONDS
from chom_pipelines.repository.files import write_file

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_log = logging.getLogger(__name__)


@app.command()
def stream(
    *,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="Between two parts that are kept.")] = EVERY,
    status: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the lag is told; else in $XDG_RUNTIME_DIR. --show also looks where the systemd unit has it.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print what a running stream tells, and end.")] = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Archive what the server writes to its binary log as it comes, until SIGTERM or Ctrl-C. Meant to be a service.

    A server that cannot be reached is waited for. The lag goes into a small JSON file, and every 30 s to stderr. With
    --show, exit code 0 where a stream follows its server, 1 where it has lost it, was stopped or killed, 3 where none
    tells anything.
    """
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    if show:
        files = [status] if status else stream_status.usual_files(chosen.name)
        raise typer.Exit(stream_status.show(chosen.name, files, as_json=json))
    file = status or stream_status.own_file(chosen.name)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    repository = repository_of(inventory.repository)
    repository.create()
    archive = LogArchive(chosen, chosen.backup, repository, keyring_of(inventory.repository, chosen.backup))
    teller = _Teller(chosen.name, file)
    if status:
        teller.refuse_unwritable()
    elif not file:
        _log.info("the lag is told here alone, as $XDG_RUNTIME_DIR is not set: name a file for it with --status")
    Streaming(archive, Pace(teller.tell, every, stopped)).run()


class _Teller:
    """Writes the status file each time, and a log line every half minute."""

    def __init__(self, server: str, file: Path | None) -> None:
        self._server, self._file = server, file
        self._logged = time.monotonic()

    def refuse_unwritable(self) -> None:
        """Write a first status; raises ConfigurationError where that is not possible.

        A directory that is named and not there is a mistake: nobody would look there for the status.
        """
        what, remedy = "the status cannot be written", "name another file with --status"
        if self._file and not self._file.parent.is_dir():
            raise ConfigurationError(f"{what}: there is no directory {self._file.parent}", f"make it, or {remedy}")
        try:
            self._write(LagReport(State.CATCHING_UP, None, None, None, None, 0.0, datetime.now(UTC)))
        except (OSError, RepositoryError) as error:
            why = error.what if isinstance(error, RepositoryError) else f"{self._file}: {error.strerror}"
            raise ConfigurationError(f"{what}: {why}", remedy) from error

    def tell(self, lag: LagReport) -> None:
        """Take a report."""
        try:
            self._write(lag)
        except (OSError, RepositoryError) as error:  # the log is archived all the same
            _log.warning("the status cannot be written: %s", error)
        if time.monotonic() - self._logged >= SECONDS:
            self._logged = time.monotonic()
            _log.info("%s", stream_status.line(stream_status.document(self._server, lag)))

    def _write(self, lag: LagReport) -> None:
        if self._file:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = stream_status.document(self._server, lag)
            write_file(self._file, (json_text.dumps(status, indent=1) + "\n").encode())
