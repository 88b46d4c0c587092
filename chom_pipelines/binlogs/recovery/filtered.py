"""What a replay onto a backup of some databases alone leaves out or does otherwise, and no server says so.

The replay executes what concerns these databases by name, and the rest of the log is left out. What another database's
tables do to them beyond that is lost: by foreign keys, whose changes InnoDB does not log, and by triggers, functions
and views where a statement is logged as text. What takes a table of another database cannot be done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chom_pipelines.binlogs.format.lexemes import Dialect
from chom_pipelines.binlogs.format.query_tables import Name
from chom_pipelines.binlogs.format.statements import Does, Statement, beginning
from chom_pipelines.binlogs.recovery.replay_plan import Recovery
from chom_pipelines.binlogs.recovery.stop_place import Located
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.logical.definition_lines import ForeignKey
from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.restores.likeness import any_case
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, Flavour
from chom_pipelines.server.identifiers import quote

_NATIVE_KEYS = "innodb_native_foreign_keys"
"""MySQL's; while it is OFF, the server itself does what foreign keys say, and logs that as any change of rows."""
_ACCEPT = "or accept what is lost with `chom restore --accept-losses`"
_BACK_UP = "back up {} as well"
_MADE = "with --accept-losses the key can be made where its session had foreign_key_checks = OFF alone"
_KEYS = (
    "SELECT constraint_schema, table_name, constraint_name, unique_constraint_schema, referenced_table_name "
    "FROM information_schema.referential_constraints WHERE 'CASCADE' IN (update_rule, delete_rule) "
    "OR 'SET NULL' IN (update_rule, delete_rule) OR 'SET DEFAULT' IN (update_rule, delete_rule)"
)
_STANDS_FOR = {
    "procedure": "CREATE PROCEDURE {}() SELECT 1",
    "function": "CREATE FUNCTION {}() RETURNS INT DETERMINISTIC RETURN 1",
    "event": "CREATE EVENT {} ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1",
}


def read_keys(session: Session) -> Iterator[ForeignKey]:
    """The foreign keys of a server by which it changes rows."""
    for database, table, name, parent, referenced in session.rows(_KEYS):
        yield ForeignKey((str(database), str(table)), str(name), (str(parent), str(referenced)), changes=True)


