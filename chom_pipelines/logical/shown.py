"""Every definition in a server's databases, as the server shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chom_pipelines.errors import DefinitionChangedError, ServerError, UnknownDatabaseError
from chom_pipelines.logical.definitions import INVALID_VIEW, Context, Definition, in_dependency_order, in_one_charset
from chom_pipelines.logical.tables import RESTORE_MARKER
from chom_pipelines.repository.dump_records import SequenceCounter
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import literal, qualified, quote

_AGAIN = "run again when no migration is running"
_VIEW_INVALID = frozenset({1356, 1449})
"""It names what is not there, also its DEFINER: without that no view can be read, nor is it shown as it is."""


@dataclass(frozen=True)
class ShownDefinitions:
    """Reads through one session, with identifiers in utf8 and bodies in the bytes that they were written in."""

    session: Session
    facts: ServerFacts
    databases: Sequence[str]

    def read(self) -> list[Definition]:
        """Every definition, in the order in which they can be created."""
        with self._as_bytes():
            return list(self._definitions())

    @contextmanager
    def _as_bytes(self) -> Iterator[None]:
        """Results as they are stored: neither server nor driver converts them. A body is in its author's charset."""
        self.session.execute("SET character_set_results = NULL")
        self.session.raw.use_unicode = False
        try:
            yield
        finally:
            self.session.raw.use_unicode = True
        self.session.execute("SET character_set_results = utf8mb4")

    def _definitions(self) -> Iterator[Definition]:
        views: list[Definition] = []
        tables: list[Definition] = []
        programs: list[Definition] = []
        for database in self.databases:
            (_, statement, *_) = self._shown(f"SHOW CREATE DATABASE {quote(database)}")
            yield Definition("database", database, database, _bytes(statement))
            self.session.execute(f"USE {quote(database)}")
            default = _text(self.session.value("SELECT @@collation_database"))
            for name, kind in [(_text(name), _text(kind)) for name, kind in self.session.rows("SHOW FULL TABLES")]:
                if name == RESTORE_MARKER:
                    continue
                if kind == "VIEW":
                    views.append(self._view(database, name))
                elif kind == "SEQUENCE":
                    yield self._sequence(database, name)
                else:
                    (_, statement, *_) = self._shown(f"SHOW CREATE TABLE {quote(name)}")
                    tables.append(Definition("table", database, name, _bytes(statement)))
            programs += [
                replace(each, context=replace(each.context, default_collation=default))
                for each in (*self._routines(database), *self._triggers(database), *self._events(database))
            ]
        yield from tables
        yield from (program for program in programs if program.kind not in {"trigger", "event"})
        yield from in_dependency_order([view for view in views if view.kind == "view"])
        yield from (program for program in programs if program.kind in {"trigger", "event"})
        yield from in_dependency_order([view for view in views if view.kind == INVALID_VIEW])

    def _shown(self, sql: str) -> tuple[Any, ...]:
        """What the server has just named. Raises DefinitionChangedError where it is not there any more."""
        try:
            row = self.session.row(sql)
        except UnknownDatabaseError as error:
            message = f"{error.what} ({sql}): it was dropped or renamed while it was read"
            raise DefinitionChangedError(message, _AGAIN) from error
        if row is None:
            message = f"{self.session.endpoint.where}: {sql} answered nothing"
            raise DefinitionChangedError(message, f"it was dropped meanwhile, or the user may not see it; {_AGAIN}")
        return row

    def _view(self, database: str, name: str) -> Definition:
        # with the database in use, the server leaves its name out: the view can then be restored under another name
        _, statement, client, collation = self._shown(f"SHOW CREATE VIEW {quote(name)}")
        invalid = any(number in _VIEW_INVALID for _, number, _ in self.session.warnings())
        context = Context(None, _text(client), _text(collation))
        return Definition(INVALID_VIEW if invalid else "view", database, name, _bytes(statement), context)

    def _sequence(self, database: str, name: str) -> Definition:
        (_, statement, *_) = self._shown(f"SHOW CREATE SEQUENCE {quote(name)}")
        return Definition("sequence", database, name, _bytes(statement)).standing(self._counter(database, name))

    def _counter(self, database: str, name: str) -> SequenceCounter:
        values = self._shown(f"SELECT next_not_cached_value, cycle_count, increment FROM {qualified(database, name)}")
        following, cycle, increment = (int(value) for value in values)  # 0 means auto_increment_increment
        return SequenceCounter(database=database, name=name, following=following, cycle=cycle, down=increment < 0)

    def counters(self, definitions: Sequence[Definition]) -> dict[tuple[str, str], SequenceCounter]:
        """Where each sequence stands now, by its identity.

        Counters only go forward: those that are read after a snapshot are ahead of every row in it. Raises
        DefinitionChangedError where one is no longer there.
        """
        found = (self._counter(each.database, each.name) for each in definitions if each.kind == "sequence")
        return {counter.identity: counter for counter in found}

    def _routines(self, database: str) -> Iterator[Definition]:
        kinds = ["PROCEDURE", "FUNCTION"] + (["PACKAGE", "PACKAGE BODY"] if self.facts.has_packages else [])
        for kind in kinds:
            for name in self._named(f"SHOW {kind} STATUS WHERE Db = {literal(database)}", database):
                _, mode, statement, client, collation, database_collation = self._shown(
                    f"SHOW CREATE {kind} {quote(name)}",
                )
                if statement is None:
                    message = f"{self.session.endpoint.where}: {kind.lower()} {database}.{name}: its body is not shown"
                    raise ServerError(message, "chom check names the GRANT for others' routines")
                context = Context(_text(mode), _text(client), _text(collation), _text(database_collation))
                body = in_one_charset(_bytes(statement), _text(client), [name])
                yield Definition(kind.lower(), database, name, body, context)

    def _named(self, sql: str, database: str) -> list[str]:
        """The second column of those rows whose first is exactly this database."""
        return [_text(row[1]) for row in self.session.rows(sql) if _text(row[0]) == database]

    def _triggers(self, database: str) -> Iterator[Definition]:
        # in the order in which those of one table, time and event fire
        for where, *names in self.session.rows(
            "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS "
            f"WHERE TRIGGER_SCHEMA = {literal(database)} "
            "ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
        ):
            if _text(where) != database:
                continue
            name, table = map(_text, names)
            _, mode, statement, client, collation, database_collation, *_ = self._shown(
                f"SHOW CREATE TRIGGER {quote(name)}",
            )
            context = Context(_text(mode), _text(client), _text(collation), _text(database_collation))
            body = in_one_charset(_bytes(statement), _text(client), [name, table])
            yield Definition("trigger", database, name, body, context, parent=table)

    def _events(self, database: str) -> Iterator[Definition]:
        for name in self._named(f"SHOW EVENTS WHERE Db = {literal(database)}", database):
            _, mode, zone, statement, client, collation, database_collation = self._shown(
                f"SHOW CREATE EVENT {quote(name)}",
            )
            context = Context(_text(mode), _text(client), _text(collation), _text(database_collation), _text(zone))
            body = in_one_charset(_bytes(statement), _text(client), [name])
            yield Definition("event", database, name, body, context)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
