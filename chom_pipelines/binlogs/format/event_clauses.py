"""What CREATE EVENT and ALTER EVENT say of an event of the scheduler besides what it does."""

from __future__ import annotations

from dataclasses import dataclass

from chom_pipelines.binlogs.format.lexemes import Kind, Reader

_OPENING, _CLOSING = "(", ")"


@dataclass(frozen=True)
class EventClauses:
    """`status` is ENABLE, DISABLE, DISABLE ON SLAVE, or "" where it says nothing; `renamed` its new database and name.

    `only_new`: it does nothing to an event that is there (IF NOT EXISTS).
    """

    status: str = ""
    renamed: tuple[str, str] | None = None
    only_new: bool = False


def event_clauses(reader: Reader, database: str, *, only_new: bool) -> EventClauses:
    """Read what follows the event's name, up to its body. `database` is the default one.

    In a schedule there may be any expression: a word in parentheses, and one that is the name of a function or of its
    database, is no clause. Before a body no name stands without a dot or parentheses but the new one.
    """
    status, renamed, depth = "", None, 0
    while (found := reader.step()).kind is not Kind.END:
        word, following = found.word, reader.peek().word
        if word in {_OPENING, _CLOSING}:
            depth += 1 if word == _OPENING else -1
        elif depth or following == ".":
            continue
        elif word == "DO":
            break
        elif following == _OPENING:
            continue
        elif word == "RENAME" and reader.take("TO"):
            renamed = reader.table(database)
        elif word == "ENABLE":
            status = "ENABLE"
        elif word == "DISABLE":
            on_replica = reader.take("ON", "SLAVE") or reader.take("ON", "REPLICA")
            status = "DISABLE ON SLAVE" if on_replica else "DISABLE"
    return EventClauses(status, renamed, only_new)
