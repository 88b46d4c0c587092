"""What it means where the server has refused a statement on the copy. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.migrations.findings import MigrationFinding, error, unknown
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.rows_seen import readers
from chom_pipelines.migrations.sources import Ran, Run


@dataclass(frozen=True)
class _Meaning:
    code: str
    what: str
    remedy: str


_GUARD = "guard it (Schema::hasTable, Schema::hasColumn, IF NOT EXISTS), or correct the order of the migrations"
_MEANINGS = {
    1050: _Meaning("NM01", "a table or view of that name is there already", _GUARD),
    1051: _Meaning("NM01", "there is no such table", _GUARD),
    1146: _Meaning("NM01", "there is no such table", _GUARD),
    1060: _Meaning("NM02", "the table has such a column already", _GUARD),
    1054: _Meaning("NM02", "there is no such column", _GUARD),
    1072: _Meaning("NM02", "a key names a column that is not there", "add the column first"),
    1091: _Meaning("NM03", "there is no column, key or constraint of that name to drop", _GUARD),
    1176: _Meaning("NM03", "there is no key of that name", _GUARD),
    1061: _Meaning("NM03", "the table has a key of that name already", "give the key a name of its own"),
    1826: _Meaning("NM04", "a table of the database has a constraint of that name already", "name it otherwise"),
    3822: _Meaning("NM04", "a table of the database has a check of that name already", "name it otherwise"),
    1059: _Meaning(
        "NM05", "a name is longer than 64 characters", "name it yourself: ->index(['a', 'b'], 'short_name')"
    ),
    1064: _Meaning("NM07", "the server does not understand it", "quote names that are reserved words on this version"),
    1824: _Meaning("FK01", "the parent table is not there", "create it in an earlier migration"),
    3780: _Meaning(
        "FK02",
        "the column and the one that it refers to are of different types",
        "foreignId() goes with id(), unsignedInteger() with increments(); character sets have to be the same, too",
    ),
    1822: _Meaning("FK03", "the column that it refers to begins no key", "make that column unique, or its primary key"),
    6125: _Meaning("FK03", "the column that it refers to is not unique", "make that column unique, or its primary key"),
    1553: _Meaning("FK05", "a foreign key needs that index", "drop the foreign key first"),
    1828: _Meaning("FK05", "a foreign key needs that column", "drop the foreign key first"),
    1829: _Meaning("FK05", "a foreign key of another table needs that column", "drop the foreign key first"),
    1832: _Meaning("FK05", "a foreign key needs that column as it is", "drop the foreign key first, and add it again"),
    1833: _Meaning("FK05", "another table's foreign key needs that column as it is", "drop that key, and add it again"),
    3730: _Meaning("FK05", "a foreign key of another table refers to it", "drop that foreign key first"),
    1451: _Meaning("FK05", "a foreign key of another table refers to it", "drop that foreign key first"),
    1701: _Meaning("FK05", "a foreign key refers to it, so that it cannot be truncated", "delete its rows"),
    1071: _Meaning("DD05", "a key would be longer than the server allows", "index a prefix, or a shorter column"),
    1118: _Meaning("DD05", "a row would be longer than the server allows", "make large columns TEXT or BLOB"),
    1067: _Meaning("DD03", "the default is none of that type under this sql_mode", "give a default that is"),
    1101: _Meaning("DD03", "a column of that type can have no such default", "leave the default out"),
    1171: _Meaning("DD02", "a primary key's columns cannot be NULL", "make them NOT NULL"),
    1075: _Meaning("QL01", "a column that counts has to be a key", "add the key in the same statement"),
    1418: _Meaning(
        "RN02",
        "the binary log does not take such a function",
        "declare it DETERMINISTIC, NO SQL or READS SQL DATA, as far as that is true",
    ),
    1674: _Meaning("RN02", "the binary log could not take it", "give the value from the application"),
    3750: _Meaning("QL01", "the server wants a primary key in every table", "add one"),
}
_OPAQUE = {
    150: _Meaning(
        "FK02",
        "the foreign key does not fit: the parent is not there, its column begins no key, or the types differ",
        "compare both columns' types, signs and character sets; foreignId() goes with id()",
    ),
    121: _Meaning("NM04", "a constraint of that name is in another table of the database already", "name it otherwise"),
}
_KEY_DOES_NOT_FIT = 150
_REFERENCES = re.compile(
    r"REFERENCES\s+(?P<parent>`?[\w$]+`?(?:\.`?[\w$]+`?)?)\s*\(\s*(?P<column>`?[\w$]+`?)", re.IGNORECASE
)
_NOT_FOLLOWED = "the migration check follows MySQL alone"
_NO_DATABASE = 1049
_BEYOND = {
    "CN04": "it uses a connection that is not MySQL's, which the check does not follow",
    "CN06": "it uses a database that the copy does not have: name it in `databases`, if it is on this server",
    "RN07": "it fails on the copy after it has looked for rows, of which that has none: check with --deep",
}
_CLASH = _Meaning("NM08", "another pending migration makes the same already", "leave it out of one of them")
_NAMED = re.compile(r"Duplicate (?:column|key) name '([^']+)'")
_ERRNO = re.compile(r"errno: (\d+)")


def failed_migrations(run: Run, steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """One error for each migration that failed, with the statement; those after the first may follow from it."""
    first, doubtful, reading = "", "", readers(run, production)
    for ran in run.ran:
        if not ran.failure:
            continue
        step = next((each for each in steps if each.migration == ran.migration.name and each.failure), None)
        found = _CLASH if step and _is_made_by_another(step, production) else _meaning(ran, step)
        why = f"the deploy stops here, with what came before it done: {_text(ran, step)}"
        if first:
            why += f"; this may follow from the failure of {first}"
        if code := _beyond_the_copy(ran, reading):
            yield unknown(code, _BEYOND[code], migration=ran.migration.name, evidence={"message": ran.failure})
            doubtful = doubtful or ran.migration.name
            continue
        label = ".".join(step.statement.table or ()) if step else ""
        if doubtful:
            why = f"it may follow from {doubtful}, which fails on the copy, and perhaps there alone: {_text(ran, step)}"
        yield (unknown if doubtful else error)(
            found.code,
            f"{label}: {found.what}" if label else found.what,
            why=why,
            remedy=found.remedy,
            migration=ran.migration.name,
            statement=step.statement.short() if step else "",
            object=label,
            evidence={"error": ran.number, "message": ran.failure, "file": str(ran.migration.file)},
        )
        first = first or ran.migration.name


def _beyond_the_copy(ran: Ran, reading: Collection[str]) -> str:
    """The code of a failure that is the copy's, and may not be production's; "" of others."""
    if _NOT_FOLLOWED in ran.failure:
        return "CN04"
    if ran.number == _NO_DATABASE:
        return "CN06"
    return "RN07" if ran.number is None and ran.migration.name in reading else ""


def _is_made_by_another(step: Step, production: Production) -> bool:
    """Whether what it meets is not production's, and so that of another pending migration."""
    table = step.statement.table
    live = production.shape.tables.get(table) if table else None
    if step.number == 1050:  # noqa: PLR2004  (the table is there already)
        return live is None
    name = _NAMED.search(step.failure)
    if name is None or step.number not in {1060, 1061}:
        return False
    return live is None or name[1] not in (live.columns if step.number == 1060 else live.indexes)  # noqa: PLR2004


