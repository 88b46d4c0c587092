"""The pending migrations once more, on the rows of the latest backup: what no empty copy shows, and real times."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.errors import BackupNotFoundError, ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.log_lines import amount, duration
from chom_pipelines.logical.contents import Contents
from chom_pipelines.migrations.findings import MigrationFinding, error, info, unknown
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.shadow import LOGGING, Shadow
from chom_pipelines.migrations.sources import Source
from chom_pipelines.progress import unreported
from chom_pipelines.repository.streams import LATEST
from chom_pipelines.restores.definers import definers, stand_ins
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.restoring import restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines.server.versions import parse_version


def on_real_rows(
    inventory: Inventory, server: Server, source: Source, production: Production, timeout: float
) -> Iterator[MigrationFinding]:
    """Restore the latest logical backup on a private server, and run there what is pending in it.

    What keeps that from being tried leaves the question open; a migration that fails there is an error.
    """
    try:
        yield from _tried(inventory, server, source, production, timeout)
    except ChomError as problem:
        yield unknown("DP01", f"not tried on real rows: {problem.what}", remedy=problem.remedy, object="rows")


def _tried(
    inventory: Inventory, server: Server, source: Source, production: Production, timeout: float
) -> Iterator[MigrationFinding]:
    repository, keyring = existing_repository(inventory.repository), keyring_of(inventory.repository, server.backup)
    entry = repository.find(server.name, LATEST)
    contents = Contents.of(entry, keyring)
    manifest = contents.manifest
    if not contents.logical.tables:
        raise BackupNotFoundError(f"{entry.id} has no tables", "chom backup")
    serving = scratch_server(
        Flavour(manifest.source.flavour),
        version=parse_version(manifest.source.version),
        expected_bytes=2
        * sum(table.bytes for table in contents.logical.tables),  # a copy of the largest comes beside it
        options=(*birth_options(manifest), *LOGGING),
        zones=zones_of(manifest.source),
    )
    with serving as scratch, stand_ins(scratch, definers(contents.definitions())):
        restore_contents(contents, scratch.endpoint, RestoreRequest(threads=server.backup.threads), unreported)
        run = source.run(Shadow(scratch, production), timeout)
    for ran in run.ran:
        name = ran.migration.name
        if ran.failure:
            yield error(
                "DP01",
                f"with the rows of {entry.id} the migration fails: {' '.join(ran.failure.split())[:300]}",
                why="it fails in production as well, unless the rows are others there",
                remedy="correct the rows, or the migration",
                migration=name,
                evidence={"backup": entry.id, "error": ran.number},
            )
        else:
            yield info(
                "DP02",
                f"took {duration(ran.seconds)} with the rows of {entry.id} on this machine",
                migration=name,
                evidence={"backup": entry.id, "seconds": round(ran.seconds, 3)},
            )
    if not run.ran:
        yield info("DP02", f"in {entry.id} {amount(0, 'migration')} are pending", object="rows")
