"""What is wrong, or dangerous, in what a statement does to the schema. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from chom_pipelines.migrations.findings import MigrationFinding, error, warning
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Column, Difference, Index, Table
from chom_pipelines.migrations.statement_checks import check_statement
from chom_pipelines.migrations.statements import Kind

_MONEY = ("price", "amount", "total", "cost", "balance", "salary", "fee", "tax")
_TWO_PHASES = "stop using it, deploy that, and drop it with the next deploy; `chom backup` first"


def check_structure(steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """Of every statement, in order."""
    for step in steps:
        yield from check_statement(step, production)
        for found in step.differences:
            for finding in _difference(step, found, production):
                yield _placed(finding, step)
    yield from _mixed(steps)


def _placed(finding: MigrationFinding, step: Step) -> MigrationFinding:
    return replace(finding, migration=step.migration, statement=step.statement.short())


def _difference(step: Step, found: Difference, production: Production) -> Iterator[MigrationFinding]:
    before, after = found.before, found.after
    if before is None and after is not None:
        yield from _created(after)
    elif before is not None and after is not None:
        if step.statement.kind in {Kind.CREATE, Kind.RENAME} and before.name == after.name:
            yield from _replaced(before, production)
        yield from _renamed(before, after, production)
        yield from _columns(before, after, production, step.renamed)
        yield from _indexes(before, after, production)
        yield from _keys(before, after, production)
        if after.engine != before.engine:
            yield from _engine(after)
            if after.engine == "MEMORY" and production.size(before.name).rows:
                what = f"the rows of {before.label} go into memory, and are gone when the server restarts"
                yield error("DS02", what, remedy="ENGINE=InnoDB", object=before.label)


def _created(table: Table) -> Iterator[MigrationFinding]:
    if not any(index.name == "PRIMARY" for index in table.indexes.values()):
        yield warning(
            "QL01",
            f"{table.label} has no primary key",
            why="replication by row searches the whole table for each change, and backups cannot divide it",
            remedy="add an id",
            object=table.label,
        )
    yield from _engine(table)
    for column in table.columns.values():
        yield from _quality(table, column)
    yield from _same_columns(table, list(table.indexes.values()))


def _engine(table: Table) -> Iterator[MigrationFinding]:
    if table.engine != "InnoDB":
        why = "it is no part of transactions and of consistent backups"
        yield warning(
            "QL02", f"{table.label} is of {table.engine}", why=why, remedy="ENGINE=InnoDB", object=table.label
        )


def _quality(table: Table, column: Column) -> Iterator[MigrationFinding]:
    name = f"{table.label}.{column.name}"
    if column.base_type in {"float", "double"} and any(each in column.name.lower() for each in _MONEY):
        yield warning(
            "QL03", f"{name} is {column.type}", why="sums of money become inexact", remedy="DECIMAL(19, 4)", object=name
        )
    if (column.collation or "").startswith("utf8mb3") or (column.collation or "").startswith("utf8_"):
        yield warning(
            "QL05",
            f"{name} is of utf8mb3",
            why="it takes no emoji, and no rare characters",
            remedy="utf8mb4",
            object=name,
        )
    if (column.default or "").strip("'").startswith("0000-00-00"):
        yield warning(
            "QL04",
            f"the default of {name} is a date that is none",
            why="strict mode refuses it",
            remedy="NULL",
            object=name,
        )


def _replaced(table: Table, production: Production) -> Iterator[MigrationFinding]:
    if table.name in production.shape.tables:
        yield error(
            "DS02",
            f"another table takes the place of {table.label}, with other rows or none",
            why="the code that runs until the deploy is through does not find its rows",
            remedy=_TWO_PHASES,
            object=table.label,
        )


def _renamed(before: Table, after: Table, production: Production) -> Iterator[MigrationFinding]:
    if before.name != after.name and before.name in production.shape.tables:
        yield error(
            "BC01",
            f"{before.label} becomes {after.label}",
            why="the code that runs until the deploy is through, or is rolled back to, does not find it",
            remedy=f"keep a view of the old name: CREATE VIEW `{before.name[1]}` AS SELECT * FROM `{after.name[1]}`",
            object=before.label,
        )


def _columns(
    before: Table, after: Table, production: Production, renamed: Mapping[str, str]
) -> Iterator[MigrationFinding]:
    new = [after.columns[name] for name in after.columns if name not in before.columns and name not in renamed]
    live = production.shape.tables.get(before.name)
    for name, former in renamed.items():
        if live and former in live.columns:
            yield error(
                "BC02",
                f"{before.label}.{former} becomes {name}",
                why="the code that runs until the deploy is through uses the old name",
                remedy="add the new column, write both, copy the rows, read the new one, and drop the old one later",
                object=f"{before.label}.{former}",
            )
    for column in new:
        yield from _quality(after, column)
        yield from _new_column(before, column, production)
    for name in before.columns.keys() & after.columns.keys():
        removed = [each for each in before.columns[name].members if each not in after.columns[name].members]
        if removed and live and after.columns[name].members:
            yield warning(
                "DS06",
                f"{before.label}.{name} no longer takes {', '.join(removed)}",
                why="the code that runs until the deploy is through may still write them",
                remedy="keep the values until no code writes them",
                object=f"{before.label}.{name}",
            )


def _new_column(table: Table, column: Column, production: Production) -> Iterator[MigrationFinding]:
    rows = production.size(table.name).rows
    if column.nullable or column.default is not None or column.generated or column.counts or not rows:
        return
    name = f"{table.label}.{column.name}"
    yield warning(
        "BC03",
        f"{name} is NOT NULL and has no default",
        why="the code that runs until the deploy is through inserts rows without it, and is refused",
        remedy="give it a default, or make it nullable first",
        object=name,
    )
    yield warning(
        "DD03",
        f"the {rows:,} rows of {table.label} get the empty value of {column.type} in {column.name}",
        why="0, '' or a date that is none, which nobody has chosen",
        remedy="add it nullable, fill it in batches, and make it NOT NULL with the next deploy",
        object=name,
    )


def _indexes(before: Table, after: Table, production: Production) -> Iterator[MigrationFinding]:
    new = [after.indexes[name] for name in after.indexes if name not in before.indexes]
    gone = [before.indexes[name] for name in before.indexes if name not in after.indexes]
    kept = [index for index in after.indexes.values() if index not in new]
    for index in new:
        yield from _same_columns(after, [*kept, index], only=index)
    live = production.shape.tables.get(before.name)
    replaced = {each.columns for each in new}
    for index in gone:
        if not set(index.names) <= after.columns.keys() or index.columns in replaced:
            continue
        if live and index.name in live.indexes and index.visible:
            hide = "IGNORED" if production.facts.is_mariadb else "INVISIBLE"
            yield warning(
                "DS05",
                f"the index {index.name} of {before.label} is dropped, and was not hidden before",
                why="to make it again takes long, where a query turns out to need it",
                remedy=f"ALTER TABLE `{before.name[1]}` ALTER INDEX `{index.name}` {hide}; wait a day; then drop it",
                object=f"{before.label}.{index.name}",
            )


def _same_columns(table: Table, indexes: Sequence[Index], only: Index | None = None) -> Iterator[MigrationFinding]:
    for index in indexes:
        for other in indexes:
            covers = other.columns[: len(index.columns)] == index.columns and other.kind == index.kind
            if index is other or not covers or index.unique or only not in {None, index, other}:
                continue
            if index.columns == other.columns and index.name < other.name and not other.unique:
                continue  # of two that are alike one is told
            yield warning(
                "NM06",
                f"{index.name} of {table.label} has the columns that {other.name} begins with",
                why="each write maintains both, and reads need one",
                remedy=f"leave {index.name} out",
                object=f"{table.label}.{index.name}",
            )
            break


def _keys(before: Table, after: Table, production: Production) -> Iterator[MigrationFinding]:
    for name in before.foreign_keys.keys() - after.foreign_keys.keys():
        yield warning(
            "FK06",
            f"the foreign key {name} of {before.label} is dropped",
            why="rows without a parent are possible from then on",
            remedy="drop it only together with its column, or add it again",
            object=f"{before.label}.{name}",
        )
    live = production.shape.tables.get(before.name)
    rules = {(each.columns, each.parent): each.on_delete for each in live.foreign_keys.values()} if live else {}
    for name, key in after.foreign_keys.items():
        former = rules.get((key.columns, key.parent))
        is_new = key != before.foreign_keys.get(name)
        if is_new and former not in {None, key.on_delete} and key.on_delete in {"CASCADE", "SET NULL", "SET DEFAULT"}:
            yield warning(
                "FK08",
                f"{before.label}.{name} becomes ON DELETE {key.on_delete}, and was ON DELETE {former}",
                why="what deletes a parent then changes these rows as well, where it was refused before",
                remedy="see that no code relies on the refusal",
                object=f"{before.label}.{name}",
            )


def _mixed(steps: Sequence[Step]) -> Iterator[MigrationFinding]:
    kinds: dict[str, set[bool]] = {}
    for step in steps:
        table = step.statement.table
        if not step.migration or (step.statement.kind is Kind.CHANGE and table and table[1] == "migrations"):
            continue
        if step.statement.kind is Kind.CHANGE or step.differences:
            kinds.setdefault(step.migration, set()).add(step.statement.kind is Kind.CHANGE)
    for migration, both in kinds.items():
        if len(both) > 1:
            yield warning(
                "LK08",
                "the migration changes both structure and rows",
                why="neither can be rolled back with the other: where it fails between them, it is half done",
                remedy="make two migrations of it",
                migration=migration,
            )