def _meaning(ran: Ran, step: Step | None) -> _Meaning:
    number = ran.number or (step.number if step else None)
    if number == 1005 and (errno := _ERRNO.search(ran.failure)):  # noqa: PLR2004  (of MariaDB: cannot create table)
        known = _of_key(step) if step and int(errno[1]) == _KEY_DOES_NOT_FIT else None
        return known or _OPAQUE.get(
            int(errno[1]), _Meaning("RN01", "the server cannot create the table", "see its message")
        )
    if number is None:
        return _Meaning("RN03", "the migration itself failed, and not a statement of it", "see the place in its file")
    return _MEANINGS.get(number, _Meaning("RN01", f"the server refuses it, with error {number}", "see its message"))


def _of_key(step: Step) -> _Meaning | None:
    """What MariaDB's errno 150 stands for, by the foreign key and the schema before; None where that does not tell."""
    for found in _REFERENCES.finditer(step.statement.bare):
        parts = [each.strip("` ") for each in found["parent"].split(".")]
        database = parts[0] if len(parts) > 1 else step.statement.database
        parent = step.before.tables.get((database, parts[-1]))
        if parent is None and (database, parts[-1]) != step.statement.table:
            return _MEANINGS[1824]
        column = found["column"].strip("` ")
        if parent and not any(each.names[:1] == (column,) for each in parent.indexes.values()):
            return _MEANINGS[1822]
    return None


def _text(ran: Ran, step: Step | None) -> str:
    if step:
        return step.failure
    return " ".join(ran.failure.split())[:300]
