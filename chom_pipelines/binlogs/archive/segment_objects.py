"""What is stored of a segment, read back: its log and its index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from chom_pipelines.binlogs.archive.chain import mended_by_moving
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.indexing import SegmentIndex
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.errors import ArchiveDamagedError, DamagedError
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.payloads import BinlogPayload


def log_of(history: History, segment: Segment, keyring: Keyring | None) -> Iterator[bytes]:
    """The bytes of the log in a segment, as the server wrote them: authenticated, and compared with what was sent.

    Raises DamagedError, KeyUnavailableError.
    """
    with _told_of(history, segment):
        where, pieces = _object_of(history, segment, "log", keyring)
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
            yield piece
        if digest.hexdigest() != segment.digest:
            raise ArchiveDamagedError(f"{where}: the log is not what the server sent")


def index_of(history: History, segment: Segment, keyring: Keyring | None) -> SegmentIndex:
    """The index of a segment, authenticated; raises DamagedError, KeyUnavailableError, UnknownFormatError."""
    with _told_of(history, segment):
        where, pieces = _object_of(history, segment, "index", keyring)
        return SegmentIndex.parse(b"".join(pieces), where)


@contextmanager
def _told_of(history: History, segment: Segment) -> Iterator[None]:
    """Say of damage that it is a segment's, and no backup's: what is before it can be restored."""
    try:
        yield
    except DamagedError as error:
        left = f"restore to a place before it, with --before {segment.file.rpartition('.')[0]}.NNNNNN:POSITION"
        named = "after `chom verify --binlogs`, which has it left out, `--at latest` names the last one"
        mended = mended_by_moving([f"{history.name}/{segment.id}"])
        raise ArchiveDamagedError(error.what, f"{left}: {named}; or {mended}") from error


def _object_of(
    history: History, segment: Segment, what: Literal["log", "index"], keyring: Keyring | None
) -> tuple[str, Iterator[bytes]]:
    """Where one of a segment's objects is, for people, and its bytes, authenticated as they are read."""
    entry = history.entry(segment)
    manifest = entry.manifest(keyring)
    payload = manifest.payload
    path = getattr(payload, what) if isinstance(payload, BinlogPayload) else None
    stored = next((each for each in manifest.objects if each.path == path), None)
    if stored is None:
        raise ArchiveDamagedError(f"{entry.where}: the manifest names no {what}")
    return entry.folder.where(stored.path), read_object(entry.folder, stored, entry.data_key(keyring))
