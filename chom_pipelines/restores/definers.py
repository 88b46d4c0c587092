"""Stand-ins for the accounts as which views and programs are executed, on a private server that has no accounts.

Without its definer no server makes a view of a view, and none shows a view as it is: MariaDB names the database before
each column and loses the numbers of ORDER BY, MySQL changes EXISTS and calls the view invalid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from chom_pipelines.logical.accounts import Account, account_names
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import account
from chom_pipelines.server.scratch import ScratchServer

_QUOTED = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"
_DEFINER = re.compile(rf"CREATE [^`\"']*?\bDEFINER ?= ?({_QUOTED})(?:@({_QUOTED}))?")
"""In the quotes of the program's own sql_mode."""
_OF_VIEWS = "SELECT DISTINCT DEFINER FROM information_schema.VIEWS"


def definer_of(statement: bytes) -> Account | None:
    """The DEFINER of a view or program, as the server shows it; None where it has none, or is not understood."""
    found = _DEFINER.match(statement.decode("utf-8", "replace"))
    if found is None:
        return None
    user, host = found.groups()
    return _bare(user), None if host is None else _bare(host)


def definers(definitions: Iterable[Definition]) -> tuple[Account, ...]:
    """Those of all definitions but of views that did not work, which would work by a stand-in."""
    found = (definer_of(each.statement) for each in definitions if each.kind != INVALID_VIEW)
    return tuple(dict.fromkeys(each for each in found if each))


def definers_of_views(server: ScratchServer) -> tuple[Account, ...]:
    """Those of all views that a server has; raises its errors."""
    with Session(server.endpoint) as session:
        labels = [str(label) for (label,) in session.rows(_OF_VIEWS)]
    parts = (label.rpartition("@") for label in labels)
    return tuple((user, host) if at else (host, None) for user, at, host in parts)


@contextmanager
def stand_ins(server: ScratchServer, accounts: Sequence[Account]) -> Iterator[Sequence[Account]]:
    """Have those accounts that are not there for the length of the block, and tell which: locked, with every privilege.

    Where an exception ends the block they stay: the private server is of no use then. Raises the server's errors.
    """
    with Session(server.endpoint) as session:
        names = account_names(session, server.facts)
        there = {(user, None if is_role else host) for user, host, is_role in names}
        made = [each for each in accounts if each not in there]
        for user, host in made:
            name = account(user, host)
            session.execute(f"CREATE ROLE {name}" if host is None else f"CREATE USER {name} ACCOUNT LOCK")
            session.execute(f"GRANT ALL PRIVILEGES ON *.* TO {name}")
    yield made
    with Session(server.endpoint) as session:
        for user, host in made:
            session.execute(f"DROP {'ROLE' if host is None else 'USER'} {account(user, host)}")


def _bare(quoted: str) -> str:
    mark = quoted[0]
    return quoted[1:-1].replace(mark * 2, mark)
