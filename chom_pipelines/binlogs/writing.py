"""Writing one segment: a file of the server's binary log, read once, checked, indexed, stored and published."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from chom_pipelines import __version__
from chom_pipelines.binlogs.archive import History
from chom_pipelines.binlogs.client import read_log
from chom_pipelines.binlogs.events import IN_USE, FormatDescription
from chom_pipelines.binlogs.indexing import Indexed, SegmentIndex, indexed
from chom_pipelines.binlogs.scanning import Scanner
from chom_pipelines.binlogs.segment_guide import segment_guide
from chom_pipelines.binlogs.segments import FIRST, Segment
from chom_pipelines.binlogs.server_logs import ServerLog
from chom_pipelines.binlogs.transactions import FileEnding, Summary
from chom_pipelines.errors import BinlogDamagedError
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.logical.dump import source_of
from chom_pipelines.repository.data_keys import StreamKey, read_stream_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.layout import GUIDE, BackupId, Kind
from chom_pipelines.repository.manifest import Coordinates, Manifest, Position
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts

INDEX = "index.json"
_HEAD_BYTES = 1024
"""More than any file's first event has."""
_FLAGS = 17
"""Where an event's flags are, two bytes."""


def head_of(endpoint: Endpoint, facts: ServerFacts, file: str) -> str:
    """What tells one of the server's files from all others; raises what `read_log` raises, BinlogDamagedError."""
    begin = b""
    with closing(read_log(endpoint, facts.flavour, file)) as pieces:
        for piece in pieces:
            begin += piece
            if len(begin) >= _HEAD_BYTES:
                break
    scanner = Scanner(f"{endpoint.where}: {file}")
    scanner.feed(begin[:_HEAD_BYTES])
    return fingerprint(scanner.finish().format)


def fingerprint(head: FormatDescription) -> str:
    """The SHA-256 of a file's first event, which knows the second in which the file was begun.

    The flag of a file that is still written is left out: it goes when the file is closed.
    """
    flags = int.from_bytes(head.event[_FLAGS : _FLAGS + 2], "little") & ~IN_USE
    closed = head.event[:_FLAGS] + flags.to_bytes(2, "little") + head.event[_FLAGS + 2 :]
    return hashlib.sha256(closed).hexdigest()


@dataclass(frozen=True)
class SegmentWriter:
    """Writes segments of one server's binary log, encrypted where there is a key."""

    server: str
    endpoint: Endpoint
    facts: ServerFacts
    policy: BackupPolicy
    key: tuple[StreamKey, DataKey] | None

    def write(self, history: History, log: ServerLog, report: Callable[[int], None]) -> Segment:
        """Store what the archive has not of a file that the server has closed; `report` is told bytes.

        Raises BinlogDamagedError with nothing of it archived, ObjectExistsError where a segment that cannot be used has
        its place; and what reading from the server and writing into the repository raise.
        """
        name, data_key = self.key or (None, None)
        reading = _Reading(f"{self.endpoint.where}: {log.file}", history, log)
        with history.stream.begin_segment(BackupId(Kind.BINLOG, file=log.file, start=reading.start)) as draft:
            codec, level = self.policy.compression, self.policy.level
            with (
                ObjectWriter(draft.folder, log.file, codec, level, data_key) as whole,
                closing(read_log(self.endpoint, self.facts.flavour, log.file)) as pieces,
            ):
                for piece in reading.new(pieces):
                    whole.write(piece)
                    report(reading.position)
            with ObjectWriter(draft.folder, INDEX, codec, level, data_key) as index:
                index.write(SegmentIndex(transactions=tuple(reading.indexed)).model_dump_json().encode())
            manifest = reading.manifest(self, draft.id, name, (whole.close(), index.close()))
            wrapped = read_stream_key(history.stream.folder, name) if name else None
            guide = segment_guide(manifest, wrapped).encode()
            draft.folder.write(GUIDE, guide)
            manifest = manifest.model_copy(update={"guide": hashlib.sha256(guide).hexdigest()})
            draft.publish(manifest, data_key)
        return Segment.of(manifest, history.name)


