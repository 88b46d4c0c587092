"""Questions to production's own rows that an empty copy cannot answer: reads only, within a deadline, one at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from chom_pipelines.errors import ServerError
from chom_pipelines.migrations.findings import MigrationFinding, error, info, unknown
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Column, Difference, ForeignKey, Index, Table, TableName
from chom_pipelines.migrations.statements import Kind
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.identifiers import literal, qualified, quote

_SHOWN = 5
_TOO_LONG = {1969, 3024, 1317}
"""A statement was ended by its limit: max_statement_time, max_execution_time."""
_MOST_COUNTED = 1000
_WIDENED = {("utf8mb3", "utf8mb4"), ("utf8", "utf8mb4"), ("latin1", "utf8mb4"), ("ascii", "utf8mb4")}
"""Character sets of which the second has all that the first has."""


@dataclass(frozen=True)
class Probe:
    """A query that names offending rows, at most some of them; none where the statement can be done."""

    code: str
    sql: str
    what: str
    """With `{found}` for what was found."""
    why: str
    remedy: str
    object: str
    step: Step
    harmless: str = ""
    """What to say, for information, where nothing was found; "" for nothing."""
    unaskable: str = ""
    """Why production's rows of now do not answer it; "" where they do."""


def check_rows(
    session: Session, steps: Sequence[Step], production: Production, seconds: float
) -> Iterator[MigrationFinding]:
    """Ask what the statements make necessary, for at most so many seconds; what was not asked is not verified."""
    give_up = time.monotonic() + seconds
    probes = list(_probes(steps, production))
    try:
        for probe in probes:
            yield from _asked(session, probe, production, give_up - time.monotonic())
    finally:
        with suppress(ServerError):
            _limit(session, production, 0)


def _asked(session: Session, probe: Probe, production: Production, seconds: float) -> Iterator[MigrationFinding]:
    place = {"migration": probe.step.migration, "statement": probe.step.statement.short(), "object": probe.object}
    if probe.unaskable:
        remedy = "check with --deep, which runs it on the rows of the latest backup"
        yield unknown(probe.code, f"{probe.object} was not asked: {probe.unaskable}", remedy=remedy, **place)
        return
    if seconds <= 0:
        yield unknown(probe.code, f"{probe.object} was not asked: the time for questions to rows is over", **place)
        return
    try:
        _limit(session, production, seconds)
        rows = session.rows(probe.sql)
    except ServerError as refused:
        why = "it took too long" if error_number(refused) in _TOO_LONG else refused.what
        remedy = f"ask it at a quiet time, or on a replica:\n{probe.sql}"
        yield unknown(probe.code, f"{probe.object} could not be asked: {why}", remedy=remedy, **place)
        return
    if rows:
        found = "; ".join(", ".join(map(_shown, row)) for row in rows[:_SHOWN])
        evidence = {"query": probe.sql, "rows": [[_shown(value) for value in row] for row in rows[:_SHOWN]]}
        yield error(
            probe.code,
            probe.what.replace("{found}", found),
            why=probe.why,
            remedy=probe.remedy,
            evidence=evidence,
            **place,
        )
    elif probe.harmless:
        yield info(probe.code, probe.harmless, evidence={"query": probe.sql}, **place)


def _limit(session: Session, production: Production, seconds: float) -> None:
    if production.facts.is_mariadb:
        session.execute(f"SET SESSION max_statement_time = {max(seconds, 0):.3f}")
    else:
        session.execute(f"SET SESSION max_execution_time = {max(int(seconds * 1000), 0)}")


