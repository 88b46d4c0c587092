"""Writing one segment: a file of the server's binary log, read once, checked, indexed, stored and published."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from chom_pipelines import __version__
from chom_pipelines.binlogs.archive.client import read_log
from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.indexing import SegmentIndex
from chom_pipelines.binlogs.archive.log_settings import settings_when_written
from chom_pipelines.binlogs.archive.reading import Content, LogReading
from chom_pipelines.binlogs.archive.segment_guide import segment_guide
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.archive.server_logs import ServerLog
from chom_pipelines.binlogs.archive.times import believed
from chom_pipelines.binlogs.format.transactions import FileEnding, Summary
from chom_pipelines.errors import BinlogDamagedError
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical.source import source_of
from chom_pipelines.repository.data_keys import StreamKey, read_stream_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.layout import GUIDE, BackupId, Kind
from chom_pipelines.repository.manifest import Coordinates, Manifest, Position
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.payloads import BinlogPayload, Logging
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.server.binlog_settings import BinlogSettings, SettingsNow, lacks
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, ServerFacts

_log = logging.getLogger(__name__)

INDEX = "index.json"


@dataclass(frozen=True)
class Piece:
    """Which piece of a file a segment has, and what is known of it beside what was read."""

    file: str
    start: int
    end: int
    complete: bool
    before: str | None
    as_of: datetime
    written: datetime | None
    started: datetime
    server_bytes: int
    digest: str

    @property
    def id(self) -> BackupId:
        """Of the segment."""
        return BackupId(Kind.BINLOG, file=self.file, start=self.start)


@dataclass(frozen=True)
class SegmentWriter:
    """Writes segments of one server's binary log, encrypted where there is a key."""

    server: str
    endpoint: Endpoint
    facts: ServerFacts
    policy: BackupPolicy
    key: tuple[StreamKey, DataKey] | None
    settings: SettingsNow

    def write(self, history: History, log: ServerLog, report: Callable[[int], None]) -> Segment:
        """Store a file that the server has closed, as a whole; `report` is told bytes.

        Raises BinlogDamagedError with nothing of it archived, ObjectExistsError where a segment that cannot be used has
        its place; and what reading from the server and writing into the repository raise.
        """
        reading = LogReading(f"{self.endpoint.where}: {log.file}", history.of_file(log.file), FIRST)
        started, digest = datetime.now(UTC), hashlib.sha256()
        with history.stream.begin_segment(BackupId(Kind.BINLOG, file=log.file, start=FIRST)) as draft:
            with (
                self.log_writer(draft, log.file) as whole,
                closing(read_log(self.endpoint, self.facts.flavour, log.file)) as pieces,
            ):
                for piece in pieces:
                    reading.take(piece)
                    digest.update(piece)
                    whole.write(piece)
                    report(reading.position)
            found = reading.finish()
            if found.ending is FileEnding.OPEN and reading.position != log.bytes:
                # one of a server that crashed is whole where as much came as the server has
                what = f"{reading.where} was sent up to {reading.position}, and has {log.bytes} bytes on the server"
                raise BinlogDamagedError(what, "run it again; if it happens again, find out what cuts it off")
            all_of_it = Piece(
                file=log.file,
                start=FIRST,
                end=found.transactions_end,
                complete=True,
                before=text_of(found.gtids_before),
                as_of=self._as_of(found, reading.content, log, history.of_file(log.file)),
                written=log.written,
                started=started,
                server_bytes=log.bytes,
                digest=digest.hexdigest(),
            )
            return self.publish(draft, all_of_it, reading, whole.close(), history)

    def _as_of(self, found: Summary, content: Content, log: ServerLog, parts: Sequence[Segment]) -> datetime:
        """When the server closed a whole file: its list of files, with this one as closed, is of before `asked`."""
        commits = content.last if self.facts.flavour is Flavour.MYSQL else None
        sure = (log.written, commits, *(each.as_of for each in parts))
        return believed(found.closed or found.last_time or found.opened, found.opened, sure, self.settings.asked)

    def log_writer(self, draft: Draft, file: str) -> ObjectWriter:
        """What the bytes of a draft's log are written to."""
        return ObjectWriter(draft.folder, file, self.policy.compression, self.policy.level, self._data_key)

    def publish(self, draft: Draft, piece: Piece, reading: LogReading, log: StoredObject, history: History) -> Segment:
        """Store the index, and publish it all."""
        found, content = reading.scanner.finish(), reading.content
        codec, level = self.policy.compression, self.policy.level
        settings = settings_when_written(self.settings, piece.id, found.format, found.opened, history.segments)
        with ObjectWriter(draft.folder, INDEX, codec, level, self._data_key) as index:
            index.write(SegmentIndex(transactions=tuple(content.indexed)).model_dump_json().encode())
        manifest = Manifest(
            tool=f"chom_pipelines {__version__}",
            id=draft.id,
            server=self.server,
            kind=Kind.BINLOG,
            started=piece.started,
            as_of=piece.as_of,
            finished=datetime.now(UTC),
            source=source_of(self.facts),
            coordinates=Coordinates(
                start=Position(file=piece.file, position=piece.start, gtid=piece.before),
                end=Position(file=piece.file, position=piece.end, gtid=text_of(found.gtids_after)),
            ),
            key=self.key[0] if self.key else None,
            payload=BinlogPayload(
                history=history.name,
                complete=piece.complete,
                following=found.next_file if found.ending is FileEnding.ROTATE else None,
                version=found.format.format_version,
                checksum=found.checksum.name,
                head=found.format.fingerprint,
                previous=history.head_before(piece.file),
                server_bytes=piece.server_bytes,
                opened=found.opened,
                closed=found.closed if piece.complete else None,
                written=piece.written,
                first_event=content.first,
                last_event=content.last,
                incidents=sum(piece.start <= each.position < piece.end for each in found.incidents),
                transactions=content.transactions,
                textual=content.textual,
                logging=Logging(**asdict(settings)) if settings else None,
                digest=piece.digest,
                log=log.path,
                index=index.close().path,
            ),
            objects=(log, index.close()),
            warnings=tuple(_warnings(piece, found, settings)),
        )
        wrapped = read_stream_key(draft.stream, self.key[0]) if self.key else None
        guide = segment_guide(manifest, wrapped).encode()
        draft.folder.write(GUIDE, guide)
        manifest = manifest.model_copy(update={"guide": hashlib.sha256(guide).hexdigest()})
        draft.publish(manifest, self._data_key)
        return Segment.of(manifest, history.name, streamed=draft.stream == history.parts.folder)

    @property
    def _data_key(self) -> DataKey | None:
        return self.key[1] if self.key else None


def _warnings(piece: Piece, found: Summary, settings: BinlogSettings | None) -> Iterator[str]:
    for lack in lacks(settings, None) if settings else ():
        yield f"{piece.file}: {lack.what}"
    for each in found.incidents:
        if piece.start <= each.position < piece.end:
            yield f"{piece.file}: the server lost events before {each.position}: {each.message}"
    if piece.complete and (found.transactions_end != found.end or found.unread):
        yield f"{piece.file} ends in a transaction that was never committed: its server crashed then"


def text_of(gtids: object) -> str | None:
    """GTIDs as a manifest has them; None: there are none."""
    return None if gtids is None else str(gtids)
