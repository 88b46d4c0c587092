"""The least privileges that a backup takes, and which of them an account lacks.

Every line below was tried on both servers by taking it away. Nothing here can write a row, and nothing is SUPER.

=====================  =================  ===========================================================================
MariaDB                MySQL              what fails without it
=====================  =================  ===========================================================================
RELOAD                 RELOAD             BACKUP STAGE; FLUSH TABLES WITH READ LOCK; FLUSH BINARY LOGS: error 1227
PROCESS                PROCESS            naming who holds up a lock; other sessions are invisible, silently
BINLOG MONITOR         REPLICATION CLIENT the binary log's position and files: error 1227
SLAVE MONITOR          REPLICATION CLIENT a replica's position in its source's binary log: error 1227
(none)                 BACKUP_ADMIN       LOCK INSTANCE FOR BACKUP: error 1227
SELECT                 SELECT             rows, sequences; columns and view texts are missing, silently
SHOW VIEW              SHOW VIEW          SHOW CREATE VIEW: error 1142; view texts are empty, silently
TRIGGER                TRIGGER            triggers are missing from information_schema, silently
EVENT                  EVENT              events are missing from information_schema, silently
SELECT ON mysql.*      SHOW_ROUTINE       others' routines and packages are missing, silently
SELECT ON mysql.*      SELECT ON mysql.*  SHOW CREATE USER and SHOW GRANTS FOR others: error 1044
=====================  =================  ===========================================================================

SELECT, SHOW VIEW, TRIGGER and EVENT are needed on the databases that are backed up: on those that chom.yaml names, else
on *.*, where SELECT includes mysql.* and, on MySQL, the routines. Before MySQL 8.0.20, which has no SHOW_ROUTINE, only
SELECT ON *.* shows routines. SLAVE MONITOR is for replicas only, whose backup says that it lacks the coordinates and is
taken all the same. The silent ones are why a backup refuses to start without all of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import account, quote

_ROWS_AND_DEFINITIONS = {
    "SELECT": "reads rows, columns and sequences",
    "SHOW VIEW": "reads the definitions of views",
    "TRIGGER": "sees triggers",
    "EVENT": "sees events",
}
_OLDEST_SHOW_ROUTINE = (8, 0, 20)
_INSTEAD = {
    "BINLOG MONITOR": "SUPER",
    "REPLICATION CLIENT": "SUPER",
    "SLAVE MONITOR": "SUPER",
    "SHOW_ROUTINE": "SELECT",
}
"""As good, on *.*."""

_QUOTED = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"
_PRIVILEGE = rf"[A-Z_ ]+?(?: \({_QUOTED}(?:, ?{_QUOTED})*\))?"
_LINE = re.compile(
    rf"(?P<verb>GRANT|REVOKE) (?P<privileges>{_PRIVILEGE}(?:, ?{_PRIVILEGE})*) "
    rf"ON (?P<database>\*|{_QUOTED})\.(?P<table>\*|{_QUOTED}) (?:TO|FROM) (?P<grantee>(?:{_QUOTED}@?)+|PUBLIC)",
)
_ROLE = re.compile(rf"GRANT {_QUOTED}")


@dataclass(frozen=True)
class Need:
    """One privilege on one scope, as GRANT writes it: `*.*`, or a pattern of databases."""

    privilege: str
    scope: str
    why: str

    def grant(self, user: str, host: str) -> str:
        """The statement that gives it."""
        return f"GRANT {self.privilege} ON {self.scope} TO {account(user, host)};"


@dataclass(frozen=True)
class _Wanted:
    privilege: str
    database: str | None  # None: *.*
    why: str


@dataclass(frozen=True)
class _Grant:
    revoked: bool
    privileges: frozenset[str]
    pattern: str | None  # None: *.*; else of databases, as LIKE reads it
    grantee: str


def needs(facts: ServerFacts, databases: Sequence[str] | None = None) -> list[Need]:
    """What a backup of these databases, or of all (None), takes."""
    return [_need(facts, wanted) for wanted in _wanted(facts, databases)]


def create_user(user: str, host: str) -> str:
    """The statement that creates the account; the password is left to the person."""
    return f"CREATE USER {account(user, host)} IDENTIFIED BY '<password>';"


def grants_for_backup(
    facts: ServerFacts,
    user: str,
    host: str,
    databases: Sequence[str] | None = None,
) -> list[str]:
    """The GRANT statements, one a scope."""
    privileges: dict[str, list[str]] = {}
    for need in [*needs(facts, databases), *_replicas(facts)]:
        privileges.setdefault(need.scope, []).append(need.privilege)
    return [Need(", ".join(held), scope, "").grant(user, host) for scope, held in privileges.items()]


def missing_privileges(
    facts: ServerFacts,
    show_grants: Iterable[str],
    databases: Sequence[str] | None = None,
) -> list[Need]:
    """What the account lacks, by the lines of its own SHOW GRANTS, which hold those of its active roles."""
    grants = list(_parsed(show_grants, patterns=facts.grants_are_patterns))
    wanted = _wanted(facts, databases)
    return [_need(facts, lack) for want in wanted for lack in _lacking(want, grants)]


def missing_of_replica(facts: ServerFacts, show_grants: Iterable[str]) -> list[Need]:
    """What else the account of a replica lacks, without which its backup has not the source's coordinates."""
    grants = list(_parsed(show_grants, patterns=facts.grants_are_patterns))
    return [need for need in _replicas(facts) if list(_lacking(_Wanted(need.privilege, None, need.why), grants))]


