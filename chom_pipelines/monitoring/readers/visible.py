"""Which databases an account sees whole: of the others information_schema tells less, or nothing, and no error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chom_pipelines.monitoring.readers.reading import Lack
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, missing
from chom_pipelines.server.identifiers import literal, quote
from chom_pipelines.server.questions import current_account, databases_there, shown_grants


@dataclass(frozen=True)
class Visible:
    """The databases that were asked for, that exist and that are seen whole; and what keeps others out."""

    databases: tuple[str, ...]
    lacks: tuple[Lack, ...]

    @property
    def as_list(self) -> str:
        """For SQL's IN; matches nothing where there is none."""
        return f"({', '.join(map(literal, self.databases)) or 'NULL'})"


def visible(
    session: Session,
    facts: ServerFacts,
    databases: Sequence[str] | None,
    capability: str,
    privilege: Wanted,
) -> Visible:
    """Those of `databases`, or all (None) but the server's own, on which the account has the privilege.

    The privilege's `database` is not read. Where all are asked for, it is to be held on *.*: a database that the
    account may not see is not even listed. Raises ServerError.
    """
    grants = shown_grants(session)
    user, host = current_account(session)

    def lacking(name: str | None) -> tuple[Lack, ...]:
        needs = missing(facts, grants, [replace(privilege, database=name)])
        return tuple(
            Lack(capability, f"{need.privilege} on {need.scope} is missing: it {need.why}", need.grant(user, host))
            for need in needs
        )

    there = databases_there(session)
    if databases is None:
        lacks = lacking(None)
        return Visible(tuple(name for name in there if not (lacks and lacking(name))), lacks)
    seen, lacks = [], ()
    for name in databases:
        kept_out = lacking(name)
        if not kept_out and name not in there:
            correct = "correct servers.databases in chom.yaml, or create it"
            kept_out = (Lack(capability, f"there is no database {quote(name)}", correct),)
        if not kept_out:
            seen.append(name)
        lacks += kept_out
    return Visible(tuple(seen), lacks)
