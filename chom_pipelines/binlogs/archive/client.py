"""Reading a server's binary log through the replication protocol, with the server's own client.

The client writes a log byte for byte into files only, so it is given a named pipe: nothing of the log lies unencrypted
on a disk, and who reads slowly slows the client down.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from chom_pipelines.errors import (
    AccessDeniedError,
    BinlogDamagedError,
    BinlogMissingError,
    BinlogWithheldError,
    ChomError,
    ConnectionFailedError,
    MissingPrivilegeError,
    ServerError,
)
from chom_pipelines.server.claimed_directories import MEMORY, claimed_directory
from chom_pipelines.server.driver_errors import WRONG_ACCOUNT
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import account
from chom_pipelines.server.option_file import write_option_file
from chom_pipelines.server.process import harmless_environment, supervised
from chom_pipelines.server.programs import Program, binlog_program

_PIECE = 1 << 20
_PATIENCE = 200
"""Milliseconds between two looks at whether the client still lives, where it sends nothing."""
_SILENCE = 120
"""Seconds without a byte after which a server is taken for lost: clients do not notice a cut that nobody tells."""

_NOT_LET_IN = re.compile(
    r"account is (?:locked|blocked)|user is blocked|password has expired|must be reset", re.IGNORECASE
)
_LET_IN = "let the account in again: ALTER USER ... ACCOUNT UNLOCK, or with a new password where that has expired"
_UNKNOWN = re.compile(r"Failed on connect: Access denied|using password", re.IGNORECASE)
_REFUSED = re.compile(r"REPLICATION SLAVE|Access denied", re.IGNORECASE)
_UNSOUND = re.compile(r"crc check|bogus data|corrupt|invalid event|truncated in the middle", re.IGNORECASE)
"""What a server says of its own file, where it verifies what it sends."""
_GONE = re.compile(r"Could not find first log|Could not find target log|purged", re.IGNORECASE)
_WITHHELD = re.compile(r"Cannot replicate (anonymous|GTID-)", re.IGNORECASE)
"""A server whose gtid_mode has changed meanwhile sends no file with transactions that the new one forbids."""
_WITHHELD_REMEDY = (
    "SET GLOBAL gtid_mode = {} until it is archived, and then set that back; "
    "or take a full backup, as nothing leads across this file"
)
_UNREACHABLE = re.compile(r"Can't connect|Lost connection|gone away|server has closed|Server shutdown", re.IGNORECASE)


def read_log(endpoint: Endpoint, flavour: Flavour, file: str) -> Generator[bytes]:
    """The bytes of one file of the server's binary log, as the server sends them, a megabyte at most at a time.

    Of a file that the server still writes, what is in it when its end is reached. Raises ProgramMissingError;
    BinlogMissingError where the server has no such file, BinlogDamagedError where it says itself that the file is
    unsound, BinlogWithheldError where its gtid_mode forbids to send it; AccessDeniedError, MissingPrivilegeError,
    ConnectionFailedError or ServerError.
    """
    program = binlog_program(flavour)
    with claimed_directory(MEMORY if MEMORY.is_dir() else Path("/tmp")) as claim:  # noqa: S108  (0700, by mkdtemp)
        pipe, options, log = claim.path / file, claim.path / "client.cnf", claim.path / "client.log"
        write_option_file(options, endpoint, flavour)
        command = [
            *(str(program.path), f"--defaults-file={options}", "--read-from-remote-server", "--raw"),
            *(f"--result-file={claim.path}/", file),
        ]
        make_pipe(pipe)
        reader = open_pipe(pipe)
        try:
            with supervised(command, log=log, environment=harmless_environment()) as process:
                try:
                    yield from _pieces(reader, process)
                except TimeoutError as error:
                    what = f"{endpoint.where}: of {file} nothing has come for {_SILENCE} s"
                    raise ConnectionFailedError(what, "check the network, and run it again") from error
                status = process.wait()
            if status:
                raise client_failure(endpoint, program, file, log.read_text(errors="replace"))
        finally:
            os.close(reader)


def make_pipe(path: Path) -> None:
    """Make a named pipe. Who opens it to write waits there until it is opened to read from."""
    os.mkfifo(path, 0o600)


def open_pipe(path: Path) -> int:
    """Open a named pipe to read from: who writes need not be there yet. Returns the file descriptor."""
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with suppress(OSError):  # a larger pipe is only faster
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIECE)
    return reader


def _pieces(reader: int, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What comes through the pipe, until its writer has closed it, or has ended without ever opening it.

    Raises TimeoutError where nothing comes for long.
    """
    polled = select.poll()
    polled.register(reader, select.POLLIN)
    since = time.monotonic()
    while True:
        ended = process.poll() is not None
        happened = polled.poll(0 if ended else _PATIENCE)
        if happened and happened[0][1] & select.POLLIN:
            while piece := _read(reader):
                yield piece
            since = time.monotonic()
        elif happened or ended:
            return
        elif time.monotonic() - since > _SILENCE:
            raise TimeoutError


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, _PIECE)
    except BlockingIOError:
        return b""


def client_failure(endpoint: Endpoint, program: Program, file: str, said: str) -> ChomError:
    """What a client's last lines mean."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line] or lines
    what = f"{endpoint.where}: {program.path.name} could not read {file}: {'; '.join(errors[-2:]) or 'it says nothing'}"
    grant = f"GRANT REPLICATION SLAVE ON *.* TO {account(endpoint.user, '%')}"
    withheld = _WITHHELD.search(what)
    mode = "ON_PERMISSIVE" if withheld and withheld[1].lower() == "anonymous" else "OFF_PERMISSIVE"
    meanings: tuple[tuple[re.Pattern[str], type[ChomError], str], ...] = (
        (_GONE, BinlogMissingError, ""),
        (_UNSOUND, BinlogDamagedError, ""),
        (_WITHHELD, BinlogWithheldError, _WITHHELD_REMEDY.format(mode)),
        (_NOT_LET_IN, AccessDeniedError, _LET_IN),
        (_UNKNOWN, AccessDeniedError, WRONG_ACCOUNT),
        (_REFUSED, MissingPrivilegeError, f"{grant}, with the account's own host; `chom check` tells all that lacks"),
        (_UNREACHABLE, ConnectionFailedError, "check that the server runs, and run it again: what was archived stays"),
    )
    for pattern, error, remedy in meanings:
        if pattern.search(what):
            return error(what, remedy)
    return ServerError(what)
