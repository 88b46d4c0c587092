"""What a change of a column asks of the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chom_pipelines.migrations.probes import SHOWN, Probe, counted, key_of
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Column, Difference, Table
from chom_pipelines.server.identifiers import literal, qualified, quote

_WIDENED = {("utf8mb3", "utf8mb4"), ("utf8", "utf8mb4"), ("latin1", "utf8mb4"), ("ascii", "utf8mb4")}
"""Character sets of which the second has all that the first has."""


def of_columns(step: Step, found: Difference, live: Table) -> Iterator[Probe]:
    """Of columns that are dropped, narrowed, or become NOT NULL."""
    before, after = found.before, found.after
    if before is None or after is None:
        return
    renamed = set(step.renamed.values())
    for name, column in before.columns.items():
        if name not in live.columns:
            continue
        table, label = qualified(*live.name), f"{live.label}.{name}"
        if name not in after.columns:
            if name not in renamed:
                yield Probe(
                    "DS03",
                    counted(f"{table} WHERE {quote(name)} IS NOT NULL"),
                    f"{label} is dropped, and has values in at least {{found}} rows",
                    "they are gone, and the code that runs until the deploy is through uses them",
                    "stop using it, deploy that, and drop it with the next deploy; `chom backup` first",
                    label,
                    step,
                    harmless=f"{label} is dropped, and is NULL in every row",
                )
            continue
        new = after.columns[name]
        if column.nullable and not new.nullable:
            yield Probe(
                "DD02",
                counted(f"{table} WHERE {quote(name)} IS NULL"),
                f"{label} becomes NOT NULL, and is NULL in at least {{found}} rows",
                "the statement fails, and the deploy stops half-way",
                f"UPDATE {table} SET {quote(name)} = ... WHERE {quote(name)} IS NULL LIMIT 1000; until no row is left",
                label,
                step,
            )
        yield from _narrowed(step, live, column, new)
        if not _is_safe(column, new) and not new.generated:
            why = f"whether each value of {column.type} is one of {new.type} was not asked"
            yield Probe("DD04", "", "", "", "", label, step, unaskable=why)


def _narrowed(step: Step, live: Table, old: Column, new: Column) -> Iterator[Probe]:
    table, name, label = qualified(*live.name), quote(old.name), f"{live.label}.{old.name}"
    key = key_of(live)
    why, remedy = "the statement fails, or the values are cut", "shorten or correct these rows first"
    if removed := [each for each in old.members if new.members and each not in new.members]:
        listed = ", ".join(map(literal, removed))
        sql = f"SELECT {key}, {name} FROM {table} WHERE {name} IN ({listed}) LIMIT {SHOWN}"
        yield Probe("DS06", sql, f"{label} loses values that rows have: {{found}}", why, remedy, label, step)
    if old.length is not None and new.length is not None and new.length < old.length:
        measure = "LENGTH" if "text" in new.base_type or "binary" in new.base_type else "CHAR_LENGTH"
        sql = f"SELECT {key}, {measure}({name}) FROM {table} WHERE {measure}({name}) > {new.length} LIMIT {SHOWN}"
        yield Probe(
            "DD04", sql, f"{label} becomes {new.type}, and has longer values: {{found}}", why, remedy, label, step
        )
    limits, former = new.integers, old.integers
    if limits and former and (limits[0] > former[0] or limits[1] < former[1]):
        sql = f"SELECT {key}, {name} FROM {table} WHERE {name} < {limits[0]} OR {name} > {limits[1]} LIMIT {SHOWN}"
        yield Probe(
            "DD04", sql, f"{label} becomes {new.type}, and has values beyond: {{found}}", why, remedy, label, step
        )
    if limits and not former:
        sql = (
            f"SELECT {key}, {name} FROM {table} WHERE {name} IS NOT NULL"
            f" AND CAST({name} AS CHAR) NOT REGEXP '^-?[0-9]+$' LIMIT {SHOWN}"
        )
        yield Probe(
            "DD04", sql, f"{label} becomes {new.type}, and has what is no number: {{found}}", why, remedy, label, step
        )


def _is_safe(old: Column, new: Column) -> bool:
    """Whether every value of the one is one of the other, or a query above asks for those that are not."""
    if (old.type, old.collation) == (new.type, new.collation):
        return True
    if old.integers or old.length is not None or old.members:
        text = (old.collation or "").partition("_")[0], (new.collation or "").partition("_")[0]
        same_text = text[0] == text[1] or text in _WIDENED
        same_order = (old.collation or "").partition("_")[2] == (new.collation or "").partition("_")[2]
        if new.integers:
            return True
        if new.length is not None:
            return not old.collation or (same_text and same_order)
        return bool(old.members and new.members and same_text and same_order)
    kinds = (old.base_type, new.base_type)
    if kinds == ("decimal", "decimal"):
        before, after = _digits(old), _digits(new)
        return after[0] - after[1] >= before[0] - before[1] and after[1] >= before[1]
    finer = kinds[0] == kinds[1] and kinds[0] in {"datetime", "timestamp", "time"} and len(new.type) >= len(old.type)
    return finer or kinds in {("float", "double"), ("date", "datetime")}


def _digits(column: Column) -> tuple[int, int]:
    found = re.search(r"\((\d+)(?:,(\d+))?\)", column.type)
    return (int(found[1]), int(found[2] or 0)) if found else (10, 0)
