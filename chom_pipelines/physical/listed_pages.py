"""Which pages a MariaDB has listed of its memory: a server reads these when it starts, and is warm.

mariadb-backup leaves the list out. It is a hint, without which a server is slower at first: what cannot be read in its
place is left out, and fails no backup.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from chom_pipelines.physical.chunks import Chunk, end_chunk, payload_chunk

_LARGEST = 64 << 20
"""Bytes of a list; of a buffer pool of 300 GB, a quarter of which is listed by default."""
_PIECE = 1 << 20

_log = logging.getLogger(__name__)


def listed_pages(path: Path) -> Iterator[Chunk]:
    """The list, as a file of a data directory; nothing where there is none."""
    name = path.name
    try:
        listed = _content(path)
    except FileNotFoundError:
        return  # the server has not shut down yet
    except OSError as error:
        _log.warning("%s is left out of the backup, and a restored server starts cold: %s", name, error.strerror)
        return
    for begin in range(0, len(listed), _PIECE):
        yield payload_chunk(name, begin, listed[begin : begin + _PIECE])
    yield end_chunk(name, len(listed))


def _content(path: Path) -> bytes:
    """Of a file that is one: a link may lead to what nobody meant, and a pipe would keep us waiting."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file")
        if found.st_size > _LARGEST:
            raise OSError(0, f"it has {found.st_size} bytes")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST)
    finally:
        os.close(descriptor)
