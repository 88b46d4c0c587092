"""How many rows there are in a row event: it does not say, so that the rows' widths have to be added up.

A row is a bitmap of the columns that are NULL, and then the values of the others. What is the same for all rows with
the same bitmap is worked out once, as steps: so many bytes on, then a length of so many bytes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chom_pipelines.binlogs.format.events import lenenc
from chom_pipelines.binlogs.format.tables import Table, Width

_MOST_KNOWN = 4096  # bitmaps of NULLs whose steps are kept
_BITS = tuple(tuple(byte >> bit & 1 for bit in range(8)) for byte in range(256))


class RowsDamagedError(ValueError):
    """The rows of an event are not as wide as its table map says."""


class Steps(NamedTuple):
    """The way through one row."""

    short: tuple[int, ...]
    """Bytes on to a length of one byte; behind the first one, that byte is among them."""
    lengths: tuple[tuple[int, int], ...]
    """From the first longer length on: bytes on, and bytes of the length."""
    tail: int
    """Bytes behind the last length's value, or, where that is among the short ones, from the length on."""

    def pairs(self) -> Iterator[tuple[int, int]]:
        """All of them alike: bytes behind the last value, and bytes of the length that follows; 0 at the end."""
        length = 0
        for on in self.short:
            yield on - length, 1
            length = 1
        for on, prefix in self.lengths:
            yield on - length, prefix
            length = 0
        yield self.tail - length, 0


@dataclass(frozen=True)
class Image:
    """The columns of a row that are in an event; of an update there are two, before and after."""

    widths: tuple[Width, ...]
    json_columns: int | None = None
    """Of an image that may have parts of JSON values only: how many such columns the table has, perhaps none at all."""
    uncertain: bool = False
    known: dict[bytes, Steps] = field(default_factory=dict, compare=False, repr=False)

    @property
    def null_bytes(self) -> int:
        """The size of the bitmap."""
        return (len(self.widths) + 7) // 8

    def steps(self, nulls: bytes) -> Steps:
        """The way through a row with these columns NULL, from the bitmap's begin."""
        steps = self.known.get(nulls)
        if steps is None:
            if len(nulls) != self.null_bytes:
                raise RowsDamagedError("its last row is cut off")
            if len(self.known) > _MOST_KNOWN:
                self.known.clear()
            steps = self.known[nulls] = self._compiled(nulls)
        return steps

    def _compiled(self, nulls: bytes) -> Steps:
        unused = self.null_bytes * 8 - len(self.widths) if self.uncertain else 0
        if unused and nulls[-1] + (1 << 8 - unused) < 1 << 8:  # MariaDB sets the bits of no column
            raise RowsDamagedError("its rows are not as wide as its table map says")
        short: list[int] = []
        lengths: list[tuple[int, int]] = []
        on = self.null_bytes
        absent = (bit for byte in nulls for bit in _BITS[byte])
        for width, null in zip(self.widths, absent, strict=False):
            if null:
                continue
            if width.prefix == 1 and not lengths:
                short.append(on)
                on = 1
            elif width.prefix:
                lengths.append((on, width.prefix))
                on = 0
            else:
                on += width.fixed
        return Steps(tuple(short), tuple(lengths), on)


