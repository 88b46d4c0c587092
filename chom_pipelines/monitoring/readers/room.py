"""How much room a server's data directory has left: where the server is on this machine, or tells it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from chom_pipelines.errors import ServerError, UnsupportedServerError
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.own_data_directory import readable_data_directory

_DISKS = "SELECT path, available FROM information_schema.DISKS"
_THERE = "SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name = 'DISKS' AND plugin_status = 'ACTIVE'"
_KIB = 1024


@dataclass(frozen=True)
class Room:
    """`free`: bytes; None: not known. `source` is what told it, or why it is not known."""

    free: int | None
    source: str


def read_room(session: Session, facts: ServerFacts) -> Room:
    """Of the file system of the data directory. Raises nothing for what a server refuses."""
    directory = facts.variables.get("datadir", "")
    try:
        here = readable_data_directory(session.endpoint, facts)
        if facts.hostname != socket.gethostname():  # of a container, whose directories are its own
            what = f"{session.endpoint.where} calls itself {facts.hostname}, which this machine is not"
            raise UnsupportedServerError(what)  # noqa: TRY301  (the same as if it were elsewhere)
        return Room(shutil.disk_usage(here).free, f"the file system of {here}")
    except UnsupportedServerError as elsewhere:
        if not facts.is_mariadb:
            return Room(None, f"not known: {elsewhere.what}; and MySQL does not tell it")
        return _told(session, directory, elsewhere.what)
    except OSError as error:
        return Room(None, f"not known: {error}")


def _told(session: Session, directory: str, otherwise: str) -> Room:
    """By MariaDB's plugin `disks`, which takes FILE."""
    try:
        if not session.value(_THERE):
            mend = "INSTALL SONAME 'disks' and GRANT FILE ON *.* have MariaDB tell it"
            return Room(None, f"not known: {otherwise}; {mend}")
        free = free_at(directory, session.rows(_DISKS))
    except ServerError as error:
        return Room(None, f"not known: {error.what}; the plugin disks takes FILE: GRANT FILE ON *.* to the account")
    if free is None:
        return Room(
            None, f"not known: the plugin disks shows nothing that {directory} is on, or the account lacks FILE"
        )
    return Room(free, f"MariaDB's plugin disks, of {directory}")


def free_at(directory: str, disks: Sequence[Row]) -> int | None:
    """Bytes available at the mount point that is nearest above; None where there is none. Pure."""
    place = PurePosixPath(directory)
    above = [(PurePosixPath(str(path)), int(free)) for path, free in disks if place.is_relative_to(str(path))]
    return max(above, key=lambda each: len(each[0].parts))[1] * _KIB if above else None
