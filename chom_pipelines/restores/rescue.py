"""Comparing a live table with its restored copy on the same server, row by row, by primary key."""

from __future__ import annotations

from dataclasses import dataclass

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.restores.rescue_sql import Column, Rescue, script
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
        now, then = _columns(session, live), _columns(session, restored)
        label = ".".join(live)
        if not now:
            what = f"there is no {label} on {endpoint.where}; as of {moment} it stands in {'.'.join(restored)}"
            remedy = "take it from there, or restore the whole table as of then: chom restore with --at, --gtid or"
            raise RestoreRefusedError(what, f"{remedy} --before, --into-server and --tables {label}")
        key = _key(session, live)
        if not key or not set(key) <= set(then):
            what = f"{label} has no primary key by which its rows could be told apart"
            raise RestoreRefusedError(what, f"compare it with {'.'.join(restored)} yourself")
        both = tuple(
            Column(name, each.type, converted=each.charset != now[name].charset)
            for name, each in then.items()
            if name in now
        )
        rescue = Rescue(live, restored, key, both, _collations(key, now, then))
        _refuse_other_keys(session, rescue, now, then)
        missing, changed, added = (
            int(session.value(query)) for query in (rescue.count_missing, rescue.count_changed, rescue.count_added)
        )
    notes = [f"columns that are in one of the tables only, and left out: {name}" for name in sorted({*now} ^ {*then})]
    return Rescued(missing, changed, added, script(rescue, moment, (missing, changed, added), notes))


@dataclass(frozen=True)
class _Type:
    """Of a column; without `charset` and `collation` it is no text."""

    type: str
    charset: str | None
    collation: str | None


def _collations(key: tuple[str, ...], now: dict[str, _Type], then: dict[str, _Type]) -> dict[str, str]:
    """Those of the live key's columns that have others in the copy."""
    texts = {name: (now[name].collation, then[name].collation) for name in key}
    return {name: live for name, (live, restored) in texts.items() if live and restored and live != restored}


def _refuse_other_keys(session: Session, rescue: Rescue, now: dict[str, _Type], then: dict[str, _Type]) -> None:
    """Raise RestoreRefusedError where rows of the copy are not told apart as those of the live table are."""
    keys = _key(session, rescue.live), _key(session, rescue.restored)
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


def _columns(session: Session, table: tuple[str, str]) -> dict[str, _Type]:
    """All columns but the generated ones, in their order; none where there is no such table."""
    rows = session.rows(
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COALESCE(GENERATION_EXPRESSION, '') = '' "
        "ORDER BY ORDINAL_POSITION",
        table,
    )
    return {str(name): _Type(str(kind).lower(), charset, collation) for name, kind, charset, collation in rows}


def _key(session: Session, table: tuple[str, str]) -> tuple[str, ...]:
    rows = session.rows(
        "SELECT COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY ORDINAL_POSITION",
        table,
    )
    return tuple(str(name) for (name,) in rows)
