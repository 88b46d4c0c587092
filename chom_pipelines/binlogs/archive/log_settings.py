"""With which settings a server wrote each file of its log, by what it says of those of now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.format.events import FormatDescription
from chom_pipelines.repository.layout import BackupId
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.server.binlog_settings import BinlogSettings, SettingsNow

_ROUNDED = timedelta(seconds=2)
"""By which a start may seem later than it was: it is told by two numbers of whole seconds."""


def settings_when_written(
    now: SettingsNow, piece: BackupId, head: FormatDescription, opened: datetime, archived: Iterable[Segment]
) -> BinlogSettings | None:
    """Those with which a piece of a file was written; `archived` is what the archive has. None: not known.

    What was begun before the server started was written with what was known then. binlog_format changes while a file is
    written, so that what it was at the piece's begin counts as well, and of a whole file what it was in each of its
    parts.
    """
    base, number = LogName.of(piece.file)
    near = [each for each in archived if each.base == base and number - 1 <= each.number <= number]
    known = [each for each in sorted(near, key=lambda each: each.order) if each.logging]
    parts = [each.logging for each in known if each.logging and each.file == piece.file]
    is_whole = piece.start == FIRST
    last = _of_all(parts) if parts and is_whole else _at_end(known[-1].logging) if known else None
    # one that followed another file in the very second of the start may be from before it, or from after
    unclear = opened == now.since and not head.begun_by_start
    if opened < now.since - _ROUNDED:
        return None if head.begun_by_start else last  # another start, with settings that nobody asked for
    if opened < now.since and not head.begun_by_start:
        return last
    if unclear and last is None:
        return None
    is_of_this_start = parts or unclear or (known and known[-1].opened >= now.since)
    earlier = last.formats if last and is_of_this_start else ()
    current = now.settings.formats[-1]
    return replace(
        last if unclear and last else now.settings,
        formats=(*(name for name in earlier if name != current), current),
        updates_off=now.settings.updates_off or (last.updates_off if is_whole and last and parts else None),
    )


def _at_end(settings: BinlogSettings | None) -> BinlogSettings | None:
    return settings and replace(settings, formats=settings.formats[-1:])


def _of_all(parts: Sequence[BinlogSettings]) -> BinlogSettings:
    """Of parts of a file that follow each other."""
    formats = dict.fromkeys(name for each in reversed(parts) for name in reversed(each.formats))
    updates_off = next((each.updates_off for each in parts if each.updates_off), None)
    return replace(parts[-1], formats=tuple(reversed(formats)), updates_off=updates_off)
