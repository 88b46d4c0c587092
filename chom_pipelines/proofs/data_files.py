"""The proofs of a physical backup: every part and chunk read; the files restored, and checked page by page and table.

Nothing of the source is known of its rows: that a restored copy is sound is shown, and not that it is what the source
had. Each comparison says what with.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

from chom_pipelines.errors import ChomError, DamagedError, DiskFullError, RestoreFailedError, ScratchServerError
from chom_pipelines.phases import timed
from chom_pipelines.physical.chunks import Extent
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.file_order import Files
from chom_pipelines.physical.program import LITTLE, ROOM
from chom_pipelines.physical.serving import Prepared, flavour_of, prepared, refuse_other_series, served
from chom_pipelines.progress import Report, counted
from chom_pipelines.proofs.basic import ReadingResult, changed_guide, disbelieved
from chom_pipelines.proofs.full import RestoringResult
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.proof import Comparison, Means, Subject
from chom_pipelines.server.claimed_directories import MIB, claimed_directory, roomy_base
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, Flavour
from chom_pipelines.server.identifiers import literal, qualified
from chom_pipelines.server.process import harmless_environment
from chom_pipelines.server.programs import page_checker
from chom_pipelines.server.scratch import scratch_server

_T = TypeVar("_T")

_HEADROOM = 512 * MIB
"""For the redo log, undo and temporary files of the server that is started on the files."""


@dataclass(frozen=True)
class LinkRead:
    """What came of reading one backup of a chain, and when that began; `stopped` is why not all of it could be read."""

    contents: FileContents
    counts: Mapping[Subject, int]
    failures: tuple[str, ...]
    stopped: ChomError | None
    began: datetime
    begun: int | None
    """As `BackupEntry.add_proof` takes it."""

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What was compared in it."""
        return _compared(self.counts)


@dataclass(frozen=True)
class ChainRead:
    """The same of all of a chain; `ancestors` are those that the last one builds on."""

    result: ReadingResult
    ancestors: tuple[LinkRead, ...]
    stopped: ChomError | None


def read_files(
    entry: BackupEntry, contents: FileContents, keyring: Keyring | None, threads: int, report: Report
) -> ChainRead:
    """Read all of it, and all that it builds on, as far as that can be read. Damage is listed, by object."""
    lock, counted_bytes = Lock(), counted(report, contents.raw_bytes, f"read {contents.manifest.id}")

    def progress(size: int) -> None:
        with lock:
            counted_bytes(size)

    links: list[LinkRead] = []
    for link in contents.chain:
        began = datetime.now(UTC)
        counts = dict.fromkeys(_AGAINST, 0)
        failures: list[str] = []
        stopped: ChomError | None = None
        begun: int | None = None
        link_entry = replace(entry, id=link.manifest.id)
        try:
            begun = link_entry.next_number(link.key)
            failures += disbelieved(link_entry, keyring)
            failures += changed_guide(link.folder, link.manifest)
            _read(link, counts, threads, progress, failures)
        except ChomError as error:
            stopped = error
        links.append(LinkRead(link, counts, tuple(dict.fromkeys(failures)), stopped, began, begun))
    total = {subject: sum(link.counts[subject] for link in links) for subject in _AGAINST}
    damage = tuple(dict.fromkeys(failure for link in links for failure in link.failures))
    stopped = next((link.stopped for link in links if link.stopped), None)
    return ChainRead(ReadingResult(_compared(total), damage), tuple(links[:-1]), stopped)


def _read(
    contents: FileContents,
    counts: dict[Subject, int],
    threads: int,
    progress: Callable[[int], None],
    failures: list[str],
) -> None:
    """Add what is wrong with one link of a chain; what is right is counted. Raises where it cannot be read."""
    if Counter(contents.physical.parts) != Counter(contents.stored.keys()):
        failures.append(f"{contents.folder.where()}: its objects are not the parts of its stream")
    files = Files()
    parts = [partial(_part, contents, path, progress) for path in contents.physical.parts]
    try:
        for found in _together(parts, threads):  # in the order of the stream
            if isinstance(found, str):
                failures.append(found)
                continue
            counts[Subject.OBJECTS] += 1
            for extent in found if not failures else ():
                files.add(extent)
        if not failures:
            files.refuse_unfinished()
            counts[Subject.FILES] += len(files.paths)
            if len(files.paths) != contents.physical.files:
                failures.append(f"{len(files.paths)} files are in the stream, and {contents.physical.files} were")
    except DamagedError as error:
        failures.append(f"{contents.folder.where()}: {error.what}")


_AGAINST = {
    Subject.OBJECTS: "the sizes, SHA-256 and MACs in the manifest",
    Subject.FILES: "the CRC of each chunk, and the end of each file, in the stream",
}


def _compared(counts: Mapping[Subject, int]) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(subject=subject, means=Means.READ, against=_AGAINST[subject], count=count)
        for subject, count in counts.items()
    )


def _part(contents: FileContents, path: str, progress: Callable[[int], None]) -> list[Extent] | str:
    """Where the chunks of a part belong; or what is wrong with it."""
    extents = []
    try:
        for chunk in contents.chunks(path):
            extents.append(chunk.extent)
            progress(chunk.size)
    except DamagedError as error:
        return error.what
    return extents


