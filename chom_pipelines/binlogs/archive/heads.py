"""The first event of a file of the binary log, by which one file is told from all others of its name."""

from __future__ import annotations

import logging
from contextlib import closing

from chom_pipelines.binlogs.archive.client import read_log
from chom_pipelines.binlogs.format.events import MAGIC, FormatDescription
from chom_pipelines.binlogs.format.head import description, head_size
from chom_pipelines.errors import BinlogDamagedError, ChomError
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts

_log = logging.getLogger(__name__)


def head_of(endpoint: Endpoint, facts: ServerFacts, file: str) -> FormatDescription:
    """The first event of one of the server's files, which tells it from all others.

    Raises what `read_log` raises, BinlogDamagedError.
    """
    begin, name = b"", f"{endpoint.where}: {file}"
    with closing(read_log(endpoint, facts.flavour, file)) as pieces:
        for piece in pieces:
            begin += piece
            size = head_size(name, begin, begins_behind_it=True)
            if size is not None:
                return description(name, begin[len(MAGIC) : size])
    raise BinlogDamagedError(f"{name}: it ends after {len(begin)} bytes, within its first event")


def head_if_known(endpoint: Endpoint, facts: ServerFacts, file: str) -> str | None:
    """Its fingerprint, for a backup, which is as good without it; None: it cannot be had, and the log tells why."""
    try:
        return head_of(endpoint, facts, file).fingerprint
    except ChomError as error:
        _log.info("by what %s is known cannot be noted: %s", file, error.what)
        return None
