"""What a new unique index, foreign key or check asks of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from chom_pipelines.migrations.probes import SHOWN, Probe, key_of
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Difference, ForeignKey, Index, Table, TableName
from chom_pipelines.server.identifiers import qualified, quote


def of_indexes(step: Step, found: Difference, live: Table, former: Mapping[str, str]) -> Iterator[Probe]:
    """Rows that are alike where an index becomes unique."""
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
            f" HAVING COUNT(*) > 1 LIMIT {SHOWN}"
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


def of_keys(
    step: Step, found: Difference, live: Table, production: Production, changed: Mapping[TableName, str]
) -> Iterator[Probe]:
    """Rows without a parent."""
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
    sql = f"SELECT {child} FROM {qualified(*live.name)} c WHERE {filled}{none} LIMIT {SHOWN}"
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


def of_checks(step: Step, found: Difference, live: Table) -> Iterator[Probe]:
    """Rows that a check refuses."""
    if found.before is None or found.after is None:
        return
    for name, clause in found.after.checks.items():
        if name in found.before.checks or any(
            f"`{each}`" in clause for each in found.after.columns.keys() - live.columns.keys()
        ):
            continue
        text = clause.replace("\\'", "'")  # MySQL shows its quotes escaped
        sql = f"SELECT {key_of(live)} FROM {qualified(*live.name)} WHERE NOT ({text}) LIMIT {SHOWN}"
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
