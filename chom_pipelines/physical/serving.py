"""A private server on the files of a backup: unpacked, brought to one moment, and started."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.errors import UnsupportedBackupError
from chom_pipelines.phases import timed
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.notes import LEFTOVERS, SETTINGS, settings_of
from chom_pipelines.physical.program import prepare
from chom_pipelines.physical.unpacking import unpack
from chom_pipelines.progress import Report
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import backup_program, server_program
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines.server.versions import Version, dotted, parse_version, series

_BIRTH = ("innodb_data_file_path", "innodb_page_size", "innodb_undo_tablespaces", "innodb_log_file_size")
"""Settings without which a server would not start on the files, or would change them."""

_REDO_SIZE = "--innodb-log-file-size="

POOL_LEFT = ("--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF")
"""The files list what production had in memory, for the server that will run on them: ours would replace the list."""

_ITS_ACCOUNTS_ARE_NOT_OURS = "--skip-grant-tables"
"""The files have production's accounts; the server is reached by a socket in a private directory alone."""


@dataclass(frozen=True)
class Prepared:
    """A data directory, its files as of one moment; `options` are what a server needs to be started on it.

    There are so many `files`, of so many `bytes` together.
    """

    directory: Path
    files: int
    bytes: int
    options: tuple[str, ...]

    @property
    def without_redo(self) -> tuple[str, ...]:
        """The options without the size of production's redo log: a server makes that anew, of any size, as it starts.

        For a copy there may be no room for it.
        """
        return tuple(option for option in self.options if not option.startswith(_REDO_SIZE))


def refuse_other_series(contents: FileContents) -> None:
    """Raise UnsupportedBackupError where the programs here are of another series: they would change the files.

    Raises ProgramMissingError where there are none.
    """
    source, flavour = series(parse_version(contents.manifest.source.version)), flavour_of(contents)
    programs = [server_program(flavour), *([backup_program()] if flavour is Flavour.MARIADB else [])]
    for program in programs:
        if series(program.version) != source:
            found, wanted = dotted(series(program.version)), dotted(source)
            what = f"{contents.manifest.id} has files of {flavour.value} {wanted}, and {program.path} is of {found}"
            raise UnsupportedBackupError(what, f"install the server's programs of {wanted}")


def flavour_of(contents: FileContents) -> Flavour:
    """The family whose files they are."""
    return Flavour(contents.manifest.source.flavour)


def prepared(
    contents: FileContents, directory: Path, threads: int, report: Report, phases: MutableMapping[str, float]
) -> Prepared:
    """Unpack into `directory`, which is made, and bring the files to one moment; what is not the server's own goes.

    MySQL's are of one moment already. Each incremental backup is unpacked beside them, and brings them to its own.

    Raises DamagedError, DiskFullError, RestoreFailedError.
    """
    directory.mkdir(mode=0o700)
    log, (first, *others) = directory.parent / "prepare.log", contents.chain
    with timed(phases, "unpack"):
        unpacked = unpack(first, directory, threads, report)
    files, size = len(unpacked.paths), unpacked.bytes
    with timed(phases, "prepare"):
        if flavour_of(contents) is Flavour.MARIADB:
            prepare(backup_program(), directory, log)
    for each in others:
        changes = directory.with_name(f"{directory.name}.changes")
        changes.mkdir(mode=0o700)
        with timed(phases, "unpack"):
            unpack(each, changes, threads, report)
        with timed(phases, "prepare"):
            prepare(backup_program(), directory, log, changes)
            shutil.rmtree(changes)
    if others:
        sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
        files, size = len(sizes), sum(sizes)
    settings = settings_of((directory / SETTINGS).read_text())
    options = [f"--{name.replace('_', '-')}={settings[name]}" for name in _BIRTH if name in settings]
    lower = contents.manifest.source.variables.get("lower_case_table_names")
    if lower is not None:  # which mariadb-backup does not note
        options.append(f"--lower-case-table-names={lower}")
    for name in LEFTOVERS:
        (directory / name).unlink(missing_ok=True)
    return Prepared(directory, files, size, tuple(options))


@contextmanager
def served(contents: FileContents, files: Prepared) -> Iterator[ScratchServer]:
    """A server on the files, shut down in order when the block ends well; nothing of it is executed but what is asked.

    Raises ScratchServerError where it does not start, or does not end in order.
    """
    version = parse_version(contents.manifest.source.version)
    with started(flavour_of(contents), version, files.directory, files.without_redo) as server:
        yield server


@contextmanager
def started(flavour: Flavour, version: Version, directory: Path, options: Sequence[str]) -> Iterator[ScratchServer]:
    """As `served`, on a data directory that was production's, of a server of that version."""
    with scratch_server(
        flavour,
        version=version,
        directory=directory.parent,
        options=(_ITS_ACCOUNTS_ARE_NOT_OURS, "--skip-slave-start", *POOL_LEFT, *options),
        data_directory=directory,
    ) as server:
        yield server
