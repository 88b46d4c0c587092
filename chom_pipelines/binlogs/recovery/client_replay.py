"""Replay through the clients: the log as SQL, in one session, into a server that nobody else uses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from chom_pipelines.binlogs.recovery.replica import shown_error
from chom_pipelines.binlogs.recovery.spool import LogFile
from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.option_file import write_option_file
from chom_pipelines.server.process import harmless_environment
from chom_pipelines.server.programs import binlog_program, client_program

_END = "the replay has ended"
_FAILED_AT = re.compile(r"^ERROR \d+.*? at line (\d+)", re.MULTILINE)
_PLACE = re.compile(rb"# at (\d+)\n")


def replay_by_client(
    files: Sequence[LogFile], target: Endpoint, flavour: Flavour, private: Path, report: Callable[[int], None]
) -> None:
    """Replay files of one binary log in their order; `report` is told how many are done.

    One session has all of them, as temporary tables and variables outlive a file. `private` is a directory of ours. It
    returns only where the server has executed every statement: the last one is ours, and its answer is waited for.

    Raises RestoreFailedError with the event that failed, ProgramMissingError; the target is then of no use.
    """
    options = private / "replay.cnf"
    write_option_file(options, target, flavour)
    command = [
        *(str(client_program(flavour).path), f"--defaults-file={options}", "--binary-mode", "--batch"),
        *("--skip-column-names", "--max-allowed-packet=1G", "--local-infile=1"),
    ]
    answer, errors = private / "replay.out", private / "replay.err"
    with answer.open("wb") as out, errors.open("wb") as err:
        session = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=harmless_environment(), bufsize=0
        )
    with session:
        try:
            for done, file in enumerate(files):
                if not _fed(file, flavour, private, session):
                    break  # the session has ended, and says why
                report(done + 1)
            if session.stdin:
                with suppress(BrokenPipeError):
                    session.stdin.write(f"\nSELECT '{_END}';\n".encode())
                with suppress(BrokenPipeError):
                    session.stdin.close()
            if session.wait() or _END not in answer.read_text(errors="replace"):
                raise _failure(files, flavour, private, errors.read_text(errors="replace"))
        finally:
            session.kill()  # at the end of its input it would execute the half of a statement


def _fed(file: LogFile, flavour: Flavour, private: Path, session: subprocess.Popen[bytes]) -> bool:
    """Send a file's statements to the session; whether it was still there to take all of them."""
    reading = subprocess.run(
        _reader(file, flavour, private),
        check=False,
        stdout=session.stdin,
        stderr=subprocess.PIPE,
        env=harmless_environment(),
    )
    if reading.returncode == 0:
        return True
    with suppress(subprocess.TimeoutExpired):
        session.wait(1)
        return False
    session.kill()
    said = reading.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {reading.returncode}"]
    raise RestoreFailedError(
        f"{file.path.name} cannot be read to its end: {said[0]}", "verify the archive: chom verify"
    )


def _reader(file: LogFile, flavour: Flavour, private: Path) -> list[str]:
    """What LOAD DATA has loaded is written to files of its own, which the session reads."""
    places = {"start": file.start, "stop": file.stop}
    positions = [f"--{end}-position={position}" for end, position in places.items() if position is not None]
    program = str(binlog_program(flavour).path)
    return [program, "--no-defaults", f"--local-load={private}", *positions, str(file.path)]


def _failure(files: Sequence[LogFile], flavour: Flavour, private: Path, said: str) -> RestoreFailedError:
    lines = [line for line in said.splitlines() if line.strip()]
    text = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "it ended without a word")
    found = _FAILED_AT.search(said)
    where = _event_at(files, flavour, private, int(found[1])) if found else "an unknown event"
    what = f"the replay failed at {where}: {shown_error(text, flavour)}"
    return RestoreFailedError(what, "restore to a place before it, with --before")


def _event_at(files: Sequence[LogFile], flavour: Flavour, private: Path, line: int) -> str:
    """The event from which a line of the replayed text was made."""
    seen, place = 0, "the beginning"
    for file in files:
        with subprocess.Popen(
            _reader(file, flavour, private),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=harmless_environment(),
        ) as reading:
            for text in reading.stdout or ():
                seen += 1
                if found := _PLACE.fullmatch(text):
                    place = f"{file.path.name}:{int(found[1])}"
                if seen >= line:
                    reading.kill()
                    return place
    return place
