"""The privileges that a list of operations takes, known before the first of them. Pure.

Each was taken away alone, from an account that had all the others, on MariaDB 10.11 and MySQL 9.7; this is what failed:

=========================  =========================================================================================
privilege                  what fails without it
=========================  =========================================================================================
DROP                       DROP TABLE, VIEW, SEQUENCE; the table that names what is unfinished
TRIGGER                    CREATE TRIGGER; those that go with a table are not seen, and not on the list, silently
EVENT                      CREATE EVENT, DROP EVENT; events are not seen, silently
CREATE ROUTINE             CREATE PROCEDURE, FUNCTION, PACKAGE; routines are not seen, silently
ALTER ROUTINE              DROP PROCEDURE, FUNCTION, PACKAGE. Asked for where one is made, too: who has neither does not
                           see those that are there
CREATE                     CREATE DATABASE, TABLE, SEQUENCE
ALTER                      building keys, foreign keys; ALTER DATABASE, also around a program's creation
INSERT                     LOAD DATA; SETVAL; naming what is unfinished
SELECT                     reading back where the server warned, or to compare; views; SETVAL; DEFAULT NEXTVAL
DELETE                     naming what is unfinished, where an earlier restore has left its own
UPDATE, DELETE, SELECT     CREATE TABLE ENGINE=MERGE, on the databases of its tables
CREATE VIEW                CREATE VIEW; and SELECT on every database that the view reads
EXECUTE                    CREATE VIEW that calls a function which this restore does not make, or whose maker is not
                           given EXECUTE on it (automatic_sp_privileges = OFF)
REFERENCES                 foreign keys, on the database that they lead to: MySQL only
SUPER                      CREATE FUNCTION, TRIGGER with the binary log on and log_bin_trust_function_creators = OFF
SET USER                   MariaDB: DEFINER is another account. Before 11.0 SUPER is as good
SET_ANY_DEFINER            MySQL: the same. Before 8.2 SET_USER_ID; SUPER is as good
ALLOW_NONEXISTENT_DEFINER  MySQL from 8.2: DEFINER does not exist. SUPER is as good
SYSTEM_USER                MySQL from 8.0.16: DEFINER, of what is made or dropped, has SYSTEM_USER, itself or by a role
SESSION_VARIABLES_ADMIN    MySQL: SET max_error_count; SYSTEM_VARIABLES_ADMIN is as good, SUPER is not
CREATE USER                accounts; their grants are not looked at, as one that is refused loses nothing
READ_ONLY ADMIN            MariaDB: everything, while read_only is on. SUPER is as good before 10.11 only
CONNECTION_ADMIN           MySQL: the same. SUPER is as good
=========================  =========================================================================================

Not needed on either: INDEX and SHOW VIEW; privileges on what triggers and routines name in their bodies; any for the
history of MariaDB's tables, or for sql_mode, character sets and time zones of programs. What is said here of other
versions was not tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chom_pipelines.logical.definitions import INVALID_VIEW
from chom_pipelines.logical.tables import RESTORE_MARKER
from chom_pipelines.restores.authority import Authority
from chom_pipelines.restores.definers import definer_of
from chom_pipelines.restores.operations import Action, Operation, Operations
from chom_pipelines.restores.renaming import qualifiers, view_in
from chom_pipelines.restores.selection import SelectedTable
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need, Wanted, missing

_ROUTINES = ("procedure", "function", "package", "package body")
_VIEWS = ("view", INVALID_VIEW)
_PROGRAMS = frozenset({*_ROUTINES, *_VIEWS, "trigger", "event"})
_DROPS = "drops what is replaced"
_LOADS = ("CREATE", "INSERT", "SELECT")
_ON_ITS_DATABASE: dict[tuple[Action, str], tuple[str, ...]] = {
    (Action.DROP, "table"): ("DROP",),
    (Action.DROP, "view"): ("DROP",),
    (Action.DROP, "sequence"): ("DROP",),
    (Action.DROP, "event"): ("EVENT",),
    **{(Action.DROP, kind): ("ALTER ROUTINE",) for kind in _ROUTINES},
    (Action.CREATE, "database"): ("CREATE",),
    (Action.ALTER, "database"): ("ALTER",),
    (Action.CREATE, "table"): _LOADS,
    (Action.ALTER, "table"): ("ALTER",),
    (Action.CREATE, "sequence"): _LOADS,
    (Action.ADVANCE, "sequence"): ("INSERT", "SELECT"),
    **{(Action.CREATE, kind): ("CREATE VIEW", "SELECT") for kind in _VIEWS},
    **{(Action.CREATE, kind): ("CREATE ROUTINE", "ALTER ROUTINE") for kind in _ROUTINES},
    (Action.CREATE, "trigger"): ("TRIGGER",),
    (Action.CREATE, "event"): ("EVENT",),
}
_MERGES = "mrg_myisam"
_LITERAL = re.compile(r"(?P<name>`(?:[^`]|``)*`)|'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_NAME = r"`((?:[^`]|``)*)`"
_REFERENCES = re.compile(rf" REFERENCES {_NAME}(?:\.{_NAME})?")
_CALL = re.compile(rf"{_NAME}\.{_NAME}(?=\()")
_QUALIFIER = re.compile(rf"{_NAME}\.")


def lacking(found: Operations, facts: ServerFacts, authority: Authority) -> list[Need]:
    """What the account lacks for this list; what it holds on single tables or columns counts as missing."""
    return missing(facts, authority.grants, wanted(found, facts, authority))


def wanted(found: Operations, facts: ServerFacts, authority: Authority) -> list[Wanted]:
    """What the list takes, each once."""
    needed: dict[tuple[str, str | None], Wanted] = {}
    functions = frozenset((each.database, each.name) for each in found.after if each.kind == "function")
    if not facts.has_automatic_routine_privileges:
        functions = frozenset()
    for want in _of_the_server(facts):
        needed.setdefault((want.privilege, want.database), want)
    for each in found.all:
        for want in _of(each, facts, authority, functions):
            needed.setdefault((want.privilege, want.database), want)
    return list(needed.values())


def _of_the_server(facts: ServerFacts) -> Iterator[Wanted]:
    if facts.restricts_error_counts:
        yield Wanted("SESSION_VARIABLES_ADMIN", None, "has every warning counted", ("SYSTEM_VARIABLES_ADMIN",))
    if facts.is_read_only:
        privilege, *instead = facts.read_only_privileges
        yield Wanted(privilege, None, "writes though read_only is ON; or SET GLOBAL read_only = OFF", tuple(instead))


def _of(
    operation: Operation, facts: ServerFacts, authority: Authority, functions: frozenset[tuple[str, str]]
) -> Iterator[Wanted]:
    database = operation.database
    if operation.kind in {"account", "role"}:
        if operation.action is Action.CREATE:
            yield Wanted("CREATE USER", None, f"creates {operation.label}")
        return
    why = _DROPS if operation.needs_replace else f"is for: {operation.action.value} {operation.label}"
    if operation.name == RESTORE_MARKER and operation.action is Action.ALTER:
        privileges: tuple[str, ...] = ("DELETE", "INSERT", "SELECT")
    else:
        privileges = _ON_ITS_DATABASE[operation.action, operation.kind]
    for privilege in privileges:
        yield Wanted(privilege, database, why)
    if operation.kind == "table":
        yield from _of_table(operation, facts, why)
    if any(statement.startswith(b"ALTER DATABASE ") for statement in operation.statements):
        yield Wanted("ALTER", database, why)
    if operation.kind in _VIEWS and operation.action is Action.CREATE:
        yield from _of_view(operation, functions, why)
    if operation.kind in {"function", "trigger"} and operation.action is Action.CREATE and facts.distrusts_creators:
        trusted = "or SET GLOBAL log_bin_trust_function_creators = ON"
        yield Wanted("SUPER", None, f"{why}, as the binary log is on; {trusted}")
    if operation.kind in _PROGRAMS:
        yield from _of_definer(operation, facts, authority)


def _of_table(operation: Operation, facts: ServerFacts, why: str) -> Iterator[Wanted]:
    if operation.needs_replace:
        yield Wanted("TRIGGER", operation.database, "sees the triggers that go with a table")
    if operation.table is None and operation.action is Action.CREATE:
        return  # ours
    if operation.table and (operation.table.split.keys or operation.table.split.full_text):
        yield Wanted("ALTER", operation.database, f"{why}, whose keys are built when it is full")
    for statement in map(_without_literals, operation.statements):
        if facts.checks_references:
            for first, second in _REFERENCES.findall(statement):
                yield Wanted("REFERENCES", _unquoted(first) if second else operation.database, why)
        if operation.table:
            yield from _of_others(operation.table, _REFERENCES.sub("", statement), why)


def _of_others(selected: SelectedTable, statement: str, why: str) -> Iterator[Wanted]:
    """For what a definition names besides foreign keys: sequences, or the tables whose rows it shows."""
    others = qualifiers(statement.encode())
    merges = selected.table.engine.lower() == _MERGES
    for database in sorted({selected.database, *others} if merges else others):
        for privilege in ("SELECT", "UPDATE", "DELETE") if merges else ("SELECT",):
            yield Wanted(privilege, database, f"{why}, which names what is there")


def _of_view(operation: Operation, functions: frozenset[tuple[str, str]], why: str) -> Iterator[Wanted]:
    if operation.kind == INVALID_VIEW:
        return  # it may fail, and names what is perhaps not there
    statement = _without_literals(operation.statements[-1])
    for names in _CALL.findall(statement):
        database, name = map(_unquoted, names)
        if (database, name) not in functions:
            yield Wanted("EXECUTE", database, why)
    reads = _CALL.sub("`called`", statement).encode()
    for other in sorted({_unquoted(name) for name in _QUALIFIER.findall(reads.decode())}):
        if view_in({other: f"{other}'"}, reads) != reads:  # and not an alias, or a table
            yield Wanted("SELECT", other, why)


def _of_definer(operation: Operation, facts: ServerFacts, authority: Authority) -> Iterator[Wanted]:
    thing = (operation.kind, operation.database, operation.name)
    if operation.action is Action.DROP:
        if facts.protects_system_users:
            yield from _of_system_user(authority.definers.get(thing), operation, authority)
        return
    definer = _definer(operation)
    if definer == authority.label:
        return
    why = f"is for: {operation.action.value} {operation.label}, whose DEFINER is {definer or 'not understood'}"
    privilege, *instead = facts.definer_privileges
    yield Wanted(privilege, None, why, tuple(instead))
    known = authority.accounts
    if facts.refuses_missing_definers and (known is None or definer not in known):
        gone = "perhaps does not exist, which this account may not see in mysql.user"
        yield Wanted("ALLOW_NONEXISTENT_DEFINER", None, f"{why} and {'does not exist' if known else gone}", ("SUPER",))
    if facts.protects_system_users:
        yield from _of_system_user(definer, operation, authority)


def _of_system_user(definer: str | None, operation: Operation, authority: Authority) -> Iterator[Wanted]:
    """Where the definer has SYSTEM_USER, or nobody can say; None: whose the thing is cannot be seen."""
    if definer == authority.label:
        return
    known = authority.accounts is not None and definer is not None
    if known and not (authority.accounts or {}).get(definer or "", False):
        return
    has = "has it" if known else "may have it, which this account may not see in mysql.global_grants"
    why = f"is for: {operation.action.value} {operation.label}, whose DEFINER {definer or ''} {has}"
    yield Wanted("SYSTEM_USER", None, why)


def _definer(operation: Operation) -> str | None:
    found = definer_of(operation.statements[-1])
    if found is None:
        return None
    user, host = found
    return user if host is None else f"{user}@{host}"


def _text(statement: bytes) -> str:
    return statement.decode("utf-8", "replace")


def _without_literals(statement: bytes) -> str:
    return _LITERAL.sub(lambda found: found["name"] or "''", _text(statement))


def _unquoted(name: str) -> str:
    return name.replace("``", "`")
