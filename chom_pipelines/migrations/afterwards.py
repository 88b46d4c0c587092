"""After a deploy: how long its migrations took is kept beside what the check before had foretold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chom_pipelines.errors import ConfigurationError, MigrationCheckError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository
from chom_pipelines.migrations.artisan_output import durations
from chom_pipelines.migrations.past import KeptRun, at_free_moment, keep_run, last_check, taken
from chom_pipelines.migrations.sql_files import flyway_durations
from chom_pipelines.server.connection import Session


def keep_durations(inventory: Inventory, server: Server, output: str | None, now: datetime) -> KeptRun:
    """Keep what `artisan migrate` has printed; without `output` what Flyway has recorded of those of the last check.

    Raises ConfigurationError, RepositoryError; MigrationCheckError where nothing tells of a migration.
    """
    if server.migrations is None:
        raise ConfigurationError(f"chom.yaml names no migrations of {server.name}", "add `migrations` to it")
    repository = existing_repository(inventory.repository)
    before = last_check(repository, server.name)
    if output is None:
        with Session(server.endpoint()) as session:
            pending = before.pending if before else ()
            found = list(_of_flyway(session, server, pending))
    else:
        found = list(durations(output))
    if not found:
        what = f"nothing tells how long migrations of {server.name} took"
        raise MigrationCheckError(
            what, "give the output of `artisan migrate --force` on standard input, or by --output"
        )
    run = KeptRun(server=server.name, started=now, migrations=taken(before, found))
    started, _ = at_free_moment(
        repository, server.name, now, lambda moment: keep_run(repository, run.model_copy(update={"started": moment}))
    )
    return run.model_copy(update={"started": started})


def _of_flyway(session: Session, server: Server, pending: Iterable[str]) -> Iterable[tuple[str, float]]:
    wanted = set(pending)
    return ((name, took) for name, took in flyway_durations(session, server.databases or ()) if name in wanted)
