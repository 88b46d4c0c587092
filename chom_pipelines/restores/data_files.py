"""Restoring a physical backup: into a directory that a server can be started on, and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.phases import timed
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.serving import prepared, refuse_other_series, served
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Position
from chom_pipelines.restores.directory_target import contained, put_in_place, refuse_directory
from chom_pipelines.restores.failed_proofs import failed_proof, refuse_failed
from chom_pipelines.restores.operations import Action, Operation
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.connection import Session
from chom_pipelines.server.questions import databases_there


@dataclass(frozen=True)
class FilesRestored:
    """What was restored; `phases` are seconds: unpack, prepare, start, finish.

    `position` is where a replica would go on; with these `options` a server can be started on it.
    """

    databases: tuple[str, ...]
    tables: int
    files: int
    bytes: int
    position: Position | None
    options: tuple[str, ...]
    phases: dict[str, float]
    warnings: tuple[str, ...]


def plan_files(
    entry: BackupEntry, keyring: Keyring | None, directory: Path, request: RestoreRequest
) -> tuple[tuple[Operation, ...], RestoreRefusedError | None]:
    """What a restore into the directory would do, and why it would be refused.

    Raises RestoreRefusedError where there is not even a list, and what reading the backup raises.
    """
    refuse_directory(directory, replace=request.replace)
    with entry.reading("dry run of a restore"):
        contents = FileContents.of(entry, keyring)
        contents.refuse_incomplete()
        refuse_other_series(contents)
        refused = failed_proof(entry, keyring, request)
    payload = contents.physical
    note = f"{payload.files:,} files of the whole server, with {payload.tables:,} tables and its accounts"
    made = Operation(Action.CREATE, "directory", "", str(directory), note)
    gone = contained(directory)
    replaced = Operation(Action.DROP, "directory", "", str(directory), gone, needs_replace=True)
    return ((made, replaced) if gone else (made,)), refused


def restore_files_into_directory(
    entry: BackupEntry, keyring: Keyring | None, directory: Path, request: RestoreRequest, report: Report
) -> FilesRestored:
    """Make a data directory of the backup's files, on which a server has run and was shut down in order.

    It appears under its name when it is complete. Its accounts are those of the source. Raises RestoreRefusedError or
    UnsupportedBackupError with nothing begun; DamagedError, RestoreFailedError, ScratchServerError with nothing there.
    """
    refuse_directory(directory, replace=request.replace)
    with entry.reading("restore"):
        contents = FileContents.of(entry, keyring)
        refuse_failed(entry, keyring, request)
        contents.refuse_incomplete()
        refuse_other_series(contents)
        directory.parent.mkdir(parents=True, exist_ok=True)
        phases: dict[str, float] = {}
        threads = request.threads or len(os.sched_getaffinity(0))
        # however this ends, nothing half-made stays
        with claimed_directory(directory.parent) as claim:
            files = prepared(contents, claim.path / "data", threads, report, phases)
            with timed(phases, "start"), served(contents, files) as server, Session(server.endpoint) as session:
                databases, differs = databases_there(session), server.differs
            with timed(phases, "finish"):
                put_in_place(files.directory, directory, replace=request.replace)
    return FilesRestored(
        databases=databases,
        tables=contents.physical.tables,
        files=files.files,
        bytes=files.bytes,
        position=contents.manifest.coordinates.end,
        options=files.options,
        phases=phases,
        warnings=(f"made with {differs}, the source's version",) if differs else (),
    )
