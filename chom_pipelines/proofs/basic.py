"""The basic proof: every stored byte is authenticated, decoded, counted and compared with the manifest."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from chom_pipelines.errors import DamagedError, ObjectMissingError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import GUIDE
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Part, Table
from chom_pipelines.repository.proof import Comparison, Means, Subject
from chom_pipelines.repository.store import Folder


@dataclass(frozen=True)
class ReadingResult:
    """What was compared, and each thing that is not what it should be."""

    comparisons: tuple[Comparison, ...]
    failures: tuple[str, ...]


class _Tally:
    """What the checks, which run at once, have read to the end so far."""

    def __init__(self, total: int, label: str, report: Report) -> None:
        self._lock = threading.Lock()
        self._total, self._label, self._report = total, label, report
        self._bytes = 0
        self._parts: Counter[tuple[str, str]] = Counter()
        self._counts = dict.fromkeys(_AGAINST, 0)

    def read(self, size: int) -> None:
        """So many bytes more."""
        with self._lock:
            self._bytes += size
        self._report(self._bytes, self._total, self._label)

    def compared(self, subject: Subject, count: int) -> None:
        """So many more were compared, and are what they should be, or are named in a failure."""
        with self._lock:
            self._counts[subject] += count

    def compared_part(self, table: Table, rows: int) -> None:
        """One more part of a table; with the last one, the table."""
        with self._lock:
            self._counts[Subject.ROWS] += rows
            self._parts[table.identity] += 1
            self._counts[Subject.TABLES] += self._parts[table.identity] == len(table.parts)

    def comparisons(self) -> tuple[Comparison, ...]:
        """All of it."""
        return tuple(
            Comparison(subject=subject, means=Means.READ, against=_AGAINST[subject], count=count)
            for subject, count in self._counts.items()
        )


_DUMP = "what was hashed while the server sent it"
_AGAINST = {
    Subject.OBJECTS: "the sizes, SHA-256 and MACs in the manifest",
    Subject.TABLES: _DUMP,
    Subject.ROWS: _DUMP,
    Subject.DEFINITIONS: _DUMP,
}


def read_everything(
    entry: BackupEntry,
    contents: Contents,
    keyring: Keyring | None,
    threads: int,
    report: Report,
) -> ReadingResult:
    """Read all of a backup. Damage is listed in the result, by object; what cannot be read otherwise raises."""
    manifest, logical = contents.manifest, contents.logical
    tally = _Tally(manifest.raw_bytes, f"read {manifest.id}", report)
    checks: list[Callable[[], Iterator[str]]] = [
        partial(changed_guide, contents.folder, contents.manifest),
        partial(disbelieved, entry, keyring),
    ]
    bundles: dict[str, list[tuple[Table, Part, str]]] = {}
    in_tables = set()
    for table in logical.tables:
        for part in table.parts:
            in_tables |= {path.partition("#")[0] for path in part.objects}
            if any("#" in path for path in part.objects):
                path, _, member = part.objects[0].partition("#")
                bundles.setdefault(path, []).append((table, part, member))
            else:
                checks.append(partial(_part, contents, table, part, tally))
    checks += [partial(_bundle, contents, path, members, tally) for path, members in bundles.items()]
    checks += [partial(_object, contents, path, tally) for path in sorted(set(contents.stored) - in_tables)]
    checks.append(partial(_definitions, contents, tally))
    pool = ThreadPoolExecutor(threads)
    try:
        failures = [failure for found in pool.map(lambda check: list(check()), checks) for failure in found]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return ReadingResult(tally.comparisons(), tuple(dict.fromkeys(failures)))


def changed_guide(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """RESTORE.md, where it is missing or not what was written."""
    wanted = manifest.guide
    if wanted is None:
        return
    try:
        found = hashlib.sha256(folder.read(GUIDE)).hexdigest()
    except (ObjectMissingError, DamagedError) as error:
        yield error.what
        return
    if found != wanted:
        yield f"{folder.where(GUIDE)}: it is not what was written"


def disbelieved(entry: BackupEntry, keyring: Keyring | None) -> Iterator[str]:
    """Records of earlier proofs that cannot be believed; raises what keeps one from being read, and is no damage."""
    for record in entry.proofs(keyring):
        if record.problem and record.problem.outcome is not Outcome.FAILED:
            raise record.problem
        if record.problem:
            yield record.problem.what


def _object(contents: Contents, path: str, tally: _Tally) -> Iterator[str]:
    try:
        for piece in contents.text(path):
            tally.read(len(piece))
        tally.compared(Subject.OBJECTS, 1)
    except DamagedError as error:
        yield error.what


def _part(contents: Contents, table: Table, part: Part, tally: _Tally) -> Iterator[str]:
    """One range of a table: its objects in order are the rows whose digest was taken from the server."""
    text, rows = hashlib.sha256(), 0
    try:
        for path in part.objects:
            for piece in contents.text(path):
                text.update(piece)
                rows += piece.count(b"\n")
                tally.read(len(piece))
            tally.compared(Subject.OBJECTS, 1)
    except DamagedError as error:
        yield error.what
        return
    yield from _compared(table, part, rows, text.hexdigest(), tally)


def _bundle(
    contents: Contents,
    path: str,
    members: list[tuple[Table, Part, str]],
    tally: _Tally,
) -> Iterator[str]:
    waiting = {member: (table, part) for table, part, member in members}
    try:
        for name, text in contents.members(path):
            tally.read(len(text))
            if name in waiting:
                table, part = waiting.pop(name)
                yield from _compared(table, part, text.count(b"\n"), hashlib.sha256(text).hexdigest(), tally)
        tally.compared(Subject.OBJECTS, 1)
    except DamagedError as error:
        yield error.what
        return
    for name in waiting:
        yield f"{contents.folder.where(path)}: it has no member {name}"


def _compared(table: Table, part: Part, rows: int, digest: str, tally: _Tally) -> Iterator[str]:
    tally.compared_part(table, rows)
    if (rows, digest) != (part.rows, part.digest):
        where = ", ".join(part.objects) or "no object"
        yield f"{table.database}.{table.name} ({where}): the rows are not those that were dumped"


def _definitions(contents: Contents, tally: _Tally) -> Iterator[str]:
    try:
        tally.compared(Subject.DEFINITIONS, len(contents.definitions()))
    except DamagedError as error:
        yield error.what
