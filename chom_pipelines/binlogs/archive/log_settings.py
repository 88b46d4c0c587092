"""With which settings a server wrote each file of its log, by what it says of those of now; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.events import FormatDescription
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.server.binlog_settings import BinlogSettings, SettingsNow

_ROUNDED = timedelta(seconds=2)
"""By which a start may seem later than it was: it is told by two numbers of whole seconds."""


def settings_when_written(
    now: SettingsNow, file: str, head: FormatDescription, opened: datetime, archived: Iterable[Segment]
) -> BinlogSettings | None:
    """Those with which a file was written; `archived` is what the archive has. None: not known.

    What was begun before the server started was written with what was known then. binlog_format changes while a file is
    written, so that what it was when the file before was archived counts as well.
    """
    base, number = LogName.of(file)
    near = [each for each in archived if each.base == base and number - 1 <= each.number <= number]
    known = [each for each in sorted(near, key=lambda each: each.order) if each.logging]
    last = known[-1].logging if known else None
    # one that followed another file in the very second of the start may be from before it, or from after
    unclear = opened == now.since and not head.begun_by_start
    if opened < now.since - _ROUNDED:
        return None if head.begun_by_start else last  # another start, with settings that nobody asked for
    if opened < now.since and not head.begun_by_start:
        return last
    if unclear and last is None:
        return None
    own = [each.logging.formats for each in known if each.logging and each.file == file]
    before = [
        each.logging.formats[-1:] for each in known[-1:] if each.logging and (unclear or each.opened >= now.since)
    ]
    current = now.settings.formats[-1]
    earlier = dict.fromkeys(name for formats in own or before for name in formats)
    return replace(
        last if unclear and last else now.settings, formats=(*(name for name in earlier if name != current), current)
    )
