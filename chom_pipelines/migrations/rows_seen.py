"""What depends on rows that the copy does not have: it was not seen, and is not verified. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from chom_pipelines.migrations.findings import MigrationFinding, info, unknown
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.shapes import Table
from chom_pipelines.migrations.sources import Run
from chom_pipelines.migrations.statements import Kind, Statement

_DEEP = "check with --deep, which runs it on the rows of the latest backup"
_SHOWS_SCHEMA = re.compile(
    r"SHOW\s+(?:EXTENDED\s+)?(?:FULL\s+)?(?:CREATE|COLUMNS|FIELDS|INDEX|INDEXES|KEYS|TABLES|DATABASES|SCHEMAS|WARNINGS"
    r"|ERRORS|TRIGGERS|CHARACTER|COLLATION)\b|DESC(?:RIBE)?\b",
    re.IGNORECASE,
)
_LARAVELS_SIZE = re.compile(r"\(\s*data_length\s*\+\s*index_length\s*\)\s+as\s+`?size`?", re.IGNORECASE)
"""Which its Schema asks of every table together with the names, and does not use."""
_OF_SCHEMA = {
    *("tables", "columns", "statistics", "key_column_usage", "table_constraints", "referential_constraints"),
    *("schemata", "views", "check_constraints", "routines", "triggers", "parameters", "events"),
}
_OF_ROWS = {
    *("table_rows", "avg_row_length", "data_length", "max_data_length", "index_length", "data_free", "cardinality"),
    *("auto_increment", "create_time", "update_time", "check_time", "checksum"),
}
_OTHERS = {"performance_schema", "mysql", "sys"}
_SAME_VARIABLES = re.compile(
    r"(?:session\.|local\.|global\.)?(?:sql_mode|version\w*|character_set_\w+|collation_\w+|foreign_key_checks|unique_checks"
    r"|autocommit|lower_case_table_names|default_storage_engine|innodb_page_size|innodb_strict_mode|last_insert_id"
    r"|identity|row_count|found_rows|sql_require_primary_key|explicit_defaults_for_timestamp|warning_count|error_count)$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"@@([\w.`]+)")
_INFORMATION = re.compile(r"information_schema`?\s*\.\s*`?(\w+)", re.IGNORECASE)
_WHO = re.compile(r"\b(?:(?:CURRENT_|SESSION_|SYSTEM_)?USER\s*\(|CURRENT_USER\b)", re.IGNORECASE)
_ANY = {"view", "invalid view", "function", "procedure", "sequence", "package"}


def readers(run: Run, production: Production) -> dict[str, set[str]]:
    """The migrations that ask what the copy may answer otherwise than production, and what that is."""
    known = _with_rows(run, production)
    found: dict[str, set[str]] = {}
    for each in run.sent:
        if each.migration and (asked := set(_asked(each.statement, known))):
            found.setdefault(each.migration, set()).update(asked)
    return found


def _with_rows(run: Run, production: Production) -> dict[str, str]:
    """What has rows, or reads some, by the last part of its name in small letters."""
    found = {
        name[1].lower(): ".".join(name) for name, size in production.sizes.items() if size.rows and name != run.history
    }
    return found | {each.name.lower(): each.label for each in production.definitions if each.kind in _ANY}


def _asked(statement: Statement, known: Mapping[str, str]) -> Iterator[str]:
    """What a question, or a setting out of one, asks of rows, sizes or the server itself."""
    if statement.kind not in {Kind.READ, Kind.SET} or _SHOWS_SCHEMA.match(statement.plain):
        return
    text = _LARAVELS_SIZE.sub("size", statement.plain)
    if statement.verb == "SHOW":
        yield statement.short(60)
    if statement.kind is Kind.SET and "(" not in text:
        return  # it asks nothing
    schema = {each.lower() for each in _INFORMATION.findall(text)}
    if statement.kind is Kind.READ:
        yield from (each for each in _VARIABLE.findall(text) if not _SAME_VARIABLES.match(each.replace("`", "")))
        yield from (found.group().strip(" (").lower() for found in _WHO.finditer(text))
        yield from sorted(statement.names & _OTHERS) if "." in text else ()
    yield from (f"information_schema.{each}" for each in schema - _OF_SCHEMA)
    named = Statement(_INFORMATION.sub("schema", text)).names
    yield from sorted(_OF_ROWS & named) if schema else ()
    yield from (label for name, label in known.items() if name in named)


def check_rows_seen(run: Run, steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """Questions of which the copy has no rows, and changes of rows that were tried without them."""
    for migration, asked in readers(run, production).items():
        for each in sorted(asked):
            yield unknown(
                "RN04",
                f"{migration} reads {each}, of which the copy has no rows, or others than production",
                why="what it does with them was not seen",
                remedy=_DEEP,
                migration=migration,
                object=each,
            )
    known = _with_rows(run, production)
    for step in steps:
        if not step.failure and (doubt := _doubt(step, known, production)):
            told, why = doubt
            yield (unknown if told else info)(
                "RN06",
                f"{step.statement.verb} was tried on {'.'.join(step.statement.table or ())} without its rows",
                why=why,
                remedy=_DEEP,
                migration=step.migration,
                statement=step.statement.short(),
                object=".".join(step.statement.table or ()),
            )


def _doubt(step: Step, known: Mapping[str, str], production: Production) -> tuple[bool, str] | None:
    """Whether a change of rows may fail for what is there, and why; None where it changes nothing that is."""
    statement, table = step.statement, step.statement.table
    if table is None or (statement.kind is not Kind.CHANGE and not statement.selects):
        return None
    read = [label for name, label in known.items() if name in statement.names] if statement.selects else []
    if read and statement.verb in {"INSERT", "REPLACE", "CREATE"}:
        return True, f"rows of {', '.join(read)} may be alike, too long, or NULL, where that is not allowed"
    if not production.size(table).rows:
        return None
    live = production.shape.tables.get(table)
    if live and (keys := sorted(_in_the_way(statement, live, production))):
        return True, f"a row that is there, or one that another refers to, may stand in the way: {', '.join(keys)}"
    return False, "what it does to the rows was not seen"


def _in_the_way(statement: Statement, table: Table, production: Production) -> Iterator[str]:
    """Keys that the change may break."""
    fills = statement.fills
    if statement.verb == "DELETE":
        for child, key in production.shape.children_of(table.name):
            if production.size(child.name).rows:
                yield f"{child.label}.{key.name}"
        return
    forgiving = re.search(r"\bON\s+DUPLICATE\s+KEY\b|\bIGNORE\b", statement.plain, re.IGNORECASE)
    for index in table.indexes.values():
        if index.unique and not forgiving and _is_filled(index.names, statement, fills, table):
            yield index.name
    for key in table.foreign_keys.values():
        if _is_filled(key.columns, statement, fills, table) and production.size(key.parent).rows:
            yield key.name


def _is_filled(columns: Sequence[str], statement: Statement, fills: frozenset[str] | None, table: Table) -> bool:
    """Whether values come into all of a key's columns that are neither NULL nor numbers that the server gives."""
    if fills is None:
        return True
    left = [table.columns[each] for each in columns if each in table.columns and each.lower() not in fills]
    if statement.verb == "UPDATE":
        return len(left) < len(columns)
    return not any(each.counts or (each.nullable and each.default is None) for each in left)
