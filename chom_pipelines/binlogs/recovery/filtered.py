"""What a replay onto a backup of some databases alone leaves out or does otherwise, and no server says so.

The replay executes what concerns these databases by name, and the rest of the log is left out. What another database's
tables do to them beyond that is lost: by foreign keys, whose changes InnoDB does not log, and by triggers, functions
and views where a statement is logged as text. What takes a table of another database cannot be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from chom_pipelines.binlogs.format.query_tables import Name
from chom_pipelines.binlogs.format.statements import Does, Statement
from chom_pipelines.binlogs.recovery.preparing import Recovery
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.logical.table_lines import ForeignKey
from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import SYSTEM_DATABASES
from chom_pipelines.server.identifiers import quote

_NATIVE_KEYS = "innodb_native_foreign_keys"
"""MySQL's; while it is OFF, the server itself does what foreign keys say, and logs that as any change of rows."""
_ACCEPT = "or accept what is lost with `chom restore --accept-losses`"
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


def any_case(source: SourceServer) -> bool:
    """To that server names of databases and tables that differ in case only are the same."""
    return source.variables.get("lower_case_table_names", "0") != "0"


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
        """Raise RestoreRefusedError where the log has a statement that takes a table which the backup does not have."""
        for each, statement in self.recovery.notes.crossing:
            lacking = [name for name in statement.needs if not self._has(name[0])]
            if lacking and self._is_replayed(statement):
                what = (
                    f"{statement.does.value.upper()} {statement.object.upper()} at {each.label} takes "
                    f"{_listed(map('.'.join, lacking))}, and the backup has {_listed(self.databases or ())} alone"
                )
                others = _listed(name[0] for name in lacking)
                before = f"restore to the place before it, with --before {each.file}:{each.transaction.start}"
                raise RestoreRefusedError(what, f"{before}; for the future, back up {others} as well")

    def lost_by_log(self) -> Iterator[RestoreRefusedError]:
        """What the log says that may be lost: the errors that a restore ends with, unless losses are accepted."""
        for each, statement in self.recovery.notes.crossing:
            for parent in statement.leads_to:
                is_wanted = self._is_replayed(statement) and statement.tables[0] not in self.left_out
                if is_wanted and self._loses_by(parent[0]):
                    yield _by_key(f"a foreign key of {'.'.join(statement.tables[0])}, made at {each.label},", parent)
        for name, each in self.recovery.notes.textual.items():
            if name.lower() not in SYSTEM_DATABASES and not self._has(name):  # the server's own have no triggers
                what = (
                    f"changes of {name or 'an unknown database'} were logged as text, the first at {each.label}: what "
                    f"they did to {_listed(self.databases or ())} by triggers, functions or views is not in the log"
                )
                yield RestoreRefusedError(what, f"log with binlog_format = ROW, or back up all databases; {_ACCEPT}")
                return

    def lost_by_keys(self, keys: Iterable[ForeignKey]) -> Iterator[RestoreRefusedError]:
        """The same of foreign keys that the backup has, or the private server now."""
        for key in keys if self.recovery.files else ():
            is_wanted = self._has(key.table[0]) and key.table not in self.left_out
            if key.changes and is_wanted and self._loses_by(key.parent[0]):
                yield _by_key(f"the foreign key {key.name} of {'.'.join(key.table)}", key.parent)

    @contextmanager
    def strangers(self, session: Session) -> Iterator[None]:
        """Have empty databases for what servers do not leave out by itself where only some databases are replicated.

        What a statement does to a routine or an event is executed whatever database it is of, and fails without one, or
        without that routine or event; so does one that moves a table there.
        """
        there = {self._same(str(name)) for (name,) in session.rows("SHOW DATABASES")}
        named = {self._same(name) for name in self.recovery.notes.databases}
        strangers = [] if self.databases is None else sorted(named - there)
        for name in strangers:
            session.execute(f"CREATE DATABASE {quote(name)}")
        self._make_programs(session, strangers)
        yield
        if strangers:
            session.execute("SET SESSION foreign_key_checks = 0")  # a table that was moved there may be referred to
        for name in strangers:
            session.execute(f"DROP DATABASE {quote(name)}")
        session.execute("SET SESSION foreign_key_checks = DEFAULT")

    def _make_programs(self, session: Session, databases: Sequence[str]) -> None:
        """Have something there of that name where the first that the log does to it is to drop or to alter it."""
        firsts: dict[tuple[str, str, str], Statement] = {}
        for (kind, database, name), statement in self.recovery.notes.programs.items():
            firsts.setdefault((kind, self._same(database), name), statement)
        for (kind, database, _), statement in firsts.items():
            if database in databases and statement.does is not Does.CREATE:
                name = statement.tables[0][1]
                session.execute(_STANDS_FOR[kind].format(f"{quote(database)}.{quote(name)}"))

    def _has(self, database: str) -> bool:
        return self.databases is None or self._same(database) in map(self._same, self.databases)

    def _same(self, name: str) -> str:
        return name.lower() if any_case(self.source) else name

    def _is_replayed(self, statement: Statement) -> bool:
        return any(self._has(database) for database, _ in (*statement.tables, *statement.also))

    def _loses_by(self, parent: str) -> bool:
        """Changes of rows in that database may have changed others by a foreign key, and the log does not have these.

        Where statements are logged as text, they are done again, and not what they have changed.
        """
        is_logged = self.source.variables.get(_NATIVE_KEYS) == "OFF" and not self.recovery.notes.textual
        return not is_logged and not self._has(parent)


def _by_key(key: str, parent: Name) -> RestoreRefusedError:
    what = (
        f"{key} leads to {'.'.join(parent)}, which the backup does not have: what the server changed by it is not "
        "in the log"
    )
    return RestoreRefusedError(what, f"back up {parent[0]} as well; {_ACCEPT}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
