"""What a stream tells of itself in its status file, and what can be said of a stream by it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from chom_pipelines.binlogs.streaming.lag import LagReport, State
from chom_pipelines.cli import output
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.outcome import Outcome

_FRESH = 60.0
"""Seconds after which a status that nobody writes any more says nothing about now."""


def own_file(server: str) -> Path | None:
    """Where a stream tells its lag if nothing is said; None: nowhere."""
    directory = os.environ.get("XDG_RUNTIME_DIR")
    return Path(directory) / "chom" / server / "stream.json" if directory else None


def usual_files(server: str) -> list[Path]:
    """Where one may tell it: also that of deploy/systemd."""
    found = [own_file(server), Path("/run") / f"chom-stream-{server}" / "stream.json"]
    return [each for each in found if each]


def document(server: str, lag: LagReport) -> dict[str, Any]:
    """The status."""
    return {
        "server": server,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "told": lag.told.isoformat(timespec="milliseconds"),
        "state": lag.state.value,
        "published": asdict(lag.published) if lag.published else None,
        "published_as_of": lag.as_of.isoformat(timespec="milliseconds") if lag.as_of else None,
        "server_at": asdict(lag.server) if lag.server else None,
        "lag_bytes": lag.bytes,
        "lag_seconds": round(lag.seconds, 3),
    }


def line(status: dict[str, Any], since: float = 0.0) -> str:
    """What a status says, for people, so many seconds after it was told."""
    published = status["published"]
    place = f", published up to {published['file']}:{published['position']}" if published else ""
    behind = "" if status["lag_bytes"] is None else f", {output.size(status['lag_bytes'])} behind the server"
    return f"{status['state']}{place}{behind}; at stake are the last {output.duration(status['lag_seconds'] + since)}"


def show(server: str, files: Sequence[Path], *, as_json: bool) -> int:
    """Print what the newest of these files tells, and return the exit code."""
    found = [status for each in files if (status := _read(each))]
    if not found:
        looked = f"neither {files[0]} nor {files[1]}" if len(files) > 1 else f"no {files[0]}"
        what = f"no stream of {server} tells anything: there is {looked}"
        remedy = "start `chom stream`, or name its file with --status"
        return _say(Outcome.NOT_VERIFIED, f"{what}; {remedy}", as_json=as_json)
    status = max(found, key=lambda each: each["told"])
    outcome, text, age = _judged(status)
    return _say(outcome, text, {"age_seconds": round(age, 3), **status}, as_json=as_json)


def _judged(status: dict[str, Any]) -> tuple[Outcome, str, float]:
    """What it says of now, and the seconds since it was told."""
    age = max((datetime.now(UTC) - datetime.fromisoformat(status["told"])).total_seconds(), 0.0)
    if status["state"] == State.STOPPED:
        return Outcome.FAILED, f"it was stopped {output.duration(age)} ago: {line(status, age)}", age
    if _is_gone(status):
        what = f"its process {status['process']} has ended without saying so, in the last {output.duration(age)}"
        return Outcome.FAILED, f"{what}; before that: {line(status, age)}", age
    if age > _FRESH:
        return Outcome.NOT_VERIFIED, f"nothing was told for {output.duration(age)}; before that: {line(status)}", age
    return Outcome.FAILED if status["state"] == State.LOST else Outcome.PASSED, line(status), age


def _is_gone(status: dict[str, Any]) -> bool:
    """Nobody runs who wrote it: known of processes of this machine alone."""
    if status.get("host") != socket.gethostname():
        return False
    try:
        os.kill(status["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is another user's
        return False
    return False


def _read(file: Path) -> dict[str, Any] | None:
    """None where it is not there."""
    try:
        status: dict[str, Any] = json.loads(file.read_bytes())
        State(status["state"])
        datetime.fromisoformat(status["told"])
        line(status)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no status of a stream"
        remedy = "run it as the user of the stream, or name another file with --status"
        raise ConfigurationError(f"{file}: {why}", remedy) from error
    return status


def _say(outcome: Outcome, text: str, more: dict[str, Any] | None = None, *, as_json: bool) -> int:
    if as_json:
        output.document("stream", {"outcome": outcome.value, "reason": text, **(more or {})})
    else:
        typer.echo(text)
    return output.EXIT_CODES[outcome]
