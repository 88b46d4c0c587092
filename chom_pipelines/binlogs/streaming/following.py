"""Following a server's binary log through the replication protocol, with the server's own client, as it is written.

The client writes each file of the log into a file of that name and never ends by itself, so the next one's pipe is made
before it gets there. It is not opened before the file in front of it has ended: so long the client waits in it, and
gets to no name that has no pipe, however fast the server begins one file after the other.

Both families' clients pass on each event at once. They do not notice where the network is cut without a word, nor,
MySQL's, where RESET gives the file they read a new one of the same name: who follows has to ask the server beside that.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chom_pipelines.binlogs.archive.client import client_failure, make_pipe, open_pipe
from chom_pipelines.errors import (
    AccessDeniedError,
    BinlogDamagedError,
    ChomError,
    ConnectionFailedError,
    MissingPrivilegeError,
)
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.server.claimed_directories import MEMORY, claimed_directory
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.option_file import write_option_file
from chom_pipelines.server.process import harmless_environment, supervised
from chom_pipelines.server.programs import Program, binlog_program

_PIECE = 1 << 20
_TURN_SECONDS = 10.0
"""How long a client may take from the end of one file to the begin of the next: it does both at once."""
_REMEDY = "check that the server runs; the stream goes on as soon as it can"
_AS_REPLICA = {Flavour.MARIADB: "--stop-never-slave-server-id", Flavour.MYSQL: "--connection-server-id"}


@contextmanager
def followed(endpoint: Endpoint, flavour: Flavour, file: str, replica_id: int) -> Iterator[Follower]:
    """Follow the log from the begin of this file on, for the length of the block.

    The server ends the connection of another replica or client of the same id, so `replica_id` has to be one that no
    other has, and always the same one: then what is left of an earlier connection is ended by that. Raises
    ProgramMissingError.
    """
    program = binlog_program(flavour)
    with claimed_directory(MEMORY if MEMORY.is_dir() else Path("/tmp")) as claim:  # noqa: S108  (0700, by mkdtemp)
        pipes, log, options = claim.path / "pipes", claim.path / "client.log", claim.path / "client.cnf"
        pipes.mkdir(mode=0o700)
        write_option_file(options, endpoint, flavour)
        command = [
            *(str(program.path), f"--defaults-file={options}", "--read-from-remote-server", "--raw", "--stop-never"),
            *(f"{_AS_REPLICA[flavour]}={replica_id}", f"--result-file={pipes}/", file),
        ]
        follower = Follower(endpoint, program, pipes, log, file)
        try:
            with supervised(command, log=log, environment=harmless_environment()) as process:
                follower.process = process
                yield follower
        finally:
            follower.close()


class Follower:
    """A running client; `file` is the one of which it reads now."""

    process: subprocess.Popen[bytes]

    def __init__(self, endpoint: Endpoint, program: Program, pipes: Path, log: Path, file: str) -> None:
        self.file = file
        self._endpoint, self._program, self.pipes, self._log = endpoint, program, pipes, log
        for each in (file, LogName.of(file).following):
            make_pipe(pipes / each)
        self._reader = open_pipe(pipes / file)

    def read(self, seconds: float) -> bytes | None:
        """The next bytes of the file, b"" where none come within so many seconds.

        None: it has ended, and `file` is the next one. Raises ConnectionFailedError where the client has ended;
        AccessDeniedError, MissingPrivilegeError; BinlogDamagedError where the server says that the file is unsound.
        """
        ended = self.process.poll() is not None
        happened = _happened(self._reader, 0 if ended else seconds)
        if happened & select.POLLIN and (piece := os.read(self._reader, _PIECE)):
            return piece
        if not happened and not ended:
            self._refuse_strangers()
            return b""
        self._turn()
        return None

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)

    def _turn(self) -> None:
        """Go on with the next file, unless the client has ended."""
        self._refuse_strangers()
        following = LogName.of(self.file).following
        make_pipe(self.pipes / LogName.of(following).following)
        done, self._reader = self._reader, open_pipe(self.pipes / following)
        os.close(done)
        waited = 0.0
        while not _happened(self._reader, 0.1):
            self._refuse_strangers()
            waited += 0.1
            if self.process.poll() is not None and not _happened(self._reader, 0):
                raise self._ended()
            if waited > _TURN_SECONDS:
                raise self._lost(f"{self._program.path.name} is done with {self.file} and does not go on")
        (self.pipes / self.file).unlink()
        self.file = following

    def _refuse_strangers(self) -> None:
        """A file that no pipe was made for is one of another numbering, and lies in memory unencrypted: it goes."""
        if strange := sorted(each for each in self.pipes.iterdir() if not each.is_fifo()):
            self.process.kill()  # the client dies with it, and makes no more of them
            self.process.wait()
            for each in strange:
                each.unlink()
            names = ", ".join(each.name for each in strange)
            raise self._lost(f"the server goes on with {names} and not with {self.file}")

    def _ended(self) -> ChomError:
        said = self._log.read_text(errors="replace")
        failure = client_failure(self._endpoint, self._program, self.file, said)
        told = isinstance(failure, (AccessDeniedError, MissingPrivilegeError, BinlogDamagedError))
        return failure if told else self._lost(failure.what)

    def _lost(self, what: str) -> ConnectionFailedError:
        where = self._endpoint.where
        return ConnectionFailedError(what if what.startswith(where) else f"{where}: {what}", _REMEDY)


def _happened(reader: int, seconds: float) -> int:
    polled = select.poll()
    polled.register(reader, select.POLLIN)
    happened = polled.poll(int(seconds * 1000))
    return happened[0][1] if happened else 0
