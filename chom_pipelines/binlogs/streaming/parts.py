"""Parts of a file of the binary log that is still written: whole transactions, published as they come."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from chom_pipelines.binlogs.archive.heard import keep_heard
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.reading import Content, LogReading
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.archive.times import believed
from chom_pipelines.binlogs.archive.writing import Piece, SegmentWriter, text_of
from chom_pipelines.binlogs.format.transactions import FileEnding
from chom_pipelines.errors import ObjectExistsError
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.objects import ObjectWriter
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.server.binlog_settings import SettingsNow
from chom_pipelines.server.facts import Flavour

HELD = 32 << 20
"""Bytes that are held at most: of more, the whole transactions are published, and a larger one is written meanwhile."""
_PATIENCE = 60.0
"""Seconds to wait for the removal of parts that nobody needs any more."""


@dataclass
class _Begun:
    """A part that is being written: a transaction that is too large to be held."""

    draft: Draft
    log: ObjectWriter
    end: ExitStack


class Tail:
    """What comes of one file: `published` is the position up to which it is archived."""

    def __init__(self, writer: SegmentWriter, history: History, where: str, file: str) -> None:
        archived = history.of_file(file)
        last = archived[-1] if archived else None
        self._writer, self._history, self._where, self.file = writer, history, where, file
        self.published = last.end if last else FIRST
        self.parts = len(archived)
        """Into so many it was published."""
        self._last = last
        self._after = last.after if last else None
        self.as_of = last.as_of if last else None
        self.reading = LogReading(f"{where}: {file}", archived, self.published)
        self._begun: _Begun | None = None
        self._new()

    def _new(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._started = datetime.now(UTC)
        self._digest = hashlib.sha256()
        self.reading.start = self.published
        self.reading.content = Content()

    def following(self, file: str) -> Tail:
        """That of the next file, of which nothing is archived; it names this one, by what is archived of it."""
        known = replace(self._history, segments=(self._last,) if self._last else ())
        return Tail(self._writer, known, self._where, file)

    @property
    def received(self) -> int:
        """The position up to which it has come."""
        return self.reading.position

    @property
    def covered(self) -> int:
        """The position up to which no transaction lacks in the archive."""
        if self.published > FIRST or not self.reading.scanner.has_begun:
            return self.published
        found = self.reading.scanner.finish()
        has_any = found.transactions or found.transactions_end < found.end or found.unread
        return self.published if has_any else found.end

    @property
    def is_behind(self) -> bool:
        """Something has come that is not published."""
        return self._size > 0 or self._begun is not None

    @property
    def is_complete(self) -> bool:
        """The file ends by itself here, and all of it is published."""
        return self.reading.scanner.finish().ending is not FileEnding.OPEN and not self.is_behind

    @property
    def is_full(self) -> bool:
        """More has come than is to be held."""
        return self._size > HELD

    def take(self, piece: bytes) -> None:
        """Take the next bytes; raises what `LogReading.take` raises."""
        begin = 0 if self.published == FIRST else self.published
        skipped = max(begin - self.reading.position, 0)
        self.reading.take(piece)
        if skipped < len(piece):
            self._held.append(piece[skipped:])
            self._size += len(piece) - skipped

    def asked(self, settings: SettingsNow) -> None:
        """The server logs with these settings now; what is published next is recorded with those, too."""
        self._writer = replace(self._writer, settings=replace(settings, since=self._writer.settings.since))

    def publish(self) -> Segment | None:
        """Publish what has come of whole transactions; None: nothing has, or the first event is not there yet.

        Where nothing has and much is held, that is written, so that it need not be held.

        Raises ObjectExistsError where a segment that cannot be used has its place; what writing raises.
        """
        if not self.reading.scanner.has_begun:
            return None
        found = self.reading.scanner.finish()
        complete = found.ending is not FileEnding.OPEN
        if complete:
            self.reading.finish()
        cut = found.transactions_end
        # of a file's begin alone it is not known yet which GTIDs it goes on after
        is_begin = self.published == FIRST and not complete and not self.reading.content.transactions
        if cut <= self.published or is_begin:
            if self.is_full:
                self._write(self._size)
            return None
        behind = self.reading.position - cut
        self._write(self._size - behind)
        rest = self._held
        begun, self._begun = self._begun, None
        assert begun is not None  # noqa: S101  (something was written)
        content = self.reading.content
        commits = content.last if found.format.flavour is Flavour.MYSQL else None
        noted = max(filter(None, (content.last, found.closed if complete else found.opened)))
        self.as_of = believed(noted, found.opened, (self.as_of, commits), self._writer.settings.asked)
        piece = Piece(
            file=self.file,
            start=self.published,
            end=cut,
            complete=complete,
            before=self._after if self._after is not None else text_of(found.gtids_before),
            as_of=self.as_of,
            written=None,
            started=self._started,
            server_bytes=self.reading.position,
            digest=self._digest.hexdigest(),
        )
        with begun.end:
            segment = self._writer.publish(begun.draft, piece, self.reading, begun.log.close(), self._history)
        before = (each for each in self._history.segments if each != self._last)  # of many parts the last one is enough
        self._history = replace(self._history, segments=(*before, segment))
        self.published, self._after, self._last = cut, segment.after, segment
        self.parts += 1
        self._new()
        self._held, self._size = rest, behind
        return segment

    def heard(self, time: datetime, now: SettingsNow) -> None:
        """Note that all is archived that the server had written at this time, by its clock.

        Not where it replicates since the last piece, and logs nothing of that: then its log says nothing of its data.

        Raises DiskFullError, RepositoryError.
        """
        last = self._last or self._history.last
        if last and last.logging and last.logging.updates_off == now.settings.updates_off:
            keep_heard(self._history, last, time, self._writer.key)

    def close(self) -> None:
        """Give up what was begun."""
        if self._begun:
            self._begun.end.close()

    def _write(self, size: int) -> None:
        """Write the first bytes of what is held."""
        begun = self._begun or self._begin()
        self._begun = begun
        pieces, self._held = self._held, []
        for piece in pieces:
            now, later = piece[:size], piece[size:]
            size -= len(now)
            if now:
                begun.log.write(now)
                self._digest.update(now)
                self._size -= len(now)
            if later:
                self._held.append(later)

    def _begin(self) -> _Begun:
        with ExitStack() as stack:
            identity = BackupId(Kind.BINLOG, file=self.file, start=self.published)
            try:
                draft = stack.enter_context(self._history.parts.begin_segment(identity, _PATIENCE))
            except ObjectExistsError as error:
                remedy = f"it cannot be used, and stands in the way until the server begins another file: {self.file}"
                raise ObjectExistsError(error.what, f"{remedy} ends with `chom backup --type incremental`") from error
            log = self._writer.log_writer(draft, self.file)
            stack.callback(log.abort)
            return _Begun(draft, log, stack.pop_all())
