"""The screen of tables: the largest ones, how fast they grow, what a rebuild could give back; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from chom_pipelines.log_lines import amount, size
from chom_pipelines.monitoring.console.screens import (
    BAD,
    DIM,
    DOUBT,
    UNKNOWN,
    WARN,
    grid,
    line,
    not_known,
    title,
    why_not,
)
from chom_pipelines.monitoring.readers.auto_increment import Counter
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.tables import TableSize

_MOST = 25
_SPACIOUS = 0.2  # of a table, from where on a rebuild is worth a thought
_LEAST = 64 << 20
_FULL, _VERY_FULL = 0.7, 0.9


@dataclass(frozen=True)
class Grown:
    """By how many bytes within a day, and within seven; None: the history does not reach back so far."""

    day: int | None
    week: int | None


@dataclass(frozen=True)
class Growth:
    """By database and table; `outlook` is for people, of the server as a whole."""

    by_table: Mapping[tuple[str, str], Grown]
    outlook: tuple[str, ...] = ()


def tables(
    reading: Reading[tuple[TableSize, ...]], growth: Growth | str, counters: Reading[tuple[Counter, ...]]
) -> list[RenderableType]:
    """Largest first. `growth` may be a text that says why it is not known."""
    if reading.value is None:
        return [not_known("the sizes of tables", why_not(reading))]
    if not reading.value:
        return [Text("There is no table.", style=DIM)]
    there = sorted(reading.value, key=lambda each: (-each.total, each.database, each.table))
    rows = [_row(each, growth) for each in there[:_MOST]]
    columns = ("size>", "index>", "+1 d>", "+7 d>", "free>", "rows>", "engine")
    whole = sum(each.total for each in there)
    drawn: list[RenderableType] = [
        line(f"{amount(len(there), 'table')}, {size(whole)} with indexes"),
        Text(),
        grid(columns, rows, last="table"),
    ]
    if len(there) > _MOST:
        rest = sum(each.total for each in there[_MOST:])
        drawn.append(line(f"and {amount(len(there) - _MOST, 'smaller table')}, {size(rest)}", DIM))
    if reading.failure:
        drawn.append(Text(reading.failure, style=BAD))
    drawn.append(line("free: what a rebuild could give back. rows: as the server estimates them.", DIM))
    if isinstance(growth, Growth):
        drawn += [Text(each) for each in growth.outlook]
    else:
        drawn.append(Text.assemble("growth: ", (UNKNOWN, DOUBT), f": {growth}"))
    drawn += _numbers(counters)
    spacious = [each for each in there if each.reclaimable >= max(_LEAST, _SPACIOUS * each.total)]
    if spacious:
        drawn.append(title("To review: each rebuilds a table, and takes as much room again while it does"))
        drawn += [line(f"  OPTIMIZE TABLE {each.database}.{each.table};", "bold") for each in spacious[:5]]
    return drawn


def _numbers(counters: Reading[tuple[Counter, ...]]) -> list[RenderableType]:
    """Columns that count, and are soon at their end."""
    if counters.value is None:
        return [not_known("how full counting columns are", why_not(counters))]
    full = [each for each in counters.value if each.used >= _FULL]
    if not full:
        return []
    shown: list[RenderableType] = [title("Soon out of numbers: make the column larger before inserts fail")]
    for each in full:
        style = BAD if each.used >= _VERY_FULL else WARN
        shown.append(line(f"  {each.database}.{each.table}.{each.column}  {each.used:.1%} are used", style))
    return shown


def _row(each: TableSize, growth: Growth | str) -> tuple[str | Text, ...]:
    known = {} if isinstance(growth, str) else growth.by_table
    grown = known.get((each.database, each.table), Grown(None, None))
    return (
        size(each.total),
        size(each.index),
        _signed(grown.day),
        _signed(grown.week),
        Text(size(each.reclaimable), style=WARN if each.reclaimable >= max(_LEAST, _SPACIOUS * each.total) else ""),
        f"{each.rows:,}",
        each.engine,
        f"{each.database}.{each.table}",
    )


def _signed(count: int | None) -> Text:
    if count is None:
        return Text("-", style=DOUBT)
    return Text("0" if not count else ("-" if count < 0 else "+") + size(abs(count)))
