"""The sensor of pending migrations: where the files of an application change, what they would do is found out."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg

from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.migrations.assets import MIGRATION_CHECK, MIGRATION_CHECK_JOB, with_migrations
from chom_pipelines.inventory.models import Server

_SECONDS = 60
_LARAVEL = "database/migrations"


def migration_sensors(servers: Iterable[Server], status: dg.DefaultScheduleStatus) -> list[dg.SensorDefinition]:
    """One for all servers with migrations, where there are any."""
    checked = with_migrations(servers)
    return [_sensor(checked, status)] if checked else []


def _sensor(servers: list[Server], status: dg.DefaultScheduleStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="migrations_changed",
        job_name=MIGRATION_CHECK_JOB,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus[status.name],
        description="Asks for the check of each server whose files of migrations are not those of a minute before.",
    )
    def changed(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        before = json.loads(context.cursor) if context.cursor else {}
        now = {server.name: _fingerprint(server) for server in servers}
        context.update_cursor(json.dumps(now))
        asked = [name for name, found in now.items() if found and found != before.get(name)]
        for name in asked:
            yield dg.RunRequest(
                asset_selection=[asset_key(name, MIGRATION_CHECK)],
                tags={"chom/server": name},
            )
        if not asked:
            yield dg.SkipReason("no files of migrations have changed")

    return changed


def _fingerprint(server: Server) -> str:
    """Of the names, sizes and times of the files; "" where they cannot be read, which the check itself says better."""
    migrations = server.migrations
    if migrations is None:
        return ""
    place = migrations.laravel / _LARAVEL if migrations.laravel else migrations.sql or Path()
    try:
        files = sorted((each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in place.iterdir())
    except OSError:
        return ""
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
