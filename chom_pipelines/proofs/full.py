"""The full proof: the backup is restored on a scratch server, dumped again and compared, digest by digest."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from chom_pipelines.errors import (
    ChomError,
    ConnectionFailedError,
    DamagedError,
    NoRoomError,
    RestoreFailedError,
    RestoreRefusedError,
    ServerError,
)
from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition
from chom_pipelines.logical.shown import ShownDefinitions
from chom_pipelines.logical.snapshot import NO_SQL_MODE
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report
from chom_pipelines.proofs.sequences import used_again
from chom_pipelines.repository.proof import Comparison, Means, Subject
from chom_pipelines.restores.comparison import difference, read_back
from chom_pipelines.restores.definers import definers, stand_ins
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.restoring import restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines.server.versions import parse_version

_UNCOMPARED = frozenset({"role", "account", "grant", INVALID_VIEW})
"""Accounts are not restored for a proof, and a view that did not work proves nothing."""


@dataclass
class RestoringResult:
    """What came of it; `failures` names each table or definition that differs."""

    scratch: str = ""
    version_differs: str | None = None
    on: Path | None = None
    """Where the files of a restore are that came to its end."""
    phases: dict[str, float] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def restore_and_compare(contents: Contents, threads: int, report: Report) -> RestoringResult:
    """Restore into a private server of the same family and compare everything but accounts.

    Raises ProgramMissingError or ScratchServerError where there is no such server, NoRoomError or DiskFullError where
    it has no room: then nothing is known. What the restore itself refuses or loses is a failure in the result.
    """
    manifest, result = contents.manifest, RestoringResult()
    began = time.monotonic()
    serving = scratch_server(
        Flavour(manifest.source.flavour),
        version=parse_version(manifest.source.version),
        expected_bytes=sum(table.bytes for table in contents.logical.tables),
        options=birth_options(manifest),
        zones=zones_of(manifest.source),
    )
    with serving as server, stand_ins(server, definers(contents.definitions())):
        result.phases["start"] = time.monotonic() - began
        result.scratch, result.version_differs = server.facts.label, server.differs
        try:
            restored = restore_contents(contents, server.endpoint, RestoreRequest(threads=threads), report)
        except (RestoreFailedError, RestoreRefusedError, DamagedError, ServerError) as error:
            # whatever else happens to the store or to the private server says nothing of the backup
            if isinstance(error, (NoRoomError, ConnectionFailedError)) or not _answers(server):
                raise
            result.failures.append(f"it cannot be restored: {error.what}")
            return result
        result.phases |= {name: restored.phases[name] for name in ("schema", "data", "programs")}
        result.on = server.directory
        with timed(result.phases, "compare"):
            compare(contents, server, threads, report, result)
    return result


def _answers(server: ScratchServer) -> bool:
    try:
        with Session(server.endpoint):
            return True
    except ChomError:
        return False


def compare(contents: Contents, server: ScratchServer, threads: int, report: Report, result: RestoringResult) -> None:
    """Compare everything but accounts on a private server with a backup; what differs goes into the result."""
    logical = contents.logical
    with Session(server.endpoint) as session:
        session.execute(NO_SQL_MODE)
        catalog = Catalog(session, server.facts, logical.databases)
        shown = ShownDefinitions(session, server.facts, catalog.databases)
        wanted, found = contents.definitions(), shown.read()
        result.failures += _definitions(wanted, found)
        result.failures += used_again(session, catalog.counted_by_sequences(), logical.sequences, shown.counters(found))
        there = {table.identity: table for table in catalog.tables()}
        packet = int(server.facts.variables["max_allowed_packet"])
    pairs = []
    for table in logical.tables:
        copy = there.get(table.identity)
        if copy is None:
            result.failures.append(f"table {table.label}: it is not in the restored copy")
        elif tuple(column.name for column in copy.columns) != table.columns:
            result.failures.append(f"table {table.label}: its columns are others in the restored copy")
        else:
            pairs.append((table, copy))
    again = read_back(pairs, server.endpoint, packet, threads, report)
    counts = {
        Subject.TABLES: len(pairs),
        Subject.ROWS: sum(read.rows for read in again),
        Subject.DEFINITIONS: len(
            {each.identity for each in wanted if each.kind not in _UNCOMPARED} & {each.identity for each in found}
        ),
    }
    result.comparisons += [
        Comparison(subject=subject, means=Means.RESTORED, against="what is in the backup", count=count)
        for subject, count in counts.items()
    ]
    for (dumped, _), read in zip(pairs, again, strict=True):
        table = dumped.as_restored
        if (read.rows, read.digest) != (table.rows, table.digest):
            result.failures.append(f"table {table.label}: {difference(table, read)}")


def _definitions(backup: list[Definition], restored: list[Definition]) -> list[str]:
    # what did not work in the source proves nothing, whether it works in the copy or is not there
    invalid = {(each.database, each.name) for each in backup if each.kind == INVALID_VIEW}
    wanted = {each.identity: each for each in backup if each.kind not in _UNCOMPARED}
    found = {
        each.identity: each
        for each in restored
        if each.kind not in {"view", INVALID_VIEW} or (each.database, each.name) not in invalid
    }
    both = [(wanted[name], found[name]) for name in sorted(set(wanted) & set(found))]
    return [
        *(f"{wanted[name].label}: it is not in the restored copy" for name in sorted(set(wanted) - set(found))),
        *(f"{found[name].label}: it is in the restored copy only" for name in sorted(set(found) - set(wanted))),
        *(
            f"{ours.label}: its definition differs in the restored copy"
            for ours, copy in both
            if (ours.shape, ours.value) != (copy.shape, copy.value)
        ),
        *(
            f"{ours.label}: AUTO_INCREMENT is {copy.counter} in the restored copy, not {ours.counter}"
            for ours, copy in both
            # rows that came between the definitions and the snapshot have moved it on, in the copy too
            if copy.counter < ours.counter
        ),
    ]
