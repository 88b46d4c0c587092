"""Running the stock tools that are measured."""

from __future__ import annotations

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
        code = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=at_home_in(log.parent)
        ).returncode
        if code:
            raise RestoreFailedError(f"{Path(command[0]).name} ended with {code}: {_last(said)}", _BY_HAND)


def pipe(source_command: Sequence[str], sink_command: Sequence[str], log: Path) -> None:
    """Run two programs, the output of the first being the input of the second; both have to end with 0.

    Raises RestoreFailedError with what they said.
    """
    environment = at_home_in(log.parent)
    with log.open("w+b") as said:
        with (
            subprocess.Popen(source_command, stdout=subprocess.PIPE, stderr=said, env=environment) as source,
            subprocess.Popen(sink_command, stdin=source.stdout, stdout=said, stderr=said, env=environment) as sink,
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


def at_home_in(directory: Path) -> dict[str, str]:
    """Variables of a program with another home: MySQL's clients read a file of passwords there, whatever they are told.

    Nothing else of this process's that may be a secret is among them.
    """
    return {**harmless_environment(), "HOME": str(directory)}


def _last(said: IO[bytes]) -> str:
    said.seek(0)
    return " ".join(said.read().decode(errors="replace").strip().splitlines()[-1:])
