"""Accounts and roles of a server with their grants, as the statements that make them again."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from chom_pipelines.errors import ServerError, UnknownDatabaseError
from chom_pipelines.logical.definitions import Definition
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import account
from chom_pipelines.server.scratch_place import OUR_ACCOUNT

Account = tuple[str, str | None]
"""User and host; a role of MariaDB has none."""

_INTERNAL_ACCOUNTS = frozenset(
    {"mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys", "PUBLIC", "", OUR_ACCOUNT}
)
_DEFAULT_ROLES = re.compile(
    rb" DEFAULT ROLE (?P<names>`(?:[^`]|``)*`@`(?:[^`]|``)*`(?:,`(?:[^`]|``)*`@`(?:[^`]|``)*`)*)"
)
_EXPIRED = re.compile(rb" PASSWORD EXPIRE(?= ACCOUNT | PASSWORD |$)")
_NOT_IN_EFFECT = frozenset({1133, 1141})
"""No such user or grant: skip-name-resolve ignores accounts with host names, which stay in mysql.user."""


@dataclass(frozen=True)
class Accounts:
    """What there is: roles, accounts, then all grants; and warnings of what is left out."""

    definitions: tuple[Definition, ...]
    warnings: tuple[str, ...]


def account_label(user: str, host: str, *, is_role: bool) -> str:
    """How an account is named in a backup: a role of MariaDB by its name alone."""
    return user if is_role else f"{user}@{host}"


def account_names(session: Session, facts: ServerFacts) -> list[tuple[str, str, bool]]:
    """(user, host, is a role of MariaDB) of all; raises MissingPrivilegeError."""
    role = "is_role = 'Y'" if facts.is_mariadb else "FALSE"
    rows = session.rows(f"SELECT User, Host, {role} FROM mysql.user ORDER BY 1, 2")
    return [(str(user), str(host), bool(is_role)) for user, host, is_role in rows]


def read_accounts(session: Session, facts: ServerFacts, others: Collection[Account] = ()) -> Accounts:
    """Everybody but the accounts that a server makes for itself, and those `others` that are no one's.

    Raises MissingPrivilegeError where the user may not read them.
    """
    if not facts.is_mariadb:
        # hashes of caching_sha2_password hold any byte
        session.execute("SET SESSION print_identified_with_as_hex = ON")
    found: list[Definition] = []
    grants: list[Definition] = []
    ignored: list[str] = []
    warnings: list[str] = []
    for user, host, is_role in account_names(session, facts):
        if user == "PUBLIC" and session.rows("SHOW GRANTS FOR PUBLIC"):
            warnings.append("what is granted to PUBLIC is not in this backup")
        if user in _INTERNAL_ACCOUNTS or (user, None if is_role else host) in others:
            continue
        name, label = account(user, None if is_role else host), account_label(user, host, is_role=is_role)
        try:
            made, late = _account(session, name, label, is_role=is_role)
        except ServerError as error:
            if error_number(error) not in _NOT_IN_EFFECT:
                raise
            ignored.append(label)
            continue
        found.append(made)
        grants += [
            Definition("grant", "", f"{label} #{number}", _bytes(grant))
            for number, (grant, *_) in enumerate(session.rows(f"SHOW GRANTS FOR {name}"))
        ]
        grants += late
    # roles first: MariaDB's accounts are granted them
    makers = sorted(found, key=lambda definition: definition.kind != "role")
    if ignored:
        warnings.append(f"accounts that the server itself ignores are not in this backup: {', '.join(ignored)}")
    return Accounts((*makers, *grants), tuple(warnings))


def _account(session: Session, name: str, label: str, *, is_role: bool) -> tuple[Definition, list[Definition]]:
    """What makes it, and what can only be said of it after everybody's are made and its own grants are given."""
    if is_role:
        return Definition("role", "", label, f"CREATE ROLE IF NOT EXISTS {name}".encode()), []
    shown = session.row(f"SHOW CREATE USER {name}")
    if shown is None:
        raise UnknownDatabaseError(f"{session.endpoint.where}: {label} is not shown", "it was dropped; run again")
    statement = _bytes(shown[0]).replace(b"CREATE USER ", b"CREATE USER IF NOT EXISTS ", 1)
    late: list[bytes] = []
    if roles := _DEFAULT_ROLES.search(statement):  # MySQL's roles are accounts like others
        statement = statement.replace(roles[0], b"", 1)
        late.append(b"SET DEFAULT ROLE " + roles["names"] + f" TO {name}".encode())
    if _EXPIRED.search(statement):  # MariaDB's GRANT sets the password again
        late.append(f"ALTER USER {name} PASSWORD EXPIRE".encode())
    after = [Definition("grant", "", f"{label} late {number}", sql) for number, sql in enumerate(late)]
    return Definition("account", "", label, statement), after


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
