"""The Dagster code location: assets, checks, jobs and schedules of every server in chom.yaml.

Loading it reads chom.yaml and nothing else: no secret, no server, no repository.
"""

import gc
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from chom_pipelines.defs.backups.assets import full_backup
from chom_pipelines.defs.backups.checks import full_backup_checks
from chom_pipelines.defs.backups.incremental import (
    incremental_backup,
    incremental_backup_job,
    incremental_backup_schedules,
    with_chains,
)
from chom_pipelines.defs.backups.jobs import full_backup_job
from chom_pipelines.defs.backups.schedules import full_backup_schedules
from chom_pipelines.defs.backups.sensors import overdue_sensor
from chom_pipelines.defs.benchmarks.assets import benchmark_report
from chom_pipelines.defs.benchmarks.jobs import benchmark_job
from chom_pipelines.defs.benchmarks.schedules import benchmark_schedules
from chom_pipelines.defs.binlogs.assets import binlog_archive
from chom_pipelines.defs.binlogs.jobs import binlog_archive_job
from chom_pipelines.defs.binlogs.schedules import binlog_archive_schedules
from chom_pipelines.defs.binlogs.sensors import gap_sensor
from chom_pipelines.defs.binlogs.windows import recoverable_windows
from chom_pipelines.defs.drills.assets import pitr_drill
from chom_pipelines.defs.drills.jobs import pitr_drill_job
from chom_pipelines.defs.drills.schedules import pitr_drill_schedules
from chom_pipelines.defs.migrations.assets import migration_check, migration_check_job, with_migrations
from chom_pipelines.defs.migrations.sensors import migration_sensors
from chom_pipelines.defs.monitoring.assets import index_usage, table_growth
from chom_pipelines.defs.monitoring.fleet import fleet_growth
from chom_pipelines.defs.monitoring.jobs import monitoring_job
from chom_pipelines.defs.monitoring.schedules import monitoring_schedules
from chom_pipelines.defs.offsite.archive import (
    monthly_archive,
    monthly_archive_job,
    monthly_archive_schedules,
    with_archive,
)
from chom_pipelines.defs.offsite.assets import offsite_copy, with_second_copy
from chom_pipelines.defs.offsite.jobs import offsite_job
from chom_pipelines.defs.offsite.schedules import offsite_schedules
from chom_pipelines.defs.offsite.sensors import offsite_sensors
from chom_pipelines.defs.proofs.assets import verification_restore
from chom_pipelines.defs.proofs.jobs import verification_job
from chom_pipelines.defs.proofs.schedules import verification_schedules
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retention.assets import retention
from chom_pipelines.defs.retention.jobs import retention_job
from chom_pipelines.defs.retention.schedules import retention_schedules
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.loading import VARIABLE, config_path, load_inventory
from chom_pipelines.inventory.models import Inventory

SCHEDULES = "CHOM_SCHEDULES"
"""The environment variable that starts the schedules of a deployment: `running`; else they wait to be switched on."""

_log = logging.getLogger("dagster.chom_pipelines")


def deployment(inventory: Inventory, config: Path, status: dg.DefaultScheduleStatus) -> dg.Definitions:
    """Everything of these servers; `config` is the file that runs read."""
    servers = inventory.servers
    return dg.Definitions.merge(
        full_backup_job(servers),
        incremental_backup_job(servers),
        binlog_archive_job(servers),
        verification_job(servers),
        pitr_drill_job(servers),
        retention_job(servers),
        offsite_job(servers),
        monthly_archive_job(servers),
        benchmark_job(servers),
        migration_check_job(servers),
        monitoring_job(servers),
        dg.Definitions(
            assets=[
                make(server)
                for make in (
                    full_backup,
                    binlog_archive,
                    recoverable_windows,
                    verification_restore,
                    pitr_drill,
                    retention,
                    benchmark_report,
                    table_growth,
                    index_usage,
                )
                for server in servers
            ]
            + [incremental_backup(server) for server in with_chains(servers)]
            + [offsite_copy(server) for server in with_second_copy(servers)]
            + [monthly_archive(server) for server in with_archive(servers)]
            + [migration_check(server) for server in with_migrations(servers)]
            + ([fleet_growth(servers)] if servers else []),
            asset_checks=[full_backup_checks(server) for server in servers],
            sensors=[
                *([overdue_sensor(status), gap_sensor(status)] if servers else []),
                *offsite_sensors(servers, status),
                *migration_sensors(servers, status),
            ],
            schedules=[
                *full_backup_schedules(servers, status),
                *incremental_backup_schedules(servers, status),
                *binlog_archive_schedules(servers, status),
                *verification_schedules(servers, status),
                *pitr_drill_schedules(servers, status),
                *retention_schedules(servers, status),
                *offsite_schedules(servers, status),
                *monthly_archive_schedules(servers, status),
                *benchmark_schedules(servers, status),
                *monitoring_schedules(servers, status),
            ],
            resources={"chom": Chom(config=str(config))},
            executor=dg.in_process_executor,  # for the button `Materialize` too; see asset_job
        ),
    )


def unconfigured(config: Path) -> dg.Definitions:
    """No server, and what to do about it where a person looks."""
    notice = (
        f"This deployment has no servers: {config} does not exist, and ${VARIABLE} is not set. "
        f"Write the file (chom.example.yaml documents every key), or set ${VARIABLE} to where it is, then reload."
    )
    _log.warning(notice)
    return dg.Definitions(assets=[dg.AssetSpec("no_chom_yaml", description=notice, group_name="not_configured")])


def schedule_status(environ: Mapping[str, str]) -> dg.DefaultScheduleStatus:
    """Whether schedules run unless someone has switched them in the UI; raises ConfigurationError."""
    value = environ.get(SCHEDULES) or "stopped"
    try:
        return dg.DefaultScheduleStatus[value.upper()]
    except KeyError as error:
        raise ConfigurationError(f"${SCHEDULES}: there is no {value!r}", "use running or stopped") from error


def load() -> dg.Definitions:
    """What chom.yaml says; raises ConfigurationError where it is wrong, or is not where $CHOM_CONFIG says."""
    config = config_path().absolute()
    if not os.environ.get(VARIABLE) and not config.exists():
        return unconfigured(config)
    return deployment(load_inventory(config), config, schedule_status(os.environ))


# The modules stay for as long as the process does, and so do the definitions, of which there are millions of objects
# where servers are many. The garbage collector would walk all of them again and again: a fifth of the time.
gc.freeze()
gc.set_threshold(50_000, 20, 100)
defs = load()
