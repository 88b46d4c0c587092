"""What an account holds of what is wanted, by the lines of SHOW GRANTS, and the statements that give the rest. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import account, quote

_OF_DATABASES = frozenset(
    {
        *("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "EXECUTE"),
        *("CREATE VIEW", "SHOW VIEW", "TRIGGER", "EVENT", "CREATE ROUTINE", "ALTER ROUTINE"),
    }
)
"""Those that MySQL can revoke for one database where they are granted for all."""

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
class Wanted:
    """A privilege on a database, or on all (None); `instead`: those that are as good."""

    privilege: str
    database: str | None
    why: str
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Grant:
    revoked: bool
    privileges: frozenset[str]
    pattern: str | None  # None: *.*; else of databases, as LIKE reads it
    grantee: str


def grants(needs: Iterable[Need], user: str, host: str) -> list[str]:
    """The GRANT statements, one a scope."""
    privileges: dict[str, list[str]] = {}
    for need in needs:
        privileges.setdefault(need.scope, []).append(need.privilege)
    return [Need(", ".join(held), scope, "").grant(user, host) for scope, held in privileges.items()]


def missing(facts: ServerFacts, show_grants: Iterable[str], wanted: Iterable[Wanted]) -> list[Need]:
    """What the account lacks, by the lines of its own SHOW GRANTS, which hold those of its active roles.

    What is held on single tables or columns counts as missing.
    """
    parsed = list(_parsed(show_grants, patterns=facts.grants_are_patterns))
    return [spelled(facts, lack) for want in wanted for lack in _lacking(want, parsed)]


def has_roles(show_grants: Iterable[str]) -> bool:
    """Roles are granted; they count only while they are active, so only as default roles."""
    return any(_ROLE.match(line) for line in show_grants)


def has_single_tables(show_grants: Iterable[str]) -> bool:
    """Something is granted on a single table, or on columns of one."""
    return any(found["table"] != "*" for line in show_grants if (found := _LINE.match(line)))


def spelled(facts: ServerFacts, wanted: Wanted) -> Need:
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


def _lacking(wanted: Wanted, grants: Sequence[_Grant]) -> Iterator[Wanted]:
    if wanted.database is not None:
        if not _holds_on(wanted, wanted.database, grants):
            yield wanted
        return
    everywhere = [grant for grant in grants if grant.pattern is None and not grant.revoked]
    if not any(_includes(grant, wanted) for grant in everywhere):
        yield wanted
        return
    if wanted.privilege not in _OF_DATABASES:
        return
    for grant in grants:  # MySQL's partial revokes
        if grant.revoked and grant.pattern is not None:
            database = re.sub(r"\\(.)", r"\1", grant.pattern)
            if not _holds_on(wanted, database, grants):
                yield replace(wanted, database=database)


def _holds_on(wanted: Wanted, database: str, grants: Sequence[_Grant]) -> bool:
    return any(
        _grantee_holds_on(wanted, database, [grant for grant in grants if grant.grantee == grantee])
        for grantee in {grant.grantee for grant in grants}
    )


def _grantee_holds_on(wanted: Wanted, database: str, grants: Sequence[_Grant]) -> bool:
    """A user's or a role's global privileges, and those of the most specific pattern only: so do the servers."""
    matching = [grant for grant in grants if grant.pattern is not None and _matches(grant.pattern, database)]
    revoked = any(grant.revoked and _includes(grant, wanted) for grant in matching)
    if not revoked and any(grant.pattern is None and _includes(grant, wanted) for grant in grants):
        return True
    given = [grant for grant in matching if not grant.revoked]
    return bool(given) and _includes(max(given, key=lambda grant: _specificity(grant.pattern or "")), wanted)


def _includes(grant: _Grant, wanted: Wanted) -> bool:
    return bool(grant.privileges & {wanted.privilege, "ALL PRIVILEGES", *wanted.instead})


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
