"""The asset `full_backup` of each server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.backups.days import refuse_other_days
from chom_pipelines.backups.run_policy import Knob
from chom_pipelines.backups.verdicts import LATE
from chom_pipelines.defs.backups.taking import PolicyConfig, taken
from chom_pipelines.defs.kinds import asset_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.environment import backup_type
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.layout import Kind

FULL_BACKUP = "full_backup"
_WARN_AFTER = timedelta(hours=2)
"""Beyond thresholds.backup_age_hours."""


class FullBackupConfig(PolicyConfig):
    """Of a full backup. What is left out is as chom.yaml says for this server."""

    type: str = Field(default="full", description="full; the binary log is the asset binlog_archive's")
    method: str | None = Field(default=None, description="logical: rows; physical: the data files of a server here")

    def knobs(self) -> dict[str, Knob]:
        """What the run says of the policy; None where it says nothing."""
        return self.model_dump(exclude={"type"})

    def refuse_other_types(self) -> None:
        """Raise ConfigurationError for what another asset is of."""
        kind = backup_type(self.type, "type in the run configuration")
        if kind is not Kind.FULL:
            what = f"type in the run configuration: {FULL_BACKUP} is of full backups, and not of {kind.value}"
            raise ConfigurationError(what, "materialise binlog_archive, or incremental_backup of a physical backup")


@dg.op(name=FULL_BACKUP)
def _back_up(context: dg.AssetExecutionContext, config: FullBackupConfig, chom: Chom) -> dg.MaterializeResult[Any]:
    """Takes a full backup of one server and proves it."""
    window = context.partition_time_window
    with failures(context):
        refuse_other_days(context.partition_key, window.start, window.end, datetime.now(UTC))
        config.refuse_other_types()
    return taken(context, chom, Kind.FULL, config.knobs())


def full_backup(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _back_up,
        server,
        description=(
            f"A full backup of `{server.name}`, begun that day (UTC) and proved as `verification` says. It is kept in "
            "the repository, where its checks read it. Only today's can be materialised: a dump is a snapshot of now."
        ),
        pool=server.pool,
        freshness=freshness(server),
    )


def freshness(server: Server) -> dg.FreshnessPolicy:
    """Of the newest materialisation, which is the newest backup: none of a past day can be made."""
    age = timedelta(hours=server.thresholds.backup_age_hours)
    return dg.FreshnessPolicy.time_window(fail_window=age + LATE, warn_window=age + _WARN_AFTER)
