"""Child processes that cannot outlive the work they were started for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_END_SECONDS = 60  # a killed server holds its memory and files a moment longer; a large directory takes time to remove


_HARMLESS = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def harmless_environment() -> dict[str, str]:
    """Of this process's variables those that a database server needs: the others may hold passwords and keys."""
    return {name: os.environ[name] for name in _HARMLESS if name in os.environ}


@contextmanager
def supervised(
    command: Sequence[str],
    *,
    log: Path,
    remove: Sequence[Path] = (),
    hold: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, in a session of its own, output appended to `log`.

    However the block or this process ends, `kill -9` included, the command is killed, then the directories in `remove`
    are removed, unless the command had ended by itself: they hold its log. The yielded process ends when the command
    does, with its exit code (128 + n for signal n). The file descriptors in `hold` stay open for as long as it runs;
    `environment` is all of its variables, else those of this process; `stdout` is a file descriptor for what it writes
    there, which ends when it does, once the caller has closed its own.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), *map(str, remove), "--", *command],
            stdin=subprocess.PIPE,
            stdout=output if stdout is None else stdout,
            stderr=output,
            start_new_session=True,  # Ctrl-C and a killed process group are the owner's, who then closes the pipe
            pass_fds=hold,
            cwd="/",
            env=environment,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the command dies with its supervisor
            process.wait()
