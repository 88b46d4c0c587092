"""Where a private server lives: its files, who administers it, when it answers, and its end in order."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from chom_pipelines.errors import ScratchServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import tail
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts, read_facts
from chom_pipelines.server.identifiers import account, literal
from chom_pipelines.server.programs import Program

OUR_ACCOUNT = "chom_private_server"
"""On production's files, whose accounts nobody here can be; it is there as long as the server runs."""

_POLL_SECONDS = 0.01
_STOP_SECONDS = 600.0


@dataclass(frozen=True)
class Place:
    """A private directory, where the data and temporary files are, and the administrator."""

    home: Path
    data: Path
    temporary: Path
    user: str = "root"
    password: str = field(default="", repr=False)
    at_start: str = field(default="", repr=False)
    """Statements that the server executes before it answers, one a line."""

    @property
    def log(self) -> Path:
        """The server's own."""
        return self.home / "log"

    @property
    def socket(self) -> Path:
        """By which alone it is reached."""
        return self.home / "socket"

    @property
    def endpoint(self) -> Endpoint:
        """Of its administrator."""
        return Endpoint(name="scratch server", user=self.user, password=self.password, socket=str(self.socket))

    def with_our_account(self) -> Place:
        """With an account of ours that may do everything, on files that have others."""
        password = f"{secrets.token_urlsafe(24)}-aA1"  # a character of each kind, as production's rules may want it
        name = account(OUR_ACCOUNT, "localhost")
        statements = (
            f"DROP USER IF EXISTS {name};\nCREATE USER {name} IDENTIFIED BY {literal(password)};\n"
            f"GRANT ALL PRIVILEGES ON *.* TO {name} WITH GRANT OPTION;\n"
        )
        return replace(self, user=OUR_ACCOUNT, password=password, at_start=statements)

    def options(self) -> tuple[str, ...]:
        """The server's; writes the file of statements where there are any."""
        files = {"datadir": self.data, "socket": self.socket, "pid-file": self.home / "pid", "tmpdir": self.temporary}
        if self.at_start:
            files["init-file"] = self.home / "at-start.sql"
            files["init-file"].touch(0o600)
            files["init-file"].write_text(self.at_start)
        return tuple(f"--{name}={path}" for name, path in files.items())


def first_answer(
    process: subprocess.Popen[bytes],
    program: Program,
    place: Place,
    patience: float | None,
) -> ServerFacts:
    """Wait until the server answers; without `patience` (seconds) for as long as it lives: it may be recovering.

    Raises ScratchServerError where it ends before that.
    """
    began = time.monotonic()
    while process.poll() is None:
        if _listens(place.socket):
            with Session(place.endpoint) as session:
                return read_facts(session)
        if patience is not None and time.monotonic() - began > patience:
            what = f"{program.path} does not answer after {patience:.0f} s:\n{tail(place.log)}"
            raise ScratchServerError(what, "see the end of its log above")
        time.sleep(_POLL_SECONDS)  # the server tells nobody that it listens
    what = f"{program.path} ended while starting (exit {process.returncode}):\n{tail(place.log)}"
    raise ScratchServerError(what, "see the end of its log above")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def shut_down(process: subprocess.Popen[bytes], place: Place) -> None:
    """In order, and without our account; raises ScratchServerError where it does not."""
    with Session(place.endpoint) as session:
        if place.user == OUR_ACCOUNT:
            session.execute(f"DROP USER {account(place.user, 'localhost')}")
        session.execute("SHUTDOWN")
    try:
        code = process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        what = f"the server on {place.data} does not shut down:\n{tail(place.log)}"
        raise ScratchServerError(what, "see the end of its log above") from None
    if code != 0:
        what = f"the server on {place.data} did not shut down in order (exit {code}):\n{tail(place.log)}"
        raise ScratchServerError(what, "see the end of its log above")
