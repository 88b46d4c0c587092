"""What a replay of transactions depends on, noted as they are read; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from chom_pipelines.binlogs.format.conversions import Conversion
from chom_pipelines.binlogs.format.events import SYSTEM_ZONE
from chom_pipelines.binlogs.format.query_tables import Name
from chom_pipelines.binlogs.format.statements import Does, Statement
from chom_pipelines.binlogs.format.transactions import Ending, Transaction
from chom_pipelines.binlogs.recovery.scheduled import is_of_events, same
from chom_pipelines.binlogs.recovery.stop_place import Located

_PROGRAMS = frozenset({"procedure", "function", "event", "database"})
_ZONES = "time_zone"
"""How the names of those tables begin."""


@dataclass
class Notes:
    """Of all transactions that were added; None: there was none of the kind."""

    databases: set[str] = field(default_factory=set)
    """Which statements name, or have as their default: not those of rows."""
    zones: dict[str, Located] = field(default_factory=dict)
    """The first in each named time zone of a session that statements depend on."""
    conversions: dict[Conversion, tuple[Located, Located]] = field(default_factory=dict)
    """The first and the last with each conversion from or to a named time zone."""
    loads_zones: Located | None = None
    """The first that changes which time zones its server knows by their names."""
    in_system_zone: Located | None = None
    """The first that depends on the time zone of its server's machine."""
    of_events: list[Statement] = field(default_factory=list)
    """What may say whether events of the scheduler run."""
    redefines: Located | None = None
    """The first that may change a definition or an account; None: they are the backup's."""
    prepares: Located | None = None
    """The first that is prepared, and committed by another one, if at all."""
    names_directory: Located | None = None
    """The first that says in which directory of its server a table's files lie."""
    draws: Located | None = None
    """The first that fills rows with values that differ each time it is executed."""
    crossing: list[tuple[Located, Statement]] = field(default_factory=list)
    """What defines something and names tables of more than one database."""
    textual: dict[str, Located] = field(default_factory=dict)
    """The first that changes rows and was logged as text, by the databases whose tables it names."""
    programs: dict[tuple[str, str, str], Statement] = field(default_factory=dict)
    """The first definition of each routine and event, by its kind, its database, and what makes its name the same.

    Of a database itself that is "".
    """
    calls: dict[tuple[str, str], Located] = field(default_factory=dict)
    """The first call that changes rows of each function that the log had not made until then, as of `programs`."""
    _made: set[str] | None = field(default_factory=set)

    def add(self, each: Located) -> None:
        """Note the next one."""
        done = each.transaction
        self._note_zones(each)
        self.of_events += filter(is_of_events, done.statements)
        if self.redefines is None and may_redefine(done):
            self.redefines = each
        if self.prepares is None and done.ending is Ending.XA_PREPARE:
            self.prepares = each
        if self.names_directory is None and any(one.names_directory for one in done.statements):
            self.names_directory = each
        if self.draws is None and any(one.draws for one in done.statements):
            self.draws = each
        self.textual |= dict.fromkeys(done.textual - self.textual.keys(), each)
        for statement in done.statements:
            self.databases |= {statement.database, *statement.databases} - {""}
            if statement.object in _PROGRAMS and statement.tables:
                database, name = statement.tables[0]
                self.programs.setdefault((statement.object, database, same(name)), statement)
            if statement.calls:
                self._note_call(statement.calls, each)
            if len({*statement.databases, *(name for name, _ in (*statement.needs, *statement.leads_to))}) > 1:
                self.crossing.append((each, statement))
        self._note_made(done)

    def _note_call(self, function: Name, each: Located) -> None:
        database, name = function[0], same(function[1])
        first = self.programs.get(("function", database, name))
        if first is None or first.does is not Does.CREATE:
            self.calls.setdefault((database, name), each)

    def _note_zones(self, each: Located) -> None:
        done = each.transaction
        for zone in done.zones:
            if zone != SYSTEM_ZONE:
                self.zones.setdefault(zone, each)
            elif self.in_system_zone is None:
                self.in_system_zone = each
        for conversion in done.conversions:
            first, _ = self.conversions.get(conversion, (each, each))
            self.conversions[conversion] = first, each
        if self.loads_zones is None and loads_zones(done):
            self.loads_zones = each

    def may_make(self, table: str) -> bool:
        """Whether one may have made or renamed a table of this name, without its database, in any case.

        In which character set a statement was written is not looked at.
        """
        return self._made is None or not table.isascii() or table.lower() in self._made

    def _note_made(self, done: Transaction) -> None:
        """Of very many statements not all are known."""
        if self._made is None or done.statement_count > len(done.statements):
            self._made = None
            return
        for statement in done.statements:
            if statement.does is not Does.ROWS and not statement.temporary:
                self._made.update(name.lower() for _, name in (*statement.tables, *statement.also))


def loads_zones(transaction: Transaction) -> bool:
    """Whether it changes the tables in which a server has time zones by their names."""
    if any(each.database == "mysql" and each.table.startswith(_ZONES) for each in transaction.rows):
        return True
    if transaction.statement_count > len(transaction.statements) and "mysql" in transaction.textual:
        return True
    return any(map(_names_zones, transaction.statements))


def _names_zones(statement: Statement) -> bool:
    if statement.does is Does.ROWS:
        return "mysql" in statement.changes and _ZONES in statement.text
    return any(database == "mysql" and name.startswith(_ZONES) for database, name in statement.tables)


def may_redefine(transaction: Transaction) -> bool:
    """Whether it may change a definition or an account: a backup before it does not have the definitions then."""
    statements = transaction.statements
    if any(each.database == "mysql" for each in transaction.rows):
        return True
    harmless = all(each.temporary or _changes_rows(each) for each in statements)
    return not harmless or transaction.statement_count > len(statements)


def _changes_rows(statement: Statement) -> bool:
    """And none of the tables in which a server has accounts, programs and events."""
    if statement.does not in {Does.ROWS, Does.TRUNCATE}:
        return False
    return statement.database != "mysql" and "mysql" not in statement.text.lower()
