"""Taking a file of the binary log as it comes from its server: what was archived of it is compared, the rest is new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from chom_pipelines.binlogs.archive.indexing import Indexed, indexed
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.statements import Does
from chom_pipelines.binlogs.format.transactions import Summary, Transaction
from chom_pipelines.errors import BinlogDamagedError


class Content:
    """What is found in the transactions of a segment."""

    def __init__(self) -> None:
        self.indexed: list[Indexed] = []
        self.transactions = self.textual = 0
        self.first: datetime | None = None
        self.last: datetime | None = None

    def add(self, transaction: Transaction) -> None:
        """Take the next one."""
        self.transactions += 1
        if any(each.does is Does.ROWS for each in transaction.statements):
            self.textual = transaction.end
        self.first, self.last = self.first or transaction.time, transaction.time
        if entry := indexed(transaction):
            self.indexed.append(entry)


class LogReading:
    """A file from its first byte on. `content` is that of the transactions from the position `start` on.

    `archived` are segments from the file's beginning on: what comes has to be the same.
    """

    def __init__(self, where: str, archived: Sequence[Segment], start: int) -> None:
        self.where, self.start = where, start
        self.position = 0
        """Bytes that were taken."""
        self.scanner, self.content = Scanner(where), Content()
        self._unchecked = list(archived)
        self._digest = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        """Take the next bytes; raises BinlogDamagedError, where they are not what was archived of them, too."""
        for transaction in self.scanner.feed(piece):
            if transaction.start >= self.start:
                self.content.add(transaction)
        rest = memoryview(piece)
        at = self.position
        self.position += len(piece)
        while self._unchecked and rest:
            known = rest[: self._unchecked[0].end - at]
            self._digest.update(known)
            at += len(known)
            rest = rest[len(known) :]
            if at == self._unchecked[0].end:
                if self._digest.hexdigest() != self._unchecked.pop(0).digest:
                    raise self._another(f"is not what was archived of it, up to {at}")
                self._digest = hashlib.sha256()

    def finish(self) -> Summary:
        """Of all of the file; raises BinlogDamagedError where more of it was archived."""
        found = self.scanner.finish()
        if self._unchecked:
            raise self._another(f"ends at {self.position}, and was archived up to {self._unchecked[-1].end}")
        return found

    def _another(self, what: str) -> BinlogDamagedError:
        return BinlogDamagedError(f"{self.where} {what}", "take a full backup: the archive does not go on from there")
