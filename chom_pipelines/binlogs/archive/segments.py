"""Segments of an archived binary log, as their manifests describe them; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chom_pipelines.errors import ArchiveDamagedError
from chom_pipelines.repository.data_keys import StreamKey
from chom_pipelines.repository.layout import BINLOGS, STREAMED, Kind
from chom_pipelines.repository.log_name import InLogFile
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.server.binlog_settings import BinlogSettings
from chom_pipelines.server.facts import Flavour

FIRST = 4
"""The position of the first event of a file: four bytes, which say what it is, are before it."""


@dataclass(frozen=True)
class Identity:
    """Whose binary log it is. MariaDB has no UUID, so that there the id has to be enough."""

    server_id: int
    server_uuid: str | None

    def __str__(self) -> str:
        return f"server id {self.server_id}" + (f", {self.server_uuid}" if self.server_uuid else "")


@dataclass(frozen=True)
class Segment(InLogFile):
    """A piece of one file of the binary log: the events from position `start` up to `end`, in whole transactions.

    `before` and `after` are GTIDs of all transactions up to there, as the log itself tells them; None: without GTIDs.
    All times are aware; `as_of` is that of its last event of any kind: nothing earlier follows, but after clocks went
    back.
    """

    id: str
    history: str
    identity: Identity
    flavour: Flavour
    file: str
    start: int
    end: int
    complete: bool
    following: str | None
    before: str | None
    after: str | None
    opened: datetime
    """When the server began the file, or the statement that had it do so began; to the second.

    By the server's own clock, as all of these.
    """
    as_of: datetime
    transactions: int
    incidents: int
    """How often the server says in it that it lost events: no replay gets across that."""
    head: str
    previous: str | None
    """The head of the file before it; None: that was not in the archive when this was added."""
    digest: str
    stored_bytes: int
    server_bytes: int
    """Of the whole file by its server, when this was read."""
    stream_key: str | None
    """The key of the stream that encrypts it; None: it is not encrypted."""
    textual: int | None = None
    """Position behind the last transaction with changes of rows as text; 0: there is none; None: nobody looked."""
    first_event: datetime | None = None
    """The time of its first transaction; None: it has none."""
    last_event: datetime | None = None
    closed: datetime | None = None
    """When the server closed the file, as its last event says: by the clock of the session that had it do so."""
    written: datetime | None = None
    """The server still wrote the file then, by its own clock, which was asked; None: nobody did."""
    logging: BinlogSettings | None = None
    """What may have been kept out of it; None: not known."""
    heard: datetime | None = field(default=None, compare=False)
    """Not of its manifest: at this time a stream heard that the server had written nothing behind the place up to which
    this was there."""
    sure_until: datetime | None = field(default=None, compare=False)
    """Not of its manifest: a gap follows, and what was committed up to here is not in that; None: none follows."""
    streamed: bool = False
    """It is a part that was streamed, which goes when the whole file is there."""

    @classmethod
    def of(cls, manifest: Manifest, history: str, *, streamed: bool = False) -> Segment:
        """From its manifest; raises DamagedError where that describes no segment."""
        payload, start, end = manifest.payload, manifest.coordinates.start, manifest.coordinates.end
        if manifest.kind is not Kind.BINLOG or not isinstance(payload, BinlogPayload) or not start or not end:
            raise ArchiveDamagedError(f"{manifest.id} of {manifest.server} stands among binary logs and is none")
        if manifest.id != f"{Kind.BINLOG.value}_{start.file}_{start.position:012d}" or end.file != start.file:
            raise ArchiveDamagedError(
                f"the manifest of {manifest.id} of {manifest.server} describes another piece of the log"
            )
        if payload.history != history:
            what = (
                f"{manifest.id} of {manifest.server} belongs to the history {payload.history}, and stands in {history}"
            )
            raise ArchiveDamagedError(
                what, f"move it back to {payload.history}, or remove it where it is there as well"
            )
        return cls(
            id=manifest.id,
            history=history,
            identity=Identity(manifest.source.server_id, manifest.source.server_uuid),
            flavour=Flavour(manifest.source.flavour),
            file=start.file,
            start=start.position,
            end=end.position,
            complete=payload.complete,
            following=payload.following,
            before=start.gtid,
            after=end.gtid,
            opened=payload.opened,
            as_of=manifest.as_of,
            transactions=payload.transactions,
            incidents=payload.incidents,
            head=payload.head,
            previous=payload.previous,
            digest=payload.digest,
            stored_bytes=manifest.stored_bytes,
            server_bytes=payload.server_bytes,
            stream_key=manifest.key.stream_key if isinstance(manifest.key, StreamKey) else None,
            textual=payload.textual,
            first_event=payload.first_event,
            last_event=payload.last_event,
            closed=payload.closed,
            written=payload.written,
            logging=BinlogSettings(**dict(payload.logging)) if payload.logging else None,
            streamed=streamed,
        )

    @property
    def stream(self) -> str:
        """The folder of its stream, below the server's: `binlogs/11`, or `streamed/11`."""
        return f"{STREAMED if self.streamed else BINLOGS}/{self.history}"

    @property
    def until(self) -> datetime:
        """Every transaction that was committed up to here is in it or before it, by the server's clock.

        Times in a log are of whole seconds, and cut off. On MariaDB, some in it may have been committed later: it notes
        when statements began. What is archived afterwards does not change where a replay to this moment stops, unless
        clocks went back, or on MariaDB a statement that had begun before a stream last heard of it.
        """
        until = max(filter(None, (self.as_of, self.heard))) - timedelta(seconds=1)
        return min(until, self.sure_until) if self.sure_until else until

    @property
    def reaches(self) -> datetime:
        """Up to here it goes: `as_of`, but for what may be in a gap that follows."""
        return min(self.as_of, self.sure_until) if self.sure_until else self.as_of

    @property
    def surely_written(self) -> datetime:
        """At this time the server wrote the file, or had not begun it yet, whatever the session said that closed it.

        Of two clocks: MySQL's notes of commits are its own, and so is what it answered.
        """
        return max(self._asked, default=self.opened)

    @property
    def knows_clock(self) -> bool:
        """Something in it, or of it, is by the server's own clock for certain."""
        return bool(self._asked)

    @property
    def _asked(self) -> list[datetime]:
        known = (self.written, self.heard, self.last_event if self.flavour is Flavour.MYSQL else None)
        return [time for time in known if time]

    @property
    def none_before(self) -> datetime | None:
        """No transaction of its file was committed before this; None: the log notes commits, as MySQL's does."""
        return self.opened if self.flavour is Flavour.MARIADB else None

    @property
    def order(self) -> tuple[int, int]:
        """What the segments of a history are sorted by."""
        return (self.number, self.start)

    @property
    def range(self) -> str:
        """For people: `mysql-bin.000123 from 4 to 1234`."""
        return f"{self.file} from {self.start} to {self.end}"

    def holds(self, file: str, position: int) -> bool:
        """Replay can begin here at this place, its end included: what is after it follows."""
        return self.file == file and self.start <= position <= self.end
