"""mariadb-backup at work: streaming a server's files, and preparing those that were unpacked.

Success is an exit code of 0 and its last line, both: neither alone is believed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedReader, FileIO
from pathlib import Path

from chom_pipelines.errors import BackupFailedError, DiskFullError, RestoreFailedError
from chom_pipelines.physical.lock_watch import LockWatch, sessions_of, watched
from chom_pipelines.physical.notes import SETTINGS
from chom_pipelines.server.claimed_directories import MEMORY, MIB, available_memory, claimed_directory
from chom_pipelines.server.empty_datadirs import tail
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.option_file import write_option_file
from chom_pipelines.server.process import harmless_environment, supervised
from chom_pipelines.server.programs import Program

_PIPE = 1 << 20
_LOG_MILLISECONDS = 100
"""Between two looks at the redo log; at the end commits wait for the last one: 0.96 s where it is 1000, the default."""
_DONE = "completed OK!"
LITTLE = 16 * MIB
"""Free bytes with which no server or program gets far."""
ROOM = "free some, or set TMPDIR to a directory on a larger disk"
_ADVICE = "see the last lines of the program above; nothing was published"
_ANEW = "where that is so each time, begin a new chain: chom backup --method physical"


@dataclass(frozen=True)
class FileStream:
    """The stream as it comes; `refuse_failure` when it has ended."""

    pipe: BufferedReader[FileIO]
    _process: subprocess.Popen[bytes]
    _log: Path
    _where: str
    _watch: LockWatch
    _since: int

    @property
    def ended(self) -> bool:
        """Whether nothing more comes; waits until that is known."""
        return not self.pipe.peek(1)

    def refuse_failure(self) -> None:
        """Wait for the program's end; raise BackupFailedError with its last lines unless it says that all is well.

        Raises LockNotObtainedError or SnapshotTooSlowError where it was ended because of its locks, and another
        ServerError where these could not be watched.
        """
        code = self._process.wait()
        if self._watch.error:
            raise self._watch.error
        if code or not _is_done(self._log):
            what = f"{self._where}: mariadb-backup did not complete (exit {code}):\n{tail(self._log)}"
            raise BackupFailedError(what, f"{_ADVICE}; {_ANEW}" if self._since else _ADVICE)


@contextmanager
def file_stream(program: Program, endpoint: Endpoint, threads: int, since: int) -> Iterator[FileStream]:
    """Have all files of the server that answers there streamed; the program ends with the block at the latest.

    Of InnoDB's files only the pages that were changed after the log sequence number `since`; 0: all.
    """
    with claimed_directory(MEMORY if MEMORY.is_dir() else Path("/tmp")) as claim:  # noqa: S108  (0700, by mkdtemp)
        options, log = claim.path / "client.cnf", claim.path / "log"
        write_option_file(options, endpoint, Flavour.MARIADB)
        command = [
            *(str(program.path), f"--defaults-file={options}", "--backup", "--stream=mbstream"),
            *(f"--target-dir={claim.path / 'target'}", f"--parallel={threads}"),
            f"--log-copy-interval={_LOG_MILLISECONDS}",
            *([f"--incremental-lsn={since}"] if since else []),
        ]
        others = sessions_of(endpoint)
        reader, writer = os.pipe()
        with suppress(OSError):  # a larger pipe is only faster
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE)
        with ExitStack() as stack:
            pipe = stack.enter_context(BufferedReader(FileIO(reader), _PIPE))
            try:
                working = supervised(command, log=log, environment=harmless_environment(), stdout=writer)
                process = stack.enter_context(working)
            finally:
                os.close(writer)  # the program has its own, and with that the stream ends
            watch = stack.enter_context(watched(endpoint, log, others, partial(_end, process)))
            yield FileStream(pipe, process, log, endpoint.where, watch, since)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have its supervisor end it."""
    if process.stdin:
        process.stdin.close()


def prepare(program: Program, directory: Path, log: Path, changes: Path | None = None) -> None:
    """Bring unpacked files to one moment, as a server's recovery would.

    With `changes`, files of one moment that no server has run on are brought to that of the incremental backup which
    is unpacked there. Raises RestoreFailedError with the program's last lines, DiskFullError.
    """
    memory = max(128 * MIB, min(1024 * MIB, available_memory() // 4)) // MIB
    settings = directory / SETTINGS
    command = [
        *(str(program.path), f"--defaults-file={settings}", "--prepare", f"--target-dir={directory}"),
        f"--use-memory={memory}M",
        *([f"--incremental-dir={changes}"] if changes else []),
    ]
    with supervised(command, log=log, environment=harmless_environment()) as process:
        code = process.wait()
    if code or not _is_done(log):
        if shutil.disk_usage(directory).free < LITTLE:
            raise DiskFullError(f"{directory}: no space is left", ROOM)
        what = f"{directory}: mariadb-backup could not prepare the files (exit {code}):\n{tail(log)}"
        raise RestoreFailedError(what, "see the last lines of the program above; restore another backup")


def _is_done(log: Path) -> bool:
    lines = log.read_text(errors="replace").rstrip().splitlines()
    return bool(lines) and lines[-1].endswith(_DONE)