def _shown(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004  (of a key, to be recognised)


def _probes(steps: Sequence[Step], production: Production) -> Iterator[Probe]:
    changed: dict[TableName, str] = {}
    names: dict[TableName, dict[str, str]] = {}
    for step in steps:
        for found in step.differences:
            live = production.shape.tables.get(found.before.name) if found.before else None
            if found.before is None or live is None:
                continue
            if found.after is None:
                if step.statement.kind is not Kind.DATABASE:  # which is told as such
                    yield _of_dropped(step, live)
                continue
            earlier = names.setdefault(live.name, {})
            former = {**earlier, **{new: earlier.get(old, old) for new, old in step.renamed.items()}}
            asked = (
                *_of_columns(step, found, live),
                *_of_indexes(step, found, live, former),
                *_of_keys(step, found, live, production, changed),
                *_of_checks(step, found, live),
            )
            # what the rows will be after a statement has changed them, the rows of now do not tell
            for each in asked:
                yield (
                    each
                    if each.unaskable or each.code == "DS03"
                    else replace(each, unaskable=changed.get(live.name, ""))
                )
            names[live.name] = former
        if step.statement.kind in {Kind.CHANGE, Kind.TRUNCATE} and step.statement.table:
            changed[step.statement.table] = f"a statement before changes these rows ({step.statement.short(60)})"


def _of_dropped(step: Step, live: Table) -> Probe:
    return Probe(
        "DS02",
        _counted(qualified(*live.name)),
        f"{live.label} is dropped, and has at least {{found}} rows",
        "they are gone, and the code that runs until the deploy is through uses them",
        "stop using it, deploy that, and drop it with the next deploy; `chom backup` first",
        live.label,
        step,
        harmless=f"{live.label} is dropped, and has no rows",
    )


def _of_columns(step: Step, found: Difference, live: Table) -> Iterator[Probe]:
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
                    _counted(f"{table} WHERE {quote(name)} IS NOT NULL"),
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
                _counted(f"{table} WHERE {quote(name)} IS NULL"),
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


def _counted(rows: str) -> str:
    """How many there are, up to some number; no row where there are none."""
    return f"SELECT COUNT(*) FROM (SELECT 1 FROM {rows} LIMIT {_MOST_COUNTED}) f HAVING COUNT(*) > 0"


def _narrowed(step: Step, live: Table, old: Column, new: Column) -> Iterator[Probe]:
    table, name, label = qualified(*live.name), quote(old.name), f"{live.label}.{old.name}"
    key = _key_of(live)
    why, remedy = "the statement fails, or the values are cut", "shorten or correct these rows first"
    if removed := [each for each in old.members if new.members and each not in new.members]:
        listed = ", ".join(map(literal, removed))
        sql = f"SELECT {key}, {name} FROM {table} WHERE {name} IN ({listed}) LIMIT {_SHOWN}"
        yield Probe("DS06", sql, f"{label} loses values that rows have: {{found}}", why, remedy, label, step)
    if old.length is not None and new.length is not None and new.length < old.length:
        measure = "LENGTH" if "text" in new.base_type or "binary" in new.base_type else "CHAR_LENGTH"
        sql = f"SELECT {key}, {measure}({name}) FROM {table} WHERE {measure}({name}) > {new.length} LIMIT {_SHOWN}"
        yield Probe(
            "DD04", sql, f"{label} becomes {new.type}, and has longer values: {{found}}", why, remedy, label, step
        )
    limits, former = new.integers, old.integers
    if limits and former and (limits[0] > former[0] or limits[1] < former[1]):
        sql = f"SELECT {key}, {name} FROM {table} WHERE {name} < {limits[0]} OR {name} > {limits[1]} LIMIT {_SHOWN}"
        yield Probe(
            "DD04", sql, f"{label} becomes {new.type}, and has values beyond: {{found}}", why, remedy, label, step
        )
    if limits and not former:
        sql = (
            f"SELECT {key}, {name} FROM {table} WHERE {name} IS NOT NULL"
            f" AND CAST({name} AS CHAR) NOT REGEXP '^-?[0-9]+$' LIMIT {_SHOWN}"
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


def _of_indexes(step: Step, found: Difference, live: Table, former: Mapping[str, str]) -> Iterator[Probe]:
    if found.before is None or found.after is None:
        return
    there = {each.columns for each in found.before.indexes.values() if each.unique}
    for index in found.after.indexes.values():
        before = tuple(_called(each, step.renamed) for each in index.columns)
        if index.unique and before not in there:
            yield from _unique(step, found.after, index, live, former)


def _called(part: str, renamed: Mapping[str, str]) -> str:
    """A column of an index, or the beginning of one, by its former name."""
    name, colon, length = part.partition(":")
    return f"{renamed.get(name, name)}{colon}{length}"


def _unique(step: Step, table: Table, index: Index, live: Table, former: Mapping[str, str]) -> Iterator[Probe]:
    label = f"{live.label}.{index.name}"
    columns = [_called(each, former) for each in index.columns]
    new = [each for each, old in zip(index.names, columns, strict=True) if old.partition(":")[0] not in live.columns]
    if any(
        each in table.columns and table.columns[each].default is None and table.columns[each].nullable for each in new
    ):
        return  # NULL in every row, and NULLs are not alike
    if any(table.columns[each].counts for each in new if each in table.columns):
        return  # numbers are given to the rows
    old = [each for each in columns if each.partition(":")[0] in live.columns]
    what, remedy = "rows are alike: {found}", "remove or change all but one row of each"
    if not old:
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {qualified(*live.name)} LIMIT 2) f HAVING COUNT(*) > 1"
        what, remedy = "every row gets the same value", "add it nullable, fill it, and then add the index"
    else:
        parts = [
            f"LEFT({quote(each.partition(':')[0])}, {each.partition(':')[2]})" if ":" in each else quote(each)
            for each in old
        ]
        there = " AND ".join(f"{quote(each.partition(':')[0])} IS NOT NULL" for each in old)
        listed = ", ".join(parts)
        sql = (
            f"SELECT {listed}, COUNT(*) FROM {qualified(*live.name)} WHERE {there} GROUP BY {listed}"
            f" HAVING COUNT(*) > 1 LIMIT {_SHOWN}"
        )
        remedy += f":\n{sql}"
    yield Probe(
        "DD01",
        sql,
        f"{label} is to be unique on {', '.join(index.names)}, and {what}",
        "the statement fails, and the deploy stops half-way",
        remedy,
        label,
        step,
    )


def _of_keys(
    step: Step, found: Difference, live: Table, production: Production, changed: Mapping[TableName, str]
) -> Iterator[Probe]:
    if found.before is None or found.after is None:
        return
    for name, key in found.after.foreign_keys.items():
        if name in found.before.foreign_keys or any(each not in live.columns for each in key.columns):
            continue
        parent = production.shape.tables.get(key.parent)
        if parent is not None and any(each not in parent.columns for each in key.parent_columns):
            continue
        yield replace(_orphans(step, live, key, there=parent is not None), unaskable=changed.get(key.parent, ""))


def _orphans(step: Step, live: Table, key: ForeignKey, *, there: bool) -> Probe:
    child = ", ".join(f"c.{quote(each)}" for each in key.columns)
    filled = " AND ".join(f"c.{quote(each)} IS NOT NULL" for each in key.columns)
    pairs = zip(key.columns, key.parent_columns, strict=True)
    same = " AND ".join(f"p.{quote(theirs)} = c.{quote(ours)}" for ours, theirs in pairs)
    # a parent table that is not there yet has no rows
    none = f" AND NOT EXISTS (SELECT 1 FROM {qualified(*key.parent)} p WHERE {same})" if there else ""
    sql = f"SELECT {child} FROM {qualified(*live.name)} c WHERE {filled}{none} LIMIT {_SHOWN}"
    label = f"{live.label}.{key.name}"
    return Probe(
        "FK04",
        sql,
        f"rows of {live.label} have no parent in {'.'.join(key.parent)}: {', '.join(key.columns)} = {{found}}",
        "the statement fails, and the deploy stops half-way",
        f"set them NULL, or delete them, after you have looked at them:\n{sql}",
        label,
        step,
    )


def _of_checks(step: Step, found: Difference, live: Table) -> Iterator[Probe]:
    if found.before is None or found.after is None:
        return
    for name, clause in found.after.checks.items():
        if name in found.before.checks or any(
            f"`{each}`" in clause for each in found.after.columns.keys() - live.columns.keys()
        ):
            continue
        text = clause.replace("\\'", "'")  # MySQL shows its quotes escaped
        sql = f"SELECT {_key_of(live)} FROM {qualified(*live.name)} WHERE NOT ({text}) LIMIT {_SHOWN}"
        label = f"{live.label}.{name}"
        yield Probe(
            "DD06",
            sql,
            f"rows of {live.label} are not as the check {name} wants them: {{found}}",
            "the statement fails, and the deploy stops half-way",
            f"correct them first:\n{sql}",
            label,
            step,
        )


def _key_of(table: Table) -> str:
    """What tells a row, to be shown."""
    primary = table.indexes.get("PRIMARY")
    return ", ".join(map(quote, primary.names)) if primary else "'row'"
