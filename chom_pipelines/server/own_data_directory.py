"""A server's own data directory, for who reads its files: it has to be on this machine, and readable."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from chom_pipelines.errors import UnsupportedServerError
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts

_SYSTEM_TABLESPACE = "ibdata1"
_OR_LOGICAL = "or use method: logical, which reads through the connection"


def readable_data_directory(endpoint: Endpoint, facts: ServerFacts) -> Path:
    """Where the server's files are, as far as that can be told before they are read.

    That they are this server's and not those of another one is certain only when its log sequence number is in them.
    Raises UnsupportedServerError where they are on another machine, or this user may not read them.
    """
    if not _is_here(endpoint):
        what = f"{endpoint.where} is on another machine, where its data files cannot be read from here"
        raise UnsupportedServerError(what, f"run chom on that machine, {_OR_LOGICAL}")
    directory = Path(facts.variables["datadir"])
    file = directory / _SYSTEM_TABLESPACE
    try:
        with file.open("rb"):
            next(directory.iterdir())
    except OSError as error:
        what = f"{endpoint.where}: its data directory cannot be read here: {error.filename}: {error.strerror}"
        remedy = "run chom where the directory is, as a user who can read it (as mysql, or in its group)"
        raise UnsupportedServerError(what, f"{remedy}, {_OR_LOGICAL}") from error
    return directory


def _is_here(endpoint: Endpoint) -> bool:
    """Whether its address is one of this machine's."""
    if endpoint.socket:
        return True
    with suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(
            endpoint.host or "localhost", 0, type=socket.SOCK_DGRAM
        ):
            with suppress(OSError), socket.socket(family, kind, protocol) as probe:
                probe.bind(address)  # which can be had here only
                return True
    return False
