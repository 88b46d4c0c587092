"""Running the stock tools that are measured."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.server.process import harmless_environment

_BY_HAND = "run it by hand to see more"


def run(command: Sequence[str], log: Path) -> None:
    """Run a program, which has to end with 0; raises RestoreFailedError with the last line that it said."""
    with log.open("w+b") as said:
        with _started(command, log.parent, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as program:
            try:
                code = program.wait()
            finally:
                program.kill()
        if code:
            raise RestoreFailedError(f"{Path(command[0]).name} ended with {code}: {_last(said)}", _BY_HAND)


def pipe(source_command: Sequence[str], sink_command: Sequence[str], log: Path) -> None:
    """Run two programs, the output of the first being the input of the second; both have to end with 0.

    Raises RestoreFailedError with what they said.
    """
    with log.open("w+b") as said:
        with (
            _started(source_command, log.parent, stdout=subprocess.PIPE, stderr=said) as source,
            _started(sink_command, log.parent, stdin=source.stdout, stdout=said, stderr=said) as sink,
        ):
            try:
                if source.stdout:
                    source.stdout.close()  # so that the first one ends where the second does
                sink.wait()
            finally:
                sink.kill()
                source.wait()  # which cannot write any more
        codes = {Path(source_command[0]).name: source.returncode, Path(sink_command[0]).name: sink.returncode}
        if any(codes.values()):
            ended = ", ".join(f"{name} ended with {code}" for name, code in codes.items())
            raise RestoreFailedError(f"{ended}: {_last(said)}", _BY_HAND)


def _started(
    command: Sequence[str],
    home: Path,
    *,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes],
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(mortal(command), stdin=stdin, stdout=stdout, stderr=stderr, env=at_home_in(home))


def mortal(command: Sequence[str]) -> list[str]:
    """The command as one that the system kills when this process ends in whatever way, where setpriv is installed."""
    setpriv = shutil.which("setpriv")
    return [*((setpriv, "--pdeathsig", "KILL") if setpriv else ()), *command]


def at_home_in(directory: Path) -> dict[str, str]:
    """Variables of a program with another home: MySQL's clients read a file of passwords there, whatever they are told.

    Nothing else of this process's that may be a secret is among them.
    """
    return {**harmless_environment(), "HOME": str(directory)}


def _last(said: IO[bytes]) -> str:
    said.seek(0)
    return " ".join(said.read().decode(errors="replace").strip().splitlines()[-1:])