@dataclass(frozen=True)
class Filtered:
    """A replay onto a backup that has these databases alone; None: all that the server had, and nothing is left out."""

    databases: tuple[str, ...] | None
    recovery: Recovery
    source: SourceServer
    left_out: frozenset[Name] = frozenset()
    """Tables of these databases that are not wanted, and are left out as well."""

    def refuse(self) -> None:
        """Raise RestoreRefusedError where the log takes a table, or calls a function, that the backup does not have."""
        for each, statement in self.recovery.notes.crossing:
            lacking = [name for name in statement.needs if not self.has(name[0])]
            if lacking and self._is_replayed(statement):
                what = (
                    f"{statement.does.value.upper()} {statement.object.upper()} at {each.label} takes "
                    f"{_listed(map('.'.join, lacking))}, and the backup has {_listed(self.databases or ())} alone"
                )
                others = _listed(name[0] for name in lacking)
                raise RestoreRefusedError(what, f"{_before(each)}; for the future, {_BACK_UP.format(others)}")

        for (database, name), each in self.recovery.notes.calls.items():
            if not self.has(database):
                what = (
                    f"the statement at {each.label} changes rows by the function {database}.{name}, and the backup has "
                    f"{_listed(self.databases or ())} alone: what it changed is not in the log"
                )
                raise RestoreRefusedError(what, f"{_before(each)}; for the future, log with binlog_format = ROW")

    def lost_by_log(self) -> Iterator[RestoreRefusedError]:
        """What the log says that may be lost: the errors that a restore ends with, unless losses are accepted."""
        for each, statement in self.recovery.notes.crossing:
            for parent in statement.leads_to:
                is_wanted = self._is_replayed(statement) and statement.tables[0] not in self.left_out
                if is_wanted and self._loses_by(parent[0]):
                    key = f"a foreign key of {'.'.join(statement.tables[0])}, made at {each.label},"
                    yield _by_key(
                        key, parent, f"{_before(each)}; for the future, {_BACK_UP.format(parent[0])}; {_MADE}"
                    )
        for name, each in self.recovery.notes.textual.items():
            if name.lower() not in SYSTEM_DATABASES and not self.has(name):  # the server's own have no triggers
                what = (
                    f"changes of {name or 'an unknown database'} were logged as text, the first at {each.label}: what "
                    f"they did to {_listed(self.databases or ())} by triggers, functions or views is not in the log"
                )
                yield RestoreRefusedError(what, f"log with binlog_format = ROW, or back up all databases; {_ACCEPT}")
                return

    def lost_by_keys(self, keys: Iterable[ForeignKey]) -> Iterator[RestoreRefusedError]:
        """The same of foreign keys that the backup has, or the private server now."""
        for key in keys if self.recovery.files else ():
            is_wanted = self.has(key.table[0]) and key.table not in self.left_out
            if key.changes and is_wanted and self._loses_by(key.parent[0]):
                remedy = f"{_BACK_UP.format(key.parent[0])}; {_ACCEPT}"
                yield _by_key(f"the foreign key {key.name} of {'.'.join(key.table)}", key.parent, remedy)

    @property
    def options(self) -> tuple[str, ...]:
        """With which a replica executes what concerns these databases by name.

        Of the others it executes what makes or drops one as a whole, as programs go with their database: those are
        executed whatever database they are of.
        """
        if self.databases is None:
            return ()
        patterns = [f"{_pattern(name)}.%" for name in self.databases]
        patterns += [f"{_pattern(name)}." for name in self._others]  # which no table's name is like
        return tuple(f"--replicate-wild-do-table={each}" for each in patterns)

    @contextmanager
    def strangers(self, session: Session) -> Iterator[None]:
        """Have empty databases for what servers do not leave out by itself where only some databases are replicated.

        What a statement does to a routine or an event is executed whatever database it is of, and fails without one, or
        without that routine or event; so does one that moves a table there.
        """
        firsts = self._firsts
        makes = {database for (kind, database, _), each in firsts.items() if kind == "database" and self._is_new(each)}
        there = self._there(session)
        strangers = [name for name in self._others if name not in there and name not in makes]
        for name in strangers:
            session.execute(f"CREATE DATABASE {quote(name)}")
        for (kind, database, _), statement in firsts.items():
            if kind in _STANDS_FOR and database in strangers and statement.does is not Does.CREATE:
                name = statement.tables[0][1]
                session.execute(_STANDS_FOR[kind].format(f"{quote(database)}.{quote(name)}"))
        yield
        session.execute("SET SESSION foreign_key_checks = 0")  # a table that was moved there may be referred to
        for name in sorted(self._there(session) - there):
            if not self.has(name):
                session.execute(f"DROP DATABASE {quote(name)}")
        session.execute("SET SESSION foreign_key_checks = DEFAULT")

    @property
    def _others(self) -> tuple[str, ...]:
        """Databases that the log names, and that the backup does not have."""
        named = {self._same(name) for name in self.recovery.notes.databases if not self.has(name)}
        return tuple(sorted(name for name in named if name.lower() not in SYSTEM_DATABASES))

    @property
    def _firsts(self) -> dict[tuple[str, str, str], Statement]:
        """What the log does first to each program and database, where something may have to be there for it."""
        found: dict[tuple[str, str, str], Statement] = {}
        for (kind, database, name), statement in self.recovery.notes.programs.items():
            found.setdefault((kind, self._same(database), name), statement)
        return found

    def _is_new(self, statement: Statement) -> bool:
        """It makes a database that is not there."""
        words = [each.word for each in beginning(statement.text, Dialect(Flavour(self.source.flavour))).rest()]
        return words[:1] == ["CREATE"] and "REPLACE" not in words[1:3] and "IF" not in words[2:3]

    def _there(self, session: Session) -> set[str]:
        return {self._same(str(name)) for (name,) in session.rows("SHOW DATABASES")}

    def has(self, database: str) -> bool:
        """The backup has that database."""
        return self.databases is None or self._same(database) in map(self._same, self.databases)

    def _same(self, name: str) -> str:
        return name.lower() if any_case(self.source) else name

    def _is_replayed(self, statement: Statement) -> bool:
        return any(self.has(database) for database, _ in (*statement.tables, *statement.also))

    def _loses_by(self, parent: str) -> bool:
        """Changes of rows in that database may have changed others by a foreign key, and the log does not have these.

        Where statements are logged as text, they are done again, and not what they have changed.
        """
        is_logged = self.source.variables.get(_NATIVE_KEYS) == "OFF" and not self.recovery.notes.textual
        return not is_logged and not self.has(parent)


def _pattern(database: str) -> str:
    return re.sub(r"([_%\\])", r"\\\1", database)


def _before(each: Located) -> str:
    return f"restore to the place before it, with --before {each.file}:{each.transaction.start}"


def _by_key(key: str, parent: Name, remedy: str) -> RestoreRefusedError:
    what = (
        f"{key} leads to {'.'.join(parent)}, which the backup does not have: what the server changed by it is not "
        "in the log"
    )
    return RestoreRefusedError(what, remedy)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
