"""Reads a binary log in chunks, and tells its transactions and what is to be known of the file."""

from __future__ import annotations

from chom_pipelines.binlogs.format.building import Builder
from chom_pipelines.binlogs.format.event_stream import HELD, EventStream
from chom_pipelines.binlogs.format.events import MAGIC, FormatDescription
from chom_pipelines.binlogs.format.gtids import Gtids
from chom_pipelines.binlogs.format.head import description, head_size
from chom_pipelines.binlogs.format.transactions import Summary, Transaction, moment
from chom_pipelines.errors import BinlogDamagedError, ChomError

_SECOND = 1_000_000


class Scanner:
    """Takes the bytes of one file, in chunks of any size, and holds no more of them than one event of a megabyte.

    It begins at the file's first byte; or, where `start` is a position behind a whole transaction, there. Then it takes
    the file's bytes from there on, and the bytes of its format description event (`Summary.format.event`); or, without
    `format_description`, what the servers' client programs write when they begin at that position: they put the magic
    number and a format description first. GTIDs as sets or positions are then known only where those before `start`
    are told. `file` is what errors call the file.
    """

    def __init__(
        self,
        file: str,
        *,
        start: int = 0,
        format_description: bytes | None = None,
        gtids_before: Gtids | None = None,
        held: int = HELD,
    ) -> None:
        self._file = file
        self._start = start or len(MAGIC)
        self._held = held
        self._head = b""
        self._builder = Builder(file, gtids_before)
        self._format: FormatDescription | None = None
        self._stream: EventStream | None = None
        self._damage: ChomError | None = None
        self._prefix = 0
        if format_description is not None:
            if start <= len(MAGIC):
                raise ValueError("a scan from a file's begin finds the format description there")
            self._begin(format_description, start)

    @property
    def has_begun(self) -> bool:
        """The format description is there as a whole, without which `finish` raises."""
        return self._format is not None

    def feed(self, data: bytes) -> list[Transaction]:
        """Take the next bytes, and return the transactions that end in them.

        Raises BinlogDamagedError, and UnknownFormatError, where the file is not what a server wrote. Transactions
        before the damage are returned first: then the next call of `feed` or `finish` raises.
        """
        if self._damage is not None:
            raise self._damage
        try:
            self._take(data)
        except ChomError as error:
            self._damage = error
            if not self._builder.finished:
                raise
        finished, self._builder.finished = self._builder.finished, []
        return finished

    def finish(self) -> Summary:
        """Tell what is to be known of all that was fed. A last event that is not whole is no damage: see `Summary`.

        Raises BinlogDamagedError, and UnknownFormatError, where `feed` did or was about to, and where there is not even
        a whole format description.
        """
        if self._damage is not None:
            raise self._damage
        if self._format is None or self._stream is None:
            raise BinlogDamagedError(f"{self._file}: it ends after {len(self._head)} bytes, within its first event")
        builder = self._builder
        end = self._stream.position
        return Summary(
            file=self._file,
            format=self._format,
            prefix=self._prefix + self._stream.repeated,
            start=self._start,
            end=end,
            transactions_end=end if builder.open_since is None else builder.open_since,
            unread=self._stream.unread,
            gtids_before=builder.gtids_before,
            gtids_after=builder.gtids_after,
            first_time=moment(builder.first_time * _SECOND) if builder.last_time else None,
            last_time=moment(builder.last_time * _SECOND) if builder.last_time else None,
            transactions=builder.transactions,
            incidents=tuple(builder.incidents),
            ending=builder.ending,
            next_file=builder.next_file,
            closed=moment(builder.closed_at * _SECOND) if builder.closed_at else None,
        )

    def _take(self, data: bytes) -> None:
        if self._stream is None:
            self._head += data
            size = head_size(self._file, self._head, begins_behind_it=self._start == len(MAGIC))
            if size is None:
                return
            event, data = self._head[len(MAGIC) : size], self._head[size:]
            self._head = b""
            is_whole = self._start == len(MAGIC)
            self._prefix = len(MAGIC) if is_whole else size
            self._begin(event, size if is_whole else self._start)
        assert self._stream is not None  # noqa: S101  (_begin made it)
        self._stream.feed(data)

    def _begin(self, event: bytes, position: int) -> None:
        self._format = description(self._file, event)
        self._stream = EventStream(
            self._file,
            self._builder.handlers(self._format.flavour),
            position=position,
            checksum=self._format.checksum,
            held=self._held,
        )
