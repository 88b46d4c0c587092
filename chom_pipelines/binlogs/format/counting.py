"""Counts the rows that row events insert, update and delete, by table, until a transaction ends."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from chom_pipelines.binlogs.format.events import Kind, lenenc, mariadb_compressed_start
from chom_pipelines.binlogs.format.handlers import Head, Opener, Sink
from chom_pipelines.binlogs.format.rows import Plan, RowsDamagedError, RowStream, plan_for
from chom_pipelines.binlogs.format.tables import Table, parse_table_map
from chom_pipelines.binlogs.format.transactions import TableRows

_INSERTED, _UPDATED, _DELETED, _UNCOUNTED = range(4)
_MOST_TABLES = 10_000  # table maps that are kept for the next time
_DUMMY = b"\xff\xff\xff\x00\x00\x00"
"""The number of no table: events that only end a statement refer to it."""
_PIECE = 1 << 18  # bytes of decompressed rows at a time


class _Form(NamedTuple):
    """How a kind of row event is laid out."""

    does: int
    images: int
    has_extra: bool
    compressed: bool = False
    partial: bool = False


_FORMS = {
    Kind.WRITE_ROWS_V1: _Form(_INSERTED, 1, has_extra=False),
    Kind.UPDATE_ROWS_V1: _Form(_UPDATED, 2, has_extra=False),
    Kind.DELETE_ROWS_V1: _Form(_DELETED, 1, has_extra=False),
    Kind.WRITE_ROWS: _Form(_INSERTED, 1, has_extra=True),
    Kind.UPDATE_ROWS: _Form(_UPDATED, 2, has_extra=True),
    Kind.DELETE_ROWS: _Form(_DELETED, 1, has_extra=True),
    Kind.PARTIAL_UPDATE_ROWS: _Form(_UPDATED, 2, has_extra=True, partial=True),
    Kind.MARIADB_WRITE_ROWS_COMPRESSED_V1: _Form(_INSERTED, 1, has_extra=False, compressed=True),
    Kind.MARIADB_UPDATE_ROWS_COMPRESSED_V1: _Form(_UPDATED, 2, has_extra=False, compressed=True),
    Kind.MARIADB_DELETE_ROWS_COMPRESSED_V1: _Form(_DELETED, 1, has_extra=False, compressed=True),
    Kind.MARIADB_WRITE_ROWS_COMPRESSED: _Form(_INSERTED, 1, has_extra=True, compressed=True),
    Kind.MARIADB_UPDATE_ROWS_COMPRESSED: _Form(_UPDATED, 2, has_extra=True, compressed=True),
    Kind.MARIADB_DELETE_ROWS_COMPRESSED: _Form(_DELETED, 1, has_extra=True, compressed=True),
}


@dataclass
class _Layouts:
    """A table, and the plans for the columns that its events have had so far."""

    table: Table
    heads: tuple[int, int, int]
    """How long number and bitmaps of the columns are, by the number of images."""
    plans: tuple[dict[bytes, Plan], dict[bytes, Plan]] = field(default_factory=lambda: ({}, {}))

    @staticmethod
    def of(table: Table) -> _Layouts:
        columns = len(table.widths)
        number = 1 if columns < 251 else 3  # noqa: PLR2004  (a length-encoded integer)
        bitmap = (columns + 7) // 8
        return _Layouts(table, (number, number + bitmap, number + 2 * bitmap))

    def plan(self, head: bytes, form: _Form) -> Plan:
        count, at = lenenc(head, 0)
        if count != len(self.table.widths) or len(head) != self.heads[form.images]:
            raise ValueError(f"it has {count} columns, and its table map {len(self.table.widths)}")
        size = (count + 7) // 8
        bitmaps = [head[begin : begin + size] for begin in range(at, len(head), size)]
        plan = plan_for(self.table, bitmaps, partial=form.partial)
        self.plans[form.partial][head] = plan
        return plan


class RowCounter:
    """Knows the tables of the transaction that is being read, and counts their rows."""

    def __init__(self) -> None:
        self._tables: dict[bytes, _Layouts] = {}
        self._known: dict[bytes, _Layouts] = {}
        self.counts: dict[tuple[str, str], list[int]] = {}
        """By database and table: inserted, updated, deleted, and events that could not be counted."""

    def taken(self) -> tuple[TableRows, ...]:
        """What has been counted; the next transaction begins with nothing."""
        self._tables.clear()
        if not self.counts:
            return ()
        rows = tuple([TableRows(*key, *counts) for key, counts in self.counts.items()])
        self.counts.clear()
        return rows

    def handlers(self) -> dict[int, Callable[[bytes, int, int], None]]:
        """For whole events."""
        rows = {int(kind): self._handler(form) for kind, form in _FORMS.items()}
        return {int(Kind.TABLE_MAP): self._table_map, **rows}

    def openers(self) -> dict[int, Opener]:
        """For large events."""
        return {kind: self._opener(form) for kind, form in _FORMS.items()}

    def _table_map(self, buffer: bytes, begin: int, end: int) -> None:
        described = buffer[begin + 6 : end]
        layouts = self._known.get(described)
        if layouts is None:
            if len(self._known) > _MOST_TABLES:
                self._known.clear()
            layouts = self._known[described] = _Layouts.of(parse_table_map(described))
        self._tables[buffer[begin : begin + 6]] = layouts

    def _handler(self, form: _Form) -> Callable[[bytes, int, int], None]:
        tables, counts = self._tables, self.counts
        does, images, has_extra, compressed, partial = form

        def count(buffer: bytes, begin: int, end: int) -> None:
            layouts = tables.get(buffer[begin : begin + 6])
            at = begin + 8
            if has_extra:
                at += buffer[at] | buffer[at + 1] << 8
            if layouts is None:
                self._unknown(buffer, begin)
                return
            start = at + layouts.heads[images]
            head = buffer[at:start]
            plan = layouts.plans[partial].get(head) or layouts.plan(head, form)
            counted = counts.get(layouts.table.key)
            if counted is None:
                counted = counts[layouts.table.key] = [0, 0, 0, 0]
            try:
                rows = _compressed_rows(plan, buffer, start, end) if compressed else plan.count(buffer, start, end)
            except RowsDamagedError:
                if not layouts.table.uncertain:
                    raise
                counted[_UNCOUNTED] += 1
            else:
                counted[does] += rows

        return count

    def _opener(self, form: _Form) -> Opener:
        def opened(buffer: bytes, begin: int, end: int, _: Head) -> Sink:
            layouts = self._tables.get(buffer[begin : begin + 6])
            if layouts is None:
                raise ValueError(f"its table, number {_number(buffer, begin)}, has no table map")
            at = begin + 8
            if form.has_extra:
                at += buffer[at] | buffer[at + 1] << 8
            start = at + layouts.heads[form.images]
            stream = RowStream(layouts.plan(buffer[at:start], form))
            counted = self.counts.setdefault(layouts.table.key, [0, 0, 0, 0])
            sink = _LargeRows(stream, counted, form.does, uncertain=layouts.table.uncertain)
            if form.compressed:
                start = mariadb_compressed_start(buffer, start)
                sink.decompressor = zlib.decompressobj()
            sink.feed(memoryview(buffer)[start:end])
            return sink

        return opened

    def _unknown(self, buffer: bytes, begin: int) -> None:
        if buffer[begin : begin + 6] != _DUMMY:
            raise ValueError(f"its table, number {_number(buffer, begin)}, has no table map")


def _number(buffer: bytes, begin: int) -> int:
    return int.from_bytes(buffer[begin : begin + 6], "little")


def _compressed_rows(plan: Plan, buffer: bytes, start: int, end: int) -> int:
    data = buffer[mariadb_compressed_start(buffer, start) : end]
    stream = zlib.decompressobj()
    rows = stream.decompress(data, _PIECE)
    if not stream.unconsumed_tail:
        rows += stream.flush()
        if not stream.eof:
            raise ValueError("its compressed rows are cut off")
        return plan.count(rows, 0, len(rows))
    counting = RowStream(plan)
    while rows:
        counting.feed(rows)
        rows = stream.decompress(stream.unconsumed_tail, _PIECE)
    if not stream.eof:
        raise ValueError("its compressed rows are cut off")
    return counting.close()


@dataclass
class _LargeRows:
    """Takes the rows of a large event in pieces."""

    stream: RowStream
    counted: list[int]
    does: int
    uncertain: bool
    decompressor: zlib._Decompress | None = None

    def feed(self, data: memoryview) -> None:
        if self.does == _UNCOUNTED:
            return
        try:
            self._take(data)
        except RowsDamagedError:
            self._give_up()

    def _take(self, data: memoryview) -> None:
        if self.decompressor is None:
            self.stream.feed(data)
            return
        piece = self.decompressor.decompress(data, _PIECE)
        while piece:
            self.stream.feed(piece)
            piece = self.decompressor.decompress(self.decompressor.unconsumed_tail, _PIECE)

    def close(self) -> None:
        if self.decompressor is not None and not self.decompressor.eof:
            raise ValueError("its compressed rows are cut off")
        try:
            rows = 1 if self.does == _UNCOUNTED else self.stream.close()
        except RowsDamagedError:
            self._give_up()
            rows = 1
        self.counted[self.does] += rows

    def _give_up(self) -> None:
        if not self.uncertain:
            raise  # noqa: PLE0704  (it is called while the error is handled)
        self.does, self.decompressor = _UNCOUNTED, None
