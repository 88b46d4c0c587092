"""What of some rows was not stored as it was dumped, decided by reading them back: a warning alone decides nothing.

Servers warn of a generated column whose expression cannot make sense of a row, of a hidden column that only an index
knows, of a value that they then store as it is; the source warned of the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from chom_pipelines.logical.queries import Reading, reading
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.repository.payloads import Part
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.wire import Block, ExpectedCounts, UnfitRowError, rendered_rows, separate_rows

_NAMED_ROWS = 3
_LONGEST_FIELD = 60
_ANYTHING = ExpectedCounts(0, counts_separators=False, counts_backslashes=False)


@dataclass(frozen=True)
class ReadBack:
    """Some ranges of a table on the target; `packet` is its max_allowed_packet, bytes.

    The session is set up like a dump's, with `logical.snapshot.STATEMENTS`.
    """

    session: Session
    table: TableInfo
    parts: Sequence[Part]
    packet: int

    def is_as_dumped(self) -> bool:
        """True where every range has the digest that it had in the source, or that a restored copy of it has."""
        wanted = (part.restored or part.digest for part in self.parts)
        return all(self._digest(how) == digest for how, digest in zip(self._readings(), wanted, strict=True))

    def losses(self, dumped: Iterable[bytes], missing: int) -> str:
        """What is not as in the text that was dumped, by column, with the keys of the first rows.

        `missing` is how many of its rows are not there.
        """
        found = chain.from_iterable(map(self._separate, self._readings()))
        return described(self.table, _lines(dumped), _lines(block.data for block in found), missing)

    def _readings(self) -> Iterator[Reading]:
        table = replace(self.table, rows=0)  # not called wide then: the server renders all that it can
        return (reading(table, Range(part.lower, part.upper), self.packet) for part in self.parts)

    def _separate(self, how: Reading) -> Iterator[Block]:
        return separate_rows(self.session, how.separate, how.escaped)

    def _digest(self, how: Reading) -> str:
        try:
            return _sha256(rendered_rows(self.session, how.attempts[-1].sql, _ANYTHING, self.session.interrupt))
        except UnfitRowError:
            return _sha256(self._separate(how))


def _sha256(blocks: Iterable[Block]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block.data)
    return digest.hexdigest()


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, each without its newline; values have none, as theirs are escaped."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def described(table: TableInfo, dumped: Iterator[bytes], found: Iterator[bytes], missing: int) -> str:
    """Compare lines in the order of the key, in which a row that is missing leaves the others as they are."""
    names = [column.name for column in table.columns]
    keyed = {column.name for column in table.key} or set(names)
    key = [number for number, name in enumerate(names) if name in keyed]
    counts: Counter[str] = Counter()
    rows: defaultdict[str, list[str]] = defaultdict(list)

    def note(what: str, fields: list[bytes]) -> None:
        counts[what] += 1
        if len(rows[what]) < _NAMED_ROWS:
            rows[what].append(", ".join(f"{names[at]} {_shown(fields[at])}" for at in key))

    there = next(found, None)
    for line in dumped:
        fields, other = line.split(b"\t"), [] if there is None else there.split(b"\t")
        if there is None or (missing and [fields[at] for at in key] != [other[at] for at in key]):
            missing -= 1
            note("missing", fields)
            continue
        for name, before, after in zip(names, fields, other, strict=True):
            if before != after:
                note(f"with another {quote(name)}", fields)
        there = next(found, None)
    return "; ".join(_count(count, what, rows[what]) for what, count in counts.items())


def _count(count: int, what: str, rows: list[str]) -> str:
    more = ", …" if count > len(rows) else ""
    return f"{count} row{'s' if count > 1 else ''} {what} ({'; '.join(rows)}{more})"


def _shown(field: bytes) -> str:
    text = field.decode(errors="backslashreplace")
    return text if len(text) <= _LONGEST_FIELD else text[:_LONGEST_FIELD] + "…"