def restore_and_check(contents: FileContents, threads: int, report: Report) -> RestoringResult:
    """Restore on a private server: pages by their checksums, tables by the server's own check, and how many they are.

    Raises UnsupportedBackupError, ProgramMissingError or ScratchServerError where there is no such server,
    DiskFullError where it has no room: then nothing is known. What cannot be prepared or started is a failure in the
    result.
    """
    refuse_other_series(contents)
    result = RestoringResult()
    with claimed_directory(roomy_base(contents.raw_bytes + _HEADROOM, _HEADROOM, None)) as claim:
        try:
            files = prepared(contents, claim.path / "data", threads, report, result.phases)
            with timed(result.phases, "pages"):
                _check_pages(contents, files, threads, result)
            if not result.failures:
                _check_on_a_server(contents, files, threads, result)
        except (RestoreFailedError, ScratchServerError) as error:
            _refuse_blaming_the_backup(contents, claim.path)
            result.failures.append(f"it cannot be restored: {error.what}")
    return result


def _check_on_a_server(contents: FileContents, files: Prepared, threads: int, result: RestoringResult) -> None:
    began = time.monotonic()
    with served(contents, files) as server:
        result.phases["start"] = time.monotonic() - began
        result.scratch, result.version_differs, result.on = server.facts.label, server.differs, server.directory
        with timed(result.phases, "check"):
            _check_tables(contents, server.endpoint, threads, result)


def _refuse_blaming_the_backup(contents: FileContents, place: Path) -> None:
    """Raise DiskFullError or ScratchServerError where it is this machine that has failed, and not the files."""
    if shutil.disk_usage(place).free < LITTLE:
        raise DiskFullError(f"{place}: no space is left", ROOM)
    with scratch_server(flavour_of(contents)):  # which starts on files of its own
        pass


def _check_pages(contents: FileContents, files: Prepared, threads: int, result: RestoringResult) -> None:
    """Every page of InnoDB's files has the checksum that is in it, where there is the program that knows how."""
    program = page_checker(flavour_of(contents))
    if program is None:
        return
    found = [path for path in files.directory.rglob("*") if path.suffix == ".ibd" or path.name.startswith(_SHARED)]
    size = contents.physical.page_size
    checks = [partial(wrong_pages, program, path, ranges(path, flavour_of(contents), size)) for path in sorted(found)]
    result.failures += [said for said in _together(checks, threads) if said]
    pages = sum(path.stat().st_size for path in found) // size
    result.comparisons.append(_restored(Subject.PAGES, "the checksum in each page, by innochecksum", pages))


_SHARED = ("ibdata", "undo")


def ranges(path: Path, flavour: Flavour, page_size: int) -> list[list[str]]:
    """Which pages of a file are checked, as options of innochecksum for each of its runs.

    MariaDB has its doublewrite buffer in two extents of ibdata1, the second and the third: there are pages of other
    files, or what a crash has left of them, which no restore reads. mariadb-backup does not look at them either.
    """
    if flavour is not Flavour.MARIADB or path.name != "ibdata1":
        return [[]]
    extent = max(_PAGES_OF_AN_EXTENT, _EXTENT // page_size)
    return [[f"--end-page={extent - 1}"], [f"--start-page={3 * extent}"]]


_EXTENT, _PAGES_OF_AN_EXTENT = 1 << 20, 64
"""Of small pages as many as make a megabyte, of larger ones 64."""


def wrong_pages(program: Path, path: Path, runs: Iterable[list[str]]) -> str:
    """What is wrong with a file, if anything."""
    for options in runs:
        command = [str(program), *options, str(path)]
        done = subprocess.run(command, check=False, capture_output=True, env=harmless_environment())
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            return f"{path.parent.name}/{path.name}: innochecksum: {said[0] if said else f'exit {done.returncode}'}"
    return ""


def _check_tables(contents: FileContents, endpoint: Endpoint, threads: int, result: RestoringResult) -> None:
    """Every table is one that the server finds sound, and there are as many as the stream had definitions of."""
    own = ", ".join(map(literal, sorted(SYSTEM_DATABASES - {"mysql"})))
    with Session(endpoint) as session:
        tables = [
            (str(database), str(name))
            for database, name in session.rows(
                "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE NOT LIKE '%VIEW' "
                f"AND TABLE_SCHEMA NOT IN ({own}) ORDER BY DATA_LENGTH DESC"
            )
        ]
    checks = [partial(_table, endpoint, table) for table in tables]
    counts = dict(zip(tables, _together(checks, threads), strict=True))
    result.failures += [found for found in counts.values() if isinstance(found, str)]
    rows = {table: found for table, found in counts.items() if isinstance(found, int) and table[0] != "mysql"}
    there = sum(1 for database, _ in tables if database != "mysql")
    if there != contents.physical.tables:
        result.failures.append(f"{there} tables are in the restored copy, and {contents.physical.tables} in the backup")
    result.comparisons += [
        _restored(Subject.TABLES, _TABLES, len(rows)),
        _restored(Subject.ROWS, "each other: CHECK TABLE counts them in every index", sum(rows.values())),
    ]


_TABLES = "what CHECK TABLE finds, where the engine has that, and their number in the stream"


def _table(endpoint: Endpoint, table: tuple[str, str]) -> int | str:
    """How many rows it has; or what is wrong with it."""
    name = qualified(*table)
    with Session(endpoint) as session:
        for _, _, kind, said in session.rows(f"CHECK TABLE {name}"):
            if (kind, said) != ("status", "OK") and kind != "note":
                return f"table {'.'.join(table)}: CHECK TABLE: {kind}: {said}"
        return int(session.value(f"SELECT COUNT(*) FROM {name}"))


def _restored(subject: Subject, against: str, count: int) -> Comparison:
    return Comparison(subject=subject, means=Means.RESTORED, against=against, count=count)


def _together(calls: Sequence[Callable[[], _T]], threads: int) -> Iterator[_T]:
    """What the calls return, in their order; they run at once."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(lambda call: call(), calls)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