@dataclass(frozen=True)
class Plan:
    """How to count the rows of events with the same table and the same columns in it."""

    images: tuple[Image, ...]
    constant: int
    """Bytes of a row (of an update: of both images) where all have the same, else 0."""
    _prepared: tuple[tuple[dict[bytes, Steps], int, Image, int | None], ...]

    @staticmethod
    def of(images: Sequence[Image], *, varying: bool) -> Plan:
        """Make it; `varying` says that rows may differ in their widths."""
        if not any(image.widths for image in images):
            raise RowsDamagedError("there are no columns in it")
        constant = 0 if varying else sum(image.null_bytes + sum(w.fixed for w in image.widths) for image in images)
        prepared = ((image.known, image.null_bytes, image, image.json_columns) for image in images)
        return Plan(tuple(images), constant, tuple(prepared))

    def count(self, data: bytes, at: int, end: int) -> int:
        """Count the rows between two offsets. Raises RowsDamagedError where they do not end at `end`."""
        if self.constant:
            rows, rest = divmod(end - at, self.constant)
            if rest:
                raise RowsDamagedError("its rows are not as wide as its table map says")
            return rows
        rows = 0
        prepared = self._prepared
        try:
            while at < end:
                for known, null_bytes, image, json_columns in prepared:
                    if json_columns is not None:
                        at = _behind_partial_bits(data, at, json_columns)
                    nulls = data[at : at + null_bytes]
                    short, lengths, tail = known.get(nulls) or image.steps(nulls)
                    for on in short:
                        at += on
                        at += data[at]
                    for on, prefix in lengths:
                        at += on
                        at += int.from_bytes(data[at : at + prefix], "little") + prefix
                    at += tail
                rows += 1
        except IndexError:
            raise RowsDamagedError("its last row is cut off") from None
        if at != end:
            raise RowsDamagedError("its rows are not as wide as its table map says")
        return rows

    def counting(self) -> Generator[int, bytes, None]:
        """Count rows that come in pieces, for `RowStream`: ask for n bytes (n), or to skip them (-n); 0 after a row."""
        while True:
            for image in self.images:
                if image.json_columns is not None:
                    options = yield 1
                    if options[0] > 1:
                        raise RowsDamagedError(f"its rows have unknown options, {options[0]}")
                    if options[0] and image.json_columns:
                        yield -((image.json_columns + 7) // 8)
                nulls = (yield image.null_bytes) if image.null_bytes else b""
                on = -image.null_bytes
                for skipped, prefix in image.steps(nulls).pairs():
                    if on + skipped:
                        yield -(on + skipped)
                    on = int.from_bytes((yield prefix), "little") if prefix else 0
            yield 0


def _behind_partial_bits(data: bytes, at: int, json_columns: int) -> int:
    options, at = lenenc(data, at)
    if options > 1:
        raise RowsDamagedError(f"its rows have unknown options, {options}")
    return at + (json_columns + 7) // 8 if options else at


class RowStream:
    """Counts rows that come in pieces of any size, and holds none of them."""

    def __init__(self, plan: Plan) -> None:
        self.rows = 0
        self._counting = plan.counting()
        self._wanted = next(self._counting)
        self._held = b""
        self._between = True

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        at, end = 0, len(data)
        while True:
            wanted = self._wanted
            if wanted > 0:
                missing = wanted - len(self._held)
                self._held += bytes(data[at : at + missing])
                at += missing
                if at > end:
                    return
                self._between = False
                given, self._held = self._held, b""
                self._wanted = self._counting.send(given)
            elif wanted < 0:
                step = min(-wanted, end - at)
                at += step
                self._wanted += step
                if self._wanted:
                    return
                self._wanted = next(self._counting)
            else:
                self.rows += 1
                self._between = True
                self._wanted = next(self._counting)

    def close(self) -> int:
        """Return the number of rows. Raises RowsDamagedError where the last one is cut off."""
        if not self._between or self._held:
            raise RowsDamagedError("its last row is cut off")
        return self.rows


def plan_for(table: Table, bitmaps: Sequence[bytes], *, partial: bool) -> Plan:
    """The plan for a table's events with these columns present, in one image or in two.

    `partial` is that of PARTIAL_UPDATE_ROWS, whose second image may have parts of JSON values.
    """
    images: list[Image] = []
    for bitmap in bitmaps:
        present = [bit for byte in bitmap for bit in _BITS[byte]][: len(table.widths)]
        widths = tuple(width for width, there in zip(table.widths, present, strict=True) if there)
        images.append(Image(widths, table.json_columns if partial and images else None, table.uncertain))
    varying = table.nullable or table.uncertain or any(width.prefix for image in images for width in image.widths)
    varying |= any(image.json_columns is not None for image in images)
    return Plan.of(images, varying=varying)
