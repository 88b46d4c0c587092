"""How far back restores to a point in time reach, before a plan is carried out and afterwards; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.binlogs.archive.chain import chained, lined_up
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.recovery.windows import Full, windows
from chom_pipelines.repository.layout import BACKUPS
from chom_pipelines.retention.decisions import Decision


@dataclass(frozen=True)
class Reach:
    """The earliest moments, aware, from which on there is a log to restore with; None: there is none."""

    now: datetime | None = None
    afterwards: datetime | None = None

    @classmethod
    def of(cls, fulls: Sequence[Full], histories: Sequence[History], goes: Iterable[Decision]) -> Reach:
        """Of what there is, and of what is left when this has gone."""
        gone = {(each.stream, each.id) for each in goes}
        now = _earliest(fulls, histories, ())
        return cls(now, _earliest(fulls, histories, gone) if gone else now)


def _earliest(
    fulls: Iterable[Full], histories: Iterable[History], gone: Collection[tuple[str, str]]
) -> datetime | None:
    chains = lined_up(
        chained((each for each in history.segments if (each.stream, each.id) not in gone), history.unreadable)
        for history in histories
    )
    kept = [each for each in fulls if (BACKUPS, each.id) not in gone]
    return min((each.bounds[0] for each in windows(kept, chains).intervals if each.last), default=None)
