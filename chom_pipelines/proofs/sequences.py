"""Whether a restored sequence would give a value again that a restored row already has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from chom_pipelines.logical.catalog import CountedColumn
from chom_pipelines.repository.dump_records import SequenceCounter
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import qualified, quote


def used_again(
    session: Session,
    columns: Iterable[CountedColumn],
    source: Iterable[SequenceCounter],
    restored: Mapping[tuple[str, str], SequenceCounter],
) -> Iterator[str]:
    """The sequences of the copy that stand behind the rows of a column that they count, and in the source did not.

    Where the source's stood behind as well, because somebody inserted by hand or it began again, the copy is no worse.
    """
    there = {counter.identity: counter for counter in source}
    for each in columns:
        ours, copy = there.get(each.sequence), restored.get(each.sequence)
        if ours is None or copy is None:  # of a database that is not in the backup, or said to be missing elsewhere
            continue
        furthest = session.value(
            f"SELECT {'MIN' if ours.down else 'MAX'}({quote(each.column)}) FROM {qualified(each.database, each.table)}"
        )
        if furthest is not None and ours.is_beyond(furthest) and not copy.is_beyond(furthest):
            yield (
                f"sequence {'.'.join(each.sequence)}: it goes on with {copy.following} in the restored copy, where "
                f"{each.database}.{each.table}.{each.column} holds {furthest}; in the source with {ours.following}"
            )
