"""The basic proof: every stored byte is authenticated, decoded, counted and compared with the manifest."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from chom_pipelines.errors import DamagedError, ObjectMissingError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import GUIDE
from chom_pipelines.repository.payloads import Part, Table
from chom_pipelines.repository.proof import Comparison, Means, Subject


@dataclass(frozen=True)
class ReadingResult:
    """What was compared, and each thing that is not what it should be."""

    comparisons: tuple[Comparison, ...]
    failures: tuple[str, ...]


def read_everything(
    entry: BackupEntry,
    contents: Contents,
    keyring: Keyring | None,
    threads: int,
    report: Report,
) -> ReadingResult:
    """Read all of a backup. Damage is listed in the result, by object; what cannot be read otherwise raises."""
    manifest, logical = contents.manifest, contents.logical
    lock, done = threading.Lock(), 0

    def count(size: int) -> None:
        nonlocal done
        with lock:
            done += size
        report(done, manifest.raw_bytes, f"read {manifest.id}")

    checks: list[Callable[[], Iterator[str]]] = [partial(_guide, contents), partial(_proofs, entry, keyring)]
    bundles: dict[str, list[tuple[Table, Part, str]]] = {}
    in_tables = set()
    for table in logical.tables:
        for part in table.parts:
            in_tables |= {path.partition("#")[0] for path in part.objects}
            if any("#" in path for path in part.objects):
                path, _, member = part.objects[0].partition("#")
                bundles.setdefault(path, []).append((table, part, member))
            else:
                checks.append(partial(_part, contents, table, part, count))
    checks += [partial(_bundle, contents, path, members, count) for path, members in bundles.items()]
    checks += [partial(_object, contents, path, count) for path in sorted(set(contents.stored) - in_tables)]
    checks.append(partial(_definitions, contents))
    pool = ThreadPoolExecutor(threads)
    try:
        failures = [failure for found in pool.map(lambda check: list(check()), checks) for failure in found]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return ReadingResult(_comparisons(contents), tuple(dict.fromkeys(failures)))


def _comparisons(contents: Contents) -> tuple[Comparison, ...]:
    logical, dump = contents.logical, "what was hashed while the server sent it"
    counts = {
        Subject.OBJECTS: (len(contents.stored), "the sizes, SHA-256 and MACs in the manifest"),
        Subject.TABLES: (len(logical.tables), dump),
        Subject.ROWS: (logical.rows, dump),
        Subject.DEFINITIONS: (len(logical.schema_objects), dump),
    }
    return tuple(
        Comparison(subject=subject, means=Means.READ, against=against, count=count)
        for subject, (count, against) in counts.items()
    )


def _guide(contents: Contents) -> Iterator[str]:
    wanted = contents.manifest.guide
    if wanted is None:
        return
    try:
        found = hashlib.sha256(contents.folder.read(GUIDE)).hexdigest()
    except (ObjectMissingError, DamagedError) as error:
        yield error.what
        return
    if found != wanted:
        yield f"{contents.folder.where(GUIDE)}: it is not what was written"


def _proofs(entry: BackupEntry, keyring: Keyring | None) -> Iterator[str]:
    """Records of earlier proofs that cannot be believed."""
    for record in entry.proofs(keyring):
        if record.problem:
            yield record.problem.what


def _object(contents: Contents, path: str, count: Callable[[int], None]) -> Iterator[str]:
    try:
        for piece in contents.text(path):
            count(len(piece))
    except DamagedError as error:
        yield error.what


def _part(contents: Contents, table: Table, part: Part, count: Callable[[int], None]) -> Iterator[str]:
    """One range of a table: its objects in order are the rows whose digest was taken from the server."""
    text, rows = hashlib.sha256(), 0
    try:
        for path in part.objects:
            for piece in contents.text(path):
                text.update(piece)
                rows += piece.count(b"\n")
                count(len(piece))
    except DamagedError as error:
        yield error.what
        return
    yield from _compared(table, part, rows, text.hexdigest())


def _bundle(
    contents: Contents,
    path: str,
    members: list[tuple[Table, Part, str]],
    count: Callable[[int], None],
) -> Iterator[str]:
    waiting = {member: (table, part) for table, part, member in members}
    try:
        for name, text in contents.members(path):
            count(len(text))
            if name in waiting:
                table, part = waiting.pop(name)
                yield from _compared(table, part, text.count(b"\n"), hashlib.sha256(text).hexdigest())
    except DamagedError as error:
        yield error.what
        return
    for name in waiting:
        yield f"{contents.folder.where(path)}: it has no member {name}"


def _compared(table: Table, part: Part, rows: int, digest: str) -> Iterator[str]:
    if (rows, digest) != (part.rows, part.digest):
        where = ", ".join(part.objects) or "no object"
        yield f"{table.database}.{table.name} ({where}): the rows are not those that were dumped"


def _definitions(contents: Contents) -> Iterator[str]:
    try:
        contents.definitions()
    except DamagedError as error:
        yield error.what
