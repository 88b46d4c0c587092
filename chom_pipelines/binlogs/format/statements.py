"""What a statement in a binary log does, told from its words: enough to find it, not to run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from chom_pipelines.binlogs.format.concerned import Concerned, altered, created, dropped, one, renamed
from chom_pipelines.binlogs.format.event_clauses import EventClauses, event_clauses
from chom_pipelines.binlogs.format.lexemes import Dialect, Kind, Reader
from chom_pipelines.binlogs.format.query_tables import Name, called_function, changed_databases
from chom_pipelines.binlogs.format.secrets import without_literals, without_secrets
from chom_pipelines.server.facts import Flavour

TEXT_BYTES = 1024
"""Of a longer statement the beginning is kept."""
_BEGIN = 256
"""Bytes in which the first word is; else what is in front of it is not kept."""

_NAME = r"(?:`(?:[^`]|``)+`|[\w$\x80-\U0010ffff]+)"
_PLAIN = re.compile(
    rf"""\s*(?:(?P<insert>(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?(?:INTO\s+)?)|(?P<update>UPDATE\s+)|DELETE\s+FROM\s+)
    (?:(?P<database>{_NAME})\s*\.\s*)?{_NAME}
    (?(insert)(?=\s*\(|\s+(?:VALUES?|SELECT)\b)|(?(update)\s+SET\b|(?:\s+WHERE\b|\s*\Z)))""",
    re.IGNORECASE | re.VERBOSE,
)
"""Statements of one table, of which the beginning tells all that is to be known."""
_MORE = ("SELECT", "LIKE", "REFERENCES")
_ALTERING = (
    *(*_MORE, "RENAME", "EXCHANGE", "CONVERT"),
    *("UUID", "RAND", "GUID", "VAL", "USER", "ROLE", "SYSDATE", "CONNECTION_ID"),
)
"""One of which is in every definition that names other tables, or draws values; to read all words takes time."""
_OPTIONS = ("TEMPORARY", "ONLINE", "OFFLINE", "IGNORE", "UNIQUE", "FULLTEXT", "SPATIAL", "AGGREGATE")
_OF_PROGRAMS = {"PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"}
_OF_DATABASES = {"DATABASE", "SCHEMA"}
_ON_TABLES = {"INDEX", "TRIGGER"}
_OF_TABLES = {"TABLE", "TABLES", "VIEW", "SEQUENCE"}
_SYNONYMS = {"TABLES": "TABLE", "SCHEMA": "DATABASE"}
_OF_ACCOUNTS = {"USER", "SERVER"}
_REPLICATION = {"MASTER", "REPLICATION", "SLAVE", "REPLICA", "GROUP_REPLICATION"}
_CALLS = {"SELECT", "DO"}
_CHANGES_ROWS = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "WITH", "SELECT", "DO"}


class Does(StrEnum):
    """What kind of statement it is."""

    CREATE = "create"
    ALTER = "alter"
    DROP = "drop"
    TRUNCATE = "truncate"
    RENAME = "rename"
    OTHER = "other"
    """DDL as well, or what is logged as such: grants, passwords, maintenance of tables."""
    ROWS = "rows"
    """It changes rows and was logged as text: of how many, the log does not say."""


_READERS = {
    (Does.RENAME, "TABLE"): renamed,
    (Does.RENAME, "TABLES"): renamed,
    (Does.ALTER, "TABLE"): altered,
    (Does.ALTER, "SEQUENCE"): one,
    (Does.CREATE, "SEQUENCE"): one,
}
_DEFINES = {does.name: does for does in Does if does not in {Does.OTHER, Does.ROWS}}


@dataclass(frozen=True)
class Statement:
    """A statement that was logged as text.

    `database` is the default one; `tables` are those it is about, with their databases, where they are cheaply known (a
    database itself has no table's name); `object` is what kind of thing it creates, alters or drops, in lower case. In
    the text of statements that may hold a password there are no string literals but those of accounts.

    `also`, `needs` and `leads_to` are further tables, and `draws` says what it fills in: see `Concerned`. `changes` are
    the databases whose rows one that does ROWS changes by name, see `changed_databases`; `calls` is the function whose
    call it is.
    """

    does: Does
    text: str
    database: str
    object: str = ""
    tables: tuple[Name, ...] = ()
    temporary: bool = False
    names_directory: bool = False
    """It may say in which directory of its server files are to be made: told by who has all of its text."""
    also: tuple[Name, ...] = ()
    needs: tuple[Name, ...] = ()
    leads_to: tuple[Name, ...] = ()
    draws: bool = False
    changes: frozenset[str] = frozenset()
    event: EventClauses | None = None
    calls: Name | None = None

    @property
    def may_make_files(self) -> bool:
        """It is about a table, or of a kind that is not known."""
        return self.does is not Does.ROWS and self.object in {"", "table", "sequence"}

    @property
    def databases(self) -> frozenset[str]:
        """Of what it makes or changes by name, where it is a definition."""
        renamed = (self.event.renamed,) if self.event and self.event.renamed else ()
        return frozenset(database for database, _ in (*self.tables, *self.also, *renamed))


def names_directory(text: bytes, dialect: Dialect) -> bool:
    """Whether it has DATA DIRECTORY or INDEX DIRECTORY, as words and not in a name, a literal or a comment."""
    reader = Reader.of(text.decode(errors="surrogateescape"), dialect)
    words = (each.word for each in reader.rest())
    return any(after == "DIRECTORY" and before in {"DATA", "INDEX"} for before, after in pairwise(words))


def understand(text: bytes, database: str, flavour: Flavour, sql_mode: int = 0) -> Statement:
    """Tell what a statement of a server of this family does, of a session with this sql_mode. `text` may be cut off."""
    kept = text[:TEXT_BYTES].decode(errors="ignore" if len(text) > TEXT_BYTES else "backslashreplace")
    if plain := _PLAIN.match(kept):  # of these there are many, and some are long
        changed = plain["database"]
        changes = frozenset({_unquoted(changed) if changed else database})
        return Statement(Does.ROWS, without_secrets(kept, database), database, changes=changes)
    return _read(text, database, Dialect(flavour, sql_mode))


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name[0] == "`" else name


def _read(text: bytes, database: str, dialect: Dialect) -> Statement:
    whole = dialect.as_mariadb_reads_it(text.decode(errors="surrogateescape"))
    reader = beginning(whole, Dialect(Flavour.MARIADB, dialect.sql_mode))
    word, begin = reader.peek().word, max(reader.peek().start, 0)
    kept = _kept(whole, begin if begin > _BEGIN else 0)
    if word in _CHANGES_ROWS:
        calls = called_function(reader) if word in _CALLS else None
        changes = frozenset({calls[0]}) if calls else changed_databases(reader, database)
        return Statement(Does.ROWS, without_secrets(kept, database), database, changes=changes, calls=calls)
    upper, words = whole.upper(), _MORE if word == "CREATE" else _ALTERING
    return _defining(
        reader, kept, database, names_more=any(each in upper for each in words) or upper.count("TABLE") > 1
    )


def beginning(text: str, dialect: Dialect) -> Reader:
    """A reader at the first word of a statement: `SET STATEMENT … FOR` is not part of it."""
    reader = Reader.of(text, dialect)
    _skip(reader, "(", ";")
    if reader.take("SET", "STATEMENT"):
        while reader.peek().kind is not Kind.END and not reader.take("FOR"):
            reader.step()
        _skip(reader, "(", ";")
    return reader


def _skip(reader: Reader, *marks: str) -> None:
    while reader.take_any(*marks):
        pass


def _kept(text: str, begin: int) -> str:
    """So much of it from there on, up to a whole character."""
    found = text[begin : begin + TEXT_BYTES + 1].encode(errors="surrogateescape")
    return found[:TEXT_BYTES].decode(errors="ignore" if len(found) > TEXT_BYTES else "backslashreplace")


def _defining(reader: Reader, text: str, database: str, *, names_more: bool) -> Statement:
    verb = reader.step().word
    does = _DEFINES.get(verb, Does.OTHER)
    temporary = _skip_options(reader) if verb in {"CREATE", "ALTER", "DROP"} else False
    thing = reader.peek().word if reader.peek().kind is Kind.WORD else ""
    about_accounts = verb == "GRANT" or (verb, thing) == ("SET", "PASSWORD")
    about_accounts |= verb in {"CREATE", "ALTER"} and thing in _OF_ACCOUNTS
    about_accounts |= verb in {"CHANGE", "START"} and thing in _REPLICATION
    text = without_literals(text) if about_accounts else without_secrets(text, database)
    if does is Does.OTHER:
        return Statement(does, text, database)
    if does is Does.TRUNCATE and thing != "TABLE":  # the word TABLE may be left out
        thing = "TABLE"
    else:
        reader.step()
    found, event = _concerned(reader, does, thing, database, names_more=names_more)
    return Statement(
        does,
        text,
        database,
        _SYNONYMS.get(thing, thing).lower(),
        tuple(found.tables),
        temporary,
        also=tuple(found.also),
        needs=tuple(found.needs),
        leads_to=tuple(found.leads_to),
        draws=found.draws,
        event=event,
    )


def _skip_options(reader: Reader) -> bool:
    """What may stand before the kind of a thing; return whether that is temporary."""
    temporary = False
    while True:
        if word := reader.take_any(*_OPTIONS):
            temporary |= word == "TEMPORARY"
        elif reader.take("OR", "REPLACE"):
            continue
        elif reader.take("ALGORITHM", "=") or reader.take("SQL", "SECURITY"):
            reader.step()
        elif reader.take("DEFINER", "="):
            reader.step()
            if reader.take("@"):
                reader.step()
                while reader.take("."):  # of a host without quotes
                    reader.step()
            reader.take("(", ")")  # of CURRENT_USER
        else:
            return temporary


def _concerned(
    reader: Reader, does: Does, thing: str, database: str, *, names_more: bool
) -> tuple[Concerned, EventClauses | None]:
    """The tables of a definition, and what it says of an event: from behind the kind of thing on."""
    if thing == "PACKAGE":
        reader.take("BODY")
    only_new, if_exists = reader.take("IF", "NOT", "EXISTS"), reader.take("IF", "EXISTS")
    if thing in _OF_TABLES and does is Does.DROP:
        return dropped(reader, database, if_exists=if_exists), None
    if thing in _OF_TABLES and does is not Does.TRUNCATE:
        is_short = thing == "TABLE" and not names_more
        return (one if is_short else _READERS.get((does, thing), created))(reader, database), None
    if thing in _OF_DATABASES:
        name = reader.name()
        return Concerned([(name, "")] if name else []), None
    if thing in _ON_TABLES:
        while reader.peek().kind is not Kind.END and not reader.take("ON"):
            reader.step()
    elif thing not in _OF_TABLES | _OF_PROGRAMS:
        return Concerned(), None
    found = one(reader, database)
    is_of_event = thing == "EVENT" and does is not Does.DROP
    return found, event_clauses(reader, database, only_new=only_new) if is_of_event else None
