"""Who restores, and what of a target decides whether that account may: asked of the server before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chom_pipelines.errors import MissingPrivilegeError
from chom_pipelines.logical.accounts import account_label
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.questions import current_account, shown_grants

Thing = tuple[str, str, str]
"""Kind, database and name."""

WHO_ELSE = "name with --user an account that may (the one that takes backups should not), or do this first:"
"""What to do where a privilege is missing; the statements follow, one a line."""

_DEFINERS = (
    "SELECT LOWER(ROUTINE_TYPE), ROUTINE_SCHEMA, ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES",
    "SELECT 'event', EVENT_SCHEMA, EVENT_NAME, DEFINER FROM information_schema.EVENTS",
    "SELECT 'view', TABLE_SCHEMA, TABLE_NAME, DEFINER FROM information_schema.VIEWS",
)
_USABLE = frozenset({"YES", "DEFAULT"})


@dataclass(frozen=True)
class Authority:
    """The account of a restore, as the server knows it. Accounts are named user@host."""

    user: str
    host: str
    grants: tuple[str, ...]
    """The lines of its SHOW GRANTS."""
    engines: frozenset[str] = frozenset()
    """In which the server makes tables, in lower case."""
    accounts: Mapping[str, bool] | None = None
    """All that there are on MySQL, and whether each has SYSTEM_USER; None: this account may not look."""
    definers: Mapping[Thing, str] = field(default_factory=dict)
    """On MySQL, of the views, routines and events that it sees."""

    @property
    def label(self) -> str:
        """`user@host`."""
        return account_label(self.user, self.host, is_role=False)


def read_authority(session: Session, facts: ServerFacts) -> Authority:
    """Ask. Raises the server's errors."""
    user, host = current_account(session)
    return Authority(
        user=user,
        host=host,
        grants=shown_grants(session),
        engines=frozenset(str(row[0]).lower() for row in session.rows("SHOW ENGINES") if row[1] in _USABLE),
        accounts=None if facts.is_mariadb else _accounts(session),
        definers={} if facts.is_mariadb else dict(_definers(session)),
    )


def _accounts(session: Session) -> dict[str, bool] | None:
    try:
        everybody = _labels(session.rows("SELECT User, Host FROM mysql.user"))
        system = set(_labels(session.rows("SELECT USER, HOST FROM mysql.global_grants WHERE PRIV = 'SYSTEM_USER'")))
        edges = session.rows("SELECT FROM_USER, FROM_HOST, TO_USER, TO_HOST FROM mysql.role_edges")
    except MissingPrivilegeError:
        return None
    given = list(zip(_labels(edge[:2] for edge in edges), _labels(edge[2:] for edge in edges), strict=True))
    while more := {to for role, to in given if role in system} - system:  # a role's privilege is that of its members
        system |= more
    return {label: label in system for label in everybody}


def _labels(rows: Iterable[tuple[object, ...]]) -> list[str]:
    return [account_label(str(user), str(host), is_role=False) for user, host in rows]


def _definers(session: Session) -> Iterator[tuple[Thing, str]]:
    for query in _DEFINERS:
        for kind, database, name, definer in session.rows(query):
            yield (str(kind), str(database), str(name)), str(definer)
