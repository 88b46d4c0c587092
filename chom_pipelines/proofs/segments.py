"""The proof of a segment of the binary log: all of it is read, scanned again, and compared with its record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from chom_pipelines.binlogs.archive.indexing import Indexed, SegmentIndex, indexed, unworded
from chom_pipelines.binlogs.archive.segments import FIRST, Segment
from chom_pipelines.binlogs.format.events import MAGIC
from chom_pipelines.binlogs.format.gtids import Gtids, parse_gtids
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.transactions import FileEnding, Summary
from chom_pipelines.errors import ChomError, DamagedError, RepositoryError
from chom_pipelines.proofs.basic import changed_guide, disbelieved
from chom_pipelines.proofs.findings import Findings, keep
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.objects import StoredObject, read_object
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.repository.proof import Comparison, Level, Means, Proof, Subject
from chom_pipelines.server.facts import Flavour

_LONGEST_EVENT = 1024
"""More bytes than the first event of any file has."""


def verify_segment(entry: BackupEntry, history: str, keyring: Keyring | None, report: Callable[[int], None]) -> Proof:
    """Prove a segment of this history and keep the record beside it; `report` is told bytes.

    As `verification.verify`: damage does not raise, and what keeps the question open makes it not verified. Raises
    RepositoryError where the record cannot be written, RepositoryBusyError where a deletion does not end.
    """
    with entry.reading("basic verification"):
        findings = Findings(Level.BASIC, datetime.now(UTC))
        try:
            reading = _Reading.of(entry, history, keyring)
        except ChomError as error:
            findings.say(error)
            return findings.proof(entry, None)
        began = time.monotonic()
        findings.failures += changed_guide(entry.folder, reading.manifest)
        try:
            findings.failures += disbelieved(entry, keyring)
            reading.read(report, findings)
        except ChomError as error:
            findings.say(error)
        findings.phases["read"] = time.monotonic() - began
        proof = findings.proof(entry, reading.manifest)
        keep(entry, proof, reading.key)
        return proof


@dataclass
class _Reading:
    """A segment whose manifest is authentic, and what is found in it."""

    entry: BackupEntry
    keyring: Keyring | None
    manifest: Manifest
    payload: BinlogPayload
    segment: Segment
    key: DataKey | None
    transactions: int = 0
    first: datetime | None = None
    last: datetime | None = None
    index: SegmentIndex | None = None

    @classmethod
    def of(cls, entry: BackupEntry, history: str, keyring: Keyring | None) -> _Reading:
        manifest = entry.manifest(keyring)
        segment = Segment.of(manifest, history)
        assert isinstance(manifest.payload, BinlogPayload)  # noqa: S101  (or it were no segment)
        return cls(entry, keyring, manifest, manifest.payload, segment, entry.data_key(keyring))

    def read(self, report: Callable[[int], None], findings: Findings) -> None:
        """Read every object, and say what is not what it should be; raises what leaves the question open."""
        objects = 0
        # the index first, which says how many rows are many
        for stored in sorted(self.manifest.objects, key=lambda each: each.path != self.payload.index):
            checked = {self.payload.log: self._log, self.payload.index: self._index}.get(stored.path, _other)
            try:
                findings.failures += checked(self._pieces(stored, report))
                objects += 1
            except DamagedError as error:
                findings.failures.append(error.what)
        findings.comparisons += [
            _compared(Subject.OBJECTS, objects, "the sizes, SHA-256 and MACs in the manifest"),
            _compared(Subject.TRANSACTIONS, self.transactions, "what was found in it while the server sent it"),
        ]

    def _pieces(self, stored: StoredObject, report: Callable[[int], None]) -> Iterator[bytes]:
        for piece in read_object(self.entry.folder, stored, self.key):
            report(len(piece))
            yield piece

    def _index(self, pieces: Iterator[bytes]) -> list[str]:
        self.index = SegmentIndex.parse(b"".join(pieces), self.entry.folder.where(self.payload.index))
        return []

    def _log(self, pieces: Iterator[bytes]) -> list[str]:
        digest, scanner = hashlib.sha256(), self._scanner()
        entries: list[Indexed] = []
        for piece in pieces:
            digest.update(piece)
            for transaction in scanner.feed(piece):
                self.transactions += 1
                self.first, self.last = self.first or transaction.time, transaction.time
                if self.index and (entry := indexed(transaction, many_rows=self.index.many_rows)):
                    entries.append(entry)
        where = self.entry.folder.where(self.payload.log)
        if digest.hexdigest() != self.payload.digest:
            return [f"{where}: it is not what the server sent"]
        wanted, found = self._said(), self._found(scanner.finish())
        differences = [
            f"{where}: its {name} is {found[name]}, and {wanted[name]} by the manifest"
            for name in found
            if found[name] != wanted[name]
        ]
        if self.index and [*map(unworded, self.index.transactions)] != [*map(unworded, entries)]:
            differences.append(f"{self.entry.folder.where(self.payload.index)}: it is not the index of this log")
        return differences

    def _scanner(self) -> Scanner:
        where, start = self.entry.folder.where(self.payload.log), self.segment.start
        if start == FIRST:
            return Scanner(where)
        head = self._head()
        if head is None:
            what = (
                f"{self.entry.where}: the beginning of {self.segment.file}, without which it cannot be read, is missing"
            )
            raise RepositoryError(what, "take a full backup: the archive does not go on from there")
        gtids = _gtids(self.segment.flavour, self.segment.before)
        return Scanner(where, start=start, format_description=head, gtids_before=gtids)

    def _head(self) -> bytes | None:
        """The first event of the file, from the segment that has it."""
        first = BackupEntry(
            self.entry.server, self.entry.stream, BackupId(Kind.BINLOG, file=self.segment.file, start=FIRST).text
        )
        try:
            manifest, key = first.manifest(self.keyring), first.data_key(self.keyring)
            name = manifest.payload.log if isinstance(manifest.payload, BinlogPayload) else None
            logs = [each for each in manifest.objects if each.path == name]
            with closing(read_object(first.folder, logs[0], key)) as pieces:
                begin = next(pieces, b"")[: len(MAGIC) + _LONGEST_EVENT]
            scanner = Scanner(first.where)
            scanner.feed(begin)
            return scanner.finish().format.event
        except (DamagedError, IndexError):
            return None

    def _said(self) -> dict[str, object]:
        """What the manifest says of the log."""
        payload, segment = self.payload, self.segment
        return {
            "end": segment.end,
            "GTIDs before": segment.before,
            "GTIDs after": segment.after,
            "number of transactions": payload.transactions,
            "first transaction's time": payload.first_event,
            "last transaction's time": payload.last_event,
            "head": payload.head,
            "format version": payload.version,
            "checksum": payload.checksum,
            "next file": payload.following,
            "incidents": payload.incidents,
            "time of its end": payload.closed,
            "first event's time": payload.opened,
        }

    def _found(self, found: Summary) -> dict[str, object]:
        """The same as it is found now; of a segment within a file, without what only the whole of it tells."""
        result: dict[str, object] = {
            "end": found.transactions_end,
            "GTIDs before": _text(found.gtids_before),
            "GTIDs after": _text(found.gtids_after),
            "number of transactions": self.transactions,
            "first transaction's time": self.first,
            "last transaction's time": self.last,
            "head": found.format.fingerprint,
            "format version": found.format.format_version,
            "checksum": found.checksum.name,
            "next file": found.next_file if found.ending is FileEnding.ROTATE else None,
        }
        if self.segment.start == FIRST:
            result["incidents"] = len(found.incidents)
            result["first event's time"] = found.opened
            if self.payload.complete and self.payload.closed:  # `as_of` has what else was known of it
                result["time of its end"] = found.closed
        return result


def _other(pieces: Iterator[bytes]) -> list[str]:
    for _ in pieces:
        pass
    return []


def _compared(subject: Subject, count: int, against: str) -> Comparison:
    return Comparison(subject=subject, means=Means.READ, against=against, count=count)


def _gtids(flavour: Flavour, text: str | None) -> Gtids | None:
    return None if text is None else parse_gtids(text, flavour)


def _text(gtids: Gtids | None) -> str | None:
    return None if gtids is None else str(gtids)