class _Reading:
    """A file as it comes from the server: what of it is new, and what is found in that."""

    def __init__(self, where: str, history: History, log: ServerLog) -> None:
        self.where, self.history, self.log, self.started = where, history, log, datetime.now(UTC)
        self.archived = history.of_file(log.file)
        self.start = self.archived[-1].end if self.archived else FIRST
        self.position = 0
        self.scanner, self.digest = Scanner(where), hashlib.sha256()
        self.indexed: list[Indexed] = []
        self.transactions = 0
        self.first: datetime | None = None
        self.last: datetime | None = None

    def new(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The bytes that are not archived; those that are must be what was archived. Raises BinlogDamagedError."""
        checks = list(self.archived)
        before = hashlib.sha256()
        for piece in pieces:
            for transaction in self.scanner.feed(piece):
                if transaction.start >= self.start:
                    self.transactions += 1
                    self.first, self.last = self.first or transaction.time, transaction.time
                    if entry := indexed(transaction):
                        self.indexed.append(entry)
            rest = memoryview(piece)
            while checks and rest:
                known = rest[: checks[0].end - self.position]
                before.update(known)
                self.position += len(known)
                rest = rest[len(known) :]
                if self.position == checks[0].end:
                    if before.hexdigest() != checks.pop(0).digest:
                        what = f"{self.where} is not what was archived of it, up to {self.position}"
                        raise BinlogDamagedError(what, "take a full backup: the archive does not go on from there")
                    before = hashlib.sha256()
            if rest:
                self.position += len(rest)
                self.digest.update(rest)
                yield bytes(rest)

    def manifest(
        self, writer: SegmentWriter, backup: str, key: StreamKey | None, stored: tuple[StoredObject, StoredObject]
    ) -> Manifest:
        """Of all that was read, which has to be the whole file."""
        found = self.scanner.finish()
        self._refuse_part(found)
        opened = found.first_time or self.started
        before = self.archived[-1].after if self.archived else _text(found.gtids_before)
        return Manifest(
            tool=f"chom_pipelines {__version__}",
            id=backup,
            server=writer.server,
            kind=Kind.BINLOG,
            started=self.started,
            as_of=found.last_time or opened,
            finished=datetime.now(UTC),
            source=source_of(writer.facts),
            coordinates=Coordinates(
                start=Position(file=self.log.file, position=self.start, gtid=before),
                end=Position(file=self.log.file, position=found.transactions_end, gtid=_text(found.gtids_after)),
            ),
            key=key,
            payload=BinlogPayload(
                history=self.history.name,
                complete=True,
                following=found.next_file if found.ending is FileEnding.ROTATE else None,
                version=found.format.format_version,
                checksum=found.checksum.name,
                head=fingerprint(found.format),
                previous=self.history.head_before(self.log.file),
                server_bytes=self.log.bytes,
                opened=opened,
                first_event=self.first,
                last_event=self.last,
                incidents=len(found.incidents),
                transactions=self.transactions,
                digest=self.digest.hexdigest(),
                log=stored[0].path,
                index=stored[1].path,
            ),
            objects=stored,
            warnings=tuple(self._warnings(found)),
        )

    def _refuse_part(self, found: Summary) -> None:
        """A file that ends by itself is whole; one of a server that crashed is where as much came as the server has."""
        if found.ending is FileEnding.OPEN and self.position != self.log.bytes:
            what = f"{self.where} was sent up to {self.position}, and has {self.log.bytes} bytes on the server"
            raise BinlogDamagedError(what, "run it again; if it happens again, find out what cuts it off")

    def _warnings(self, found: Summary) -> Iterator[str]:
        for each in found.incidents:
            yield f"{self.log.file}: the server lost events before {each.position}: {each.message}"
        if found.transactions_end != found.end or found.unread:
            yield f"{self.log.file} ends in a transaction that was never committed: its server crashed then"


def _text(gtids: object) -> str | None:
    return None if gtids is None else str(gtids)
