"""A data directory is made by a private server on it, which is shut down in order before it gets its name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.restores.directory_target import put_in_place
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.redo_log import redo_log_off
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.connection import Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines.server.time_zones import forget_others
from chom_pipelines.server.versions import parse_version

ROOT_ALONE = (
    "no accounts but root@localhost without a password, as which nobody can connect from another machine; views, "
    "triggers and routines of other accounts do not work without these: --accounts restores the source's"
)
"""Of a directory into which no accounts were restored."""

FAST = ("--innodb-doublewrite=OFF", "--innodb-flush-log-at-trx-commit=0")
"""For a directory that is thrown away unless the restore ends well."""


@contextmanager
def new_server(manifest: Manifest, data: Path, options: Sequence[str] = ()) -> Iterator[ScratchServer]:
    """A private server on a new data directory, which can hold this backup, and is shut down in order.

    Until then it is fast, and not durable.

    Raises what starting it and shutting it down raise.
    """
    flavour, birth = Flavour(manifest.source.flavour), birth_options(manifest)
    zones = zones_of(manifest.source)
    create_datadir(server_program(flavour), birth, data, named_zones=bool(zones.named))
    with scratch_server(
        flavour,
        version=parse_version(manifest.source.version),
        directory=data.parent,
        expected_bytes=sum(table.bytes for table in manifest.logical.tables),
        options=(*birth, *FAST, *options),
        data_directory=data,
        zones=zones,
    ) as server:
        with Session(server.endpoint) as session:
            forget_others(session, zones.named)
        with redo_log_off(server):
            yield server


def filled_directory(
    directory: Path,
    serve: Callable[[Path], AbstractContextManager[ScratchServer]],
    fill: Callable[[ScratchServer], RestoreResult],
    *,
    replace_it: bool,
) -> RestoreResult:
    """Make a data directory by what `fill` does to the private server that `serve` starts on one that it makes there.

    Raises what restore_into_directory raises.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    # however this ends, nothing half-made stays; not in a hidden directory, below which MySQL sees no files
    with claimed_directory(directory.parent) as claim:
        data = claim.path / "data"
        with serve(data) as server:
            started = time.monotonic() - began
            result = fill(server)
            differs, filled = server.differs, time.monotonic()
        put_in_place(data, directory, replace=replace_it)
        phases = {"start": started, **result.phases, "finish": time.monotonic() - filled}
    warnings = (*result.warnings, *([f"made with {differs}, the source's version"] if differs else []))
    return replace(result, warnings=warnings, phases=phases)


def without_accounts(result: RestoreResult) -> RestoreResult:
    """The same, with what is to be known of a directory into which no accounts were restored."""
    return replace(result, warnings=(*result.warnings, ROOT_ALONE))