def has_roles(show_grants: Iterable[str]) -> bool:
    """Roles are granted; they count only while they are active, so only as default roles."""
    return any(_ROLE.match(line) for line in show_grants)


def _replicas(facts: ServerFacts) -> list[Need]:
    reads = "reads up to where a replica has executed its source's binary log"
    return [Need("SLAVE MONITOR", "*.*", reads)] if facts.replicates else []


def _wanted(facts: ServerFacts, databases: Sequence[str] | None) -> Iterator[_Wanted]:
    yield _Wanted("RELOAD", None, "takes the brief lock of a consistent snapshot")
    yield _Wanted("PROCESS", None, "names the session that holds up a lock")
    status = "BINLOG MONITOR" if facts.is_mariadb else "REPLICATION CLIENT"
    yield _Wanted(status, None, "reads the binary log's position")
    if facts.has_instance_lock:
        yield _Wanted("BACKUP_ADMIN", None, "keeps DDL out while a backup runs")
    if databases is not None and not facts.is_mariadb:
        routines = "SHOW_ROUTINE" if facts.version >= _OLDEST_SHOW_ROUTINE else "SELECT"
        yield _Wanted(routines, None, "reads the definitions of routines")
    for database in (None,) if databases is None else databases:
        for privilege, why in _ROWS_AND_DEFINITIONS.items():
            yield _Wanted(privilege, database, why)
    if databases is not None:
        routines = ", routines and packages" if facts.is_mariadb else ""
        yield _Wanted("SELECT", "mysql", f"reads the definitions of accounts{routines}")


def _need(facts: ServerFacts, wanted: _Wanted) -> Need:
    """With the scope spelled; an underscore that is not escaped would let every other character pass."""
    if wanted.database is None:
        return Need(wanted.privilege, "*.*", wanted.why)
    name = _escaped(wanted.database) if facts.grants_are_patterns else wanted.database
    return Need(wanted.privilege, f"{quote(name)}.*", wanted.why)


def _parsed(lines: Iterable[str], *, patterns: bool) -> Iterator[_Grant]:
    for line in lines:
        found = _LINE.match(line)
        if found is None or found["table"] != "*":
            continue  # a role, a proxy, a routine or a single table: no database is covered by it
        names = re.findall(rf"({_PRIVILEGE})(?:, ?|$)", found["privileges"])
        pattern = None if found["database"] == "*" else _unquoted(found["database"])
        if pattern is not None and not patterns:
            pattern = _escaped(pattern)
        yield _Grant(found["verb"] == "REVOKE", frozenset(names), pattern, found["grantee"])


def _lacking(wanted: _Wanted, grants: Sequence[_Grant]) -> Iterator[_Wanted]:
    if wanted.database is not None:
        if not _holds_on(wanted.privilege, wanted.database, grants):
            yield wanted
        return
    everywhere = [grant for grant in grants if grant.pattern is None and not grant.revoked]
    if not any(_includes(grant, wanted.privilege) for grant in everywhere):
        yield wanted
        return
    if wanted.privilege not in _ROWS_AND_DEFINITIONS:
        return
    for grant in grants:  # MySQL's partial revokes
        if grant.revoked and grant.pattern is not None:
            database = re.sub(r"\\(.)", r"\1", grant.pattern)
            if not _holds_on(wanted.privilege, database, grants):
                yield replace(wanted, database=database)


def _holds_on(privilege: str, database: str, grants: Sequence[_Grant]) -> bool:
    return any(
        _grantee_holds_on(privilege, database, [grant for grant in grants if grant.grantee == grantee])
        for grantee in {grant.grantee for grant in grants}
    )


def _grantee_holds_on(privilege: str, database: str, grants: Sequence[_Grant]) -> bool:
    """A user's or a role's global privileges, and those of the most specific pattern only: so do the servers."""
    matching = [grant for grant in grants if grant.pattern is not None and _matches(grant.pattern, database)]
    revoked = any(grant.revoked and _includes(grant, privilege) for grant in matching)
    if not revoked and any(grant.pattern is None and _includes(grant, privilege) for grant in grants):
        return True
    given = [grant for grant in matching if not grant.revoked]
    return bool(given) and _includes(max(given, key=lambda grant: _specificity(grant.pattern or "")), privilege)


def _includes(grant: _Grant, privilege: str) -> bool:
    return bool(grant.privileges & {privilege, "ALL PRIVILEGES", _INSTEAD.get(privilege, privilege)})


def _matches(pattern: str, database: str) -> bool:
    """As LIKE does: % and _ are wildcards, a backslash takes that away."""
    parts = re.findall(r"\\.|.", pattern, flags=re.DOTALL)
    wildcards = {"%": ".*", "_": "."}
    expression = "".join(wildcards.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(expression, database, flags=re.DOTALL) is not None


def _specificity(pattern: str) -> tuple[bool, int]:
    """Names before patterns, and among these the longer text in front of the first wildcard."""
    wildcard = re.search(r"(?<!\\)[%_]", pattern)
    return (True, len(pattern)) if wildcard is None else (False, wildcard.start())


def _escaped(database: str) -> str:
    return re.sub(r"([_%\\])", r"\\\1", database)


def _unquoted(name: str) -> str:
    mark = name[0]
    return name[1:-1].replace(mark * 2, mark)
