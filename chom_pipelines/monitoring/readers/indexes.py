"""Indexes: what they are for, and whether anything reads them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from chom_pipelines.errors import MissingPrivilegeError, ServerError
from chom_pipelines.monitoring.readers.index_needs import Shape, keys_of, needed
from chom_pipelines.monitoring.readers.index_reads import INDEX_READS, Reads, read_index_reads
from chom_pipelines.monitoring.readers.partitions import without_partition
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.visible import Visible, visible
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need, Wanted
from chom_pipelines.server.questions import current_account

INDEXES, INDEX_SIZES = "indexes", "index_sizes"
"""The capabilities, beside index_reads."""

_PRIVILEGE = Wanted(
    "REFERENCES",  # which gives away nothing of the rows; MySQL shows foreign keys to those with few others
    None,
    "sees indexes and foreign keys, which are missing without an error otherwise",
    ("SELECT",),
)
_PARTS = """
SELECT s.table_schema, s.table_name, s.index_name, s.seq_in_index, s.non_unique, s.index_type, s.column_name,
       s.sub_part, {expression}
FROM information_schema.statistics s WHERE s.table_schema IN {databases}
"""
_KEYS = """
SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name,
       k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name
FROM information_schema.key_column_usage k
WHERE k.referenced_table_name IS NOT NULL
  AND (k.table_schema IN {databases} OR k.referenced_table_schema IN {databases})
ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position
"""
_COUNTERS = """
SELECT c.table_schema, c.table_name, c.column_name FROM information_schema.columns c
WHERE c.extra LIKE '%auto_increment%' AND c.table_schema IN {databases}
"""
_SIZES = """
SELECT database_name, table_name, index_name, stat_value * @@innodb_page_size
FROM mysql.innodb_index_stats WHERE stat_name = 'size' AND database_name IN {databases}
"""
_SIZES_TABLE = "mysql.innodb_index_stats"
_NAMED = 3
_UNCOUNTED = frozenset({"FULLTEXT", "VECTOR"})
"""Neither server counts what is searched with these: 0 says nothing."""


@dataclass(frozen=True)
class Index:
    """One index of a table. `reads` is since the server counts, None where it does not tell.

    `is_needed`: it is the primary key, unique, or a foreign key or AUTO_INCREMENT rests on it, so that no count of
    reads condemns it.
    `columns` may be a prefix, as `name(10)`, or an expression, as `(lower(name))`. `bytes` is the server's estimate.
    """

    database: str
    table: str
    name: str
    columns: tuple[str, ...]
    is_unique: bool
    is_needed: bool
    reads: int | None
    bytes: int | None


def read_indexes(session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> Reading[tuple[Index, ...]]:
    """Every index of these databases, or of all (None) but the server's own; by database, table and name.

    The value holds the databases that the account sees whole; a Lack says what mends each thing that is not told.
    Raises nothing for what a server refuses.
    """
    return indexes_and_source(session, facts, databases)[0]


def indexes_and_source(
    session: Session, facts: ServerFacts, databases: Sequence[str] | None
) -> tuple[Reading[tuple[Index, ...]], str]:
    """As read_indexes, and what counts the reads: performance_schema, userstat; "": nothing does."""
    started = time.monotonic()
    try:
        seen = visible(session, facts, databases, INDEXES, _PRIVILEGE)
        if not seen.databases:
            value = None if seen.lacks else ()
            return Reading(INDEXES, value, time.monotonic() - started, lacks=seen.lacks), ""
        parts, complaints = _parts(session, facts, seen)
        found = list(_found(session, parts, seen))
        reads = read_index_reads(session, facts, seen)
        sizes = _sizes(session, seen, {(each.database, each.table) for each in found})
    except ServerError as error:
        return Reading(INDEXES, None, time.monotonic() - started, failure=error.what), ""
    lacks = (*seen.lacks, *reads.lacks, *((sizes,) if isinstance(sizes, Lack) else ()))
    missing = {lack.capability for lack in lacks}
    reading = Reading(
        INDEXES,
        tuple(_counted(found, reads, {} if isinstance(sizes, Lack) else sizes)),
        time.monotonic() - started,
        capabilities=tuple(name for name in (INDEXES, INDEX_READS, INDEX_SIZES) if name not in missing),
        lacks=lacks,
        failure=f"the server cannot tell the indexes of all tables: {'; '.join(complaints)}" if complaints else None,
    )
    return reading, reads.source


@dataclass(frozen=True)
class _Found:
    """An index without its counts."""

    database: str
    table: str
    name: str
    columns: tuple[str, ...]
    is_unique: bool
    is_needed: bool
    is_counted: bool


def _parts(session: Session, facts: ServerFacts, seen: Visible) -> tuple[list[Row], tuple[str, ...]]:
    """The parts of all indexes, in order, and what the server says of tables that it cannot open.

    Sorted here: for the server, `T` and `t` are alike.
    """
    expression = "s.expression" if facts.has_expression_indexes else "NULL"
    rows = session.rows(_PARTS.format(databases=seen.as_list, expression=expression))
    complaints = dict.fromkeys(message for _, _, message in session.warnings())
    return sorted(rows, key=lambda row: row[:4]), tuple(complaints)[:_NAMED]


def _found(session: Session, parts: Sequence[Row], seen: Visible) -> Iterator[_Found]:
    keys = keys_of(
        session.rows(_KEYS.format(databases=seen.as_list)),
        session.rows(_COUNTERS.format(databases=seen.as_list)),
    )
    for table, rows in groupby(parts, lambda row: (str(row[0]), str(row[1]))):
        indexes = [list(each) for _, each in groupby(rows, lambda row: str(row[2]))]
        names = needed(map(_shape, indexes), keys.get(table, ()))
        for each in indexes:
            _, _, name, _, non_unique, kind, *_ = each[0]
            yield _Found(
                *(*table, str(name), tuple(map(_words, each)), not int(non_unique)),
                is_needed=str(name) in names,
                is_counted=str(kind).upper() not in _UNCOUNTED,
            )


def _shape(parts: Sequence[Row]) -> Shape:
    whole = takewhile(lambda part: part[6] is not None and part[7] is None, parts)
    return Shape(str(parts[0][2]), not int(parts[0][4]), tuple(str(part[6]).casefold() for part in whole))


def _words(part: Row) -> str:
    *_, column, length, expression = part
    if column is None:
        return str(expression) if expression else "(an expression)"
    return f"{column}({length})" if length else str(column)


def _counted(found: Sequence[_Found], reads: Reads, sizes: Mapping[tuple[str, str, str], int]) -> Iterator[Index]:
    for each in found:
        place = each.database, each.table, each.name
        yield Index(
            *(*place, each.columns, each.is_unique, each.is_needed),
            reads=reads.of(*place) if each.is_counted else None,
            bytes=sizes.get(place),
        )


def _sizes(
    session: Session, seen: Visible, tables: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str, str], int] | Lack:
    """InnoDB's own estimates."""
    try:
        rows = session.rows(_SIZES.format(databases=seen.as_list))
    except MissingPrivilegeError:
        user, host = current_account(session)
        why = f"SELECT on {_SIZES_TABLE} is missing: it sees the sizes of indexes"
        return Lack(INDEX_SIZES, why, Need("SELECT", _SIZES_TABLE, "").grant(user, host))
    sizes: dict[tuple[str, str, str], int] = defaultdict(int)
    for database, table, index, size in rows:
        whole = str(table) if (database, table) in tables else without_partition(str(table))
        sizes[str(database), whole, str(index)] += int(size)
    return sizes
