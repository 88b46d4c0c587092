"""Where the rows of one range go: hashed, looked at for what text cannot carry, and stored where there is a folder."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any, Protocol

from chom_pipelines.logical.losses import LONGEST_SUSPECT, suspect
from chom_pipelines.repository.dump_records import Loss
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.store import Folder
from chom_pipelines.server.wire import Block

OBJECT_BYTES = 96 << 20
"""A range whose rows outgrow this goes on in another object."""

MEMBER_BYTES = 4 << 20
"""A table in a bundle is held in memory; one that turns out larger than this gets objects of its own."""

Message = dict[str, Any]


class Owner(Protocol):
    """What a sink needs of its worker."""

    def writer(self, folder: Folder, name: str) -> ObjectWriter:
        """A new object."""

    def count(self, size: int, rows: int) -> None:
        """So many bytes and rows more were read."""


class Sink:
    """The rows of one range. Its owner makes its objects, and is told of every block."""

    def __init__(self, owner: Owner, task: Message, *, buffered: bool, folder: Folder | None) -> None:
        self.owner, self.name, self.buffered, self.folder = owner, task["name"], buffered, folder
        self.hash = hashlib.sha256()
        self.rows = self.bytes = 0
        self.held: list[bytes] = []
        self.writer: ObjectWriter | None = None
        self.stored: list[StoredObject] = []
        self.at_row_end = True
        self.losses: tuple[Loss, ...] = ()
        self.restored: str | None = None
        self.seeks_losses, self.suspect = task["losses"] is not None, False
        self.tail = b""

    def add(self, block: Block) -> None:
        """Take in some rows, or a piece of one."""
        self.hash.update(block.data)
        if self.seeks_losses and not self.suspect:
            self.suspect = suspect(self.tail + block.data)
            self.tail = block.data[-LONGEST_SUSPECT:]  # a long row comes in pieces
        self.rows += block.rows
        self.bytes += len(block.data)
        self.owner.count(len(block.data), block.rows)
        folder = self.folder
        if folder is None:
            return
        if self.buffered:
            self.held.append(block.data)
            if self.bytes > MEMBER_BYTES:
                self.buffered = False
                for data in self.held:
                    self._write(folder, data)
                self.held.clear()
        else:
            if self.writer and self.writer.raw_bytes >= OBJECT_BYTES and self.at_row_end:
                self._close()
            self._write(folder, block.data)
        self.at_row_end = block.rows > 0

    def _write(self, folder: Folder, data: bytes) -> None:
        if self.writer is None:
            self.writer = self.owner.writer(folder, f"{self.name}.{len(self.stored):04d}.tsv")
        self.writer.write(data)

    def _close(self) -> None:
        if self.writer:
            self.stored.append(self.writer.close())
            self.writer = None

    def finish(self) -> None:
        """All rows are in: close the last object."""
        self._close()

    def abort(self) -> None:
        """Leave nothing in the folder."""
        if self.writer:
            self.writer.abort()
        if self.folder:
            for stored in self.stored:
                self.folder.delete(stored.path)

    def part(self, objects: list[str]) -> Message:
        """What the manifest says of the range, as plain JSON types; `objects` are those that hold it."""
        return {
            "rows": self.rows,
            "bytes": self.bytes,
            "digest": self.hash.hexdigest(),
            "restored": self.restored,
            "objects": objects,
            "losses": [asdict(loss) for loss in self.losses],
        }
