"""Comparing a live table with its restored copy on the same server, row by row, by primary key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.restores.rescue_sql import Column, ColumnType, Rescue, script
from chom_pipelines.server.connection import Endpoint, Session


@dataclass(frozen=True)
class Rescued:
    """What the copy has and the live table has not, in rows, and the SQL that would put it back."""

    missing: int
    changed: int
    added: int
    sql: str


def refuse_incomparable(endpoint: Endpoint, live: tuple[str, str], restored: tuple[str, str]) -> None:
    """Raise RestoreRefusedError where the live table is gone or has no primary key, or the copy's name is taken."""
    with Session(endpoint) as session:
        if not _columns(session, live):
            what = f"there is no {'.'.join(live)} on {endpoint.where} that a copy could be compared with"
            remedy = "correct --table; one that is gone comes back as of then by `chom restore` with --tables"
            raise RestoreRefusedError(what, f"{remedy} and --as-database, or --into-server")
        if _columns(session, restored):
            what = f"{'.'.join(restored)} is there already on {endpoint.where}"
            remedy = "name another database for the copy with --into; or drop that, where it is of an earlier rescue"
            raise RestoreRefusedError(what, remedy)
        if not _key(session, live):
            what = f"{'.'.join(live)} has no primary key by which its rows could be told apart"
            raise RestoreRefusedError(what, "restore it beside the live one with chom restore, and compare yourself")


def compared(endpoint: Endpoint, live: tuple[str, str], restored: tuple[str, str], moment: str) -> Rescued:
    """Compare two tables (database, name); `moment` is what the copy is of, for people.

    Nothing is changed. Raises RestoreRefusedError where the live table is gone, or has no primary key by which rows
    could be told apart; the server's errors.
    """
    with Session(endpoint) as session:
        now = _columns(session, live)
        then = _columns(session, restored, spelled=now)
        label = ".".join(live)
        if not now:
            what = f"there is no {label} on {endpoint.where}; as of {moment} it stands in {'.'.join(restored)}"
            remedy = "take it from there, or restore the whole table as of then: chom restore with --at, --gtid or"
            raise RestoreRefusedError(what, f"{remedy} --before, --into-server and --tables {label}")
        key = _key(session, live)
        if not key or not set(key) <= set(then):
            what = f"{label} has no primary key by which its rows could be told apart"
            raise RestoreRefusedError(what, f"compare it with {'.'.join(restored)} yourself")
        both = tuple(Column(name, now[name], each) for name, each in then.items() if name in now)
        rescue = Rescue(live, restored, key, both, _collations(key, now, then))
        _refuse_other_keys(session, rescue, now, then)
        missing, changed, added = (
            int(session.value(query)) for query in (rescue.count_missing, rescue.count_changed, rescue.count_added)
        )
    notes = [f"columns that are in one of the tables only, and left out: {name}" for name in sorted({*now} ^ {*then})]
    notes += [
        f"{column.name} is a {column.live.type} and was a {column.restored.type}: by the time zone of the session that "
        "changed that, its values may be others"
        for column in both
        if {column.live.type, column.restored.type} == {"datetime", "timestamp"}
    ]
    return Rescued(missing, changed, added, script(rescue, moment, (missing, changed, added), notes))


def _collations(key: tuple[str, ...], now: dict[str, ColumnType], then: dict[str, ColumnType]) -> dict[str, str]:
    """Those of the live key's columns that have others in the copy."""
    texts = {name: (now[name].collation, then[name].collation) for name in key}
    return {name: live for name, (live, restored) in texts.items() if live and restored and live != restored}


def _refuse_other_keys(
    session: Session, rescue: Rescue, now: dict[str, ColumnType], then: dict[str, ColumnType]
) -> None:
    """Raise RestoreRefusedError where rows of the copy are not told apart as those of the live table are."""
    keys = _key(session, rescue.live), _key(session, rescue.restored, spelled=then)
    for column in rescue.columns:
        if column.name in rescue.key and not column.is_alike:
            what = f"the key column {column.name} of {'.'.join(rescue.live)} is of the type {column.live.type}, and in "
            what += f"the copy {'.'.join(rescue.restored)} it is of {column.restored.type}"
            raise RestoreRefusedError(what, "compare the two yourself; the copy stays where it is")
    if not rescue.collations and keys[0] == keys[1]:
        return
    narrow = [name for name in rescue.collations if now[name].charset not in {then[name].charset, "utf8mb4"}]
    if not narrow and not int(session.value(rescue.count_ambiguous)):
        return
    if not rescue.collations:
        what = f"the primary key of {'.'.join(rescue.live)} is ({', '.join(keys[0])}), and in the copy it is "
        what += f"({', '.join(keys[1])}): several of its rows are one to the live table"
        raise RestoreRefusedError(what, "compare the two yourself; the copy stays where it is")
    name = (narrow or list(rescue.collations))[0]
    what = (
        f"the key column {name} of {'.'.join(rescue.live)} is of the collation {now[name].collation}, and in the copy "
        f"{'.'.join(rescue.restored)} it is of {then[name].collation}: "
    )
    why = "not every key can be converted" if narrow else "keys that the copy tells apart are one to the live table"
    raise RestoreRefusedError(what + why, "compare the two yourself; the copy stays where it is")


def _columns(session: Session, table: tuple[str, str], spelled: Iterable[str] = ()) -> dict[str, ColumnType]:
    """All columns but the generated ones, in their order; none where there is no such table.

    Names that are `spelled`, in any case, are so: servers do not tell them apart by that.
    """
    rows = session.rows(
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COALESCE(GENERATION_EXPRESSION, '') = '' "
        "ORDER BY ORDINAL_POSITION",
        table,
    )
    names = {name.lower(): name for name in spelled}
    return {
        names.get(str(name).lower(), str(name)): ColumnType(str(kind).lower(), charset, collation)
        for name, kind, charset, collation in rows
    }


def _key(session: Session, table: tuple[str, str], spelled: Iterable[str] = ()) -> tuple[str, ...]:
    """The columns of the primary key, but for the end of a row's time in a system-versioned table.

    That is added by the server, and is the same for all rows that are not history.
    """
    rows = session.rows(
        "SELECT COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE JOIN information_schema.COLUMNS "
        "USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "AND CONSTRAINT_NAME = 'PRIMARY' AND COALESCE(GENERATION_EXPRESSION, '') <> 'ROW END' "
        "ORDER BY KEY_COLUMN_USAGE.ORDINAL_POSITION",
        table,
    )
    names = {name.lower(): name for name in spelled}
    return tuple(names.get(str(name).lower(), str(name)) for (name,) in rows)
