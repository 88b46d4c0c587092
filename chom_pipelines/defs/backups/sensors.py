"""The sensor of overdue servers: it reports their check, as no run does that for a server that was never backed up."""

import json
from datetime import UTC, datetime

import dagster as dg

from chom_pipelines.backups.assessment import recent
from chom_pipelines.backups.verdicts import RECENT
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.checks import check_evaluation
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.resources import Chom
from chom_pipelines.inventory.opening import keyring_of, repository_of

_SECONDS = 600


def overdue_sensor(status: dg.DefaultScheduleStatus) -> dg.SensorDefinition:
    """One for all servers."""

    @dg.sensor(
        name="overdue_servers",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus[status.name],
        description="Fails the check `recent_enough` of a server whose newest backup is too old, or that has none.",
    )
    def overdue(context: dg.SensorEvaluationContext, chom: Chom) -> dg.SkipReason:
        inventory = chom.inventory()
        repository = repository_of(inventory.repository)
        if not repository.store.is_there():
            return dg.SkipReason(f"there is no repository at {repository.where}: is it mounted?")
        before: dict[str, str] = json.loads(context.cursor or "{}")
        now = {}
        for server in inventory.servers:
            keyring = keyring_of(inventory.repository, server.backup)
            verdict = recent(repository, server, keyring, datetime.now(UTC))
            now[server.name] = verdict.outcome.value
            if before.get(server.name) != verdict.outcome.value:  # else every tick would be an event of each server
                evaluation = check_evaluation(asset_key(server.name, FULL_BACKUP), RECENT, verdict)
                context.instance.report_runless_asset_event(evaluation)
        context.update_cursor(json.dumps(now))
        failed = sorted(name for name, outcome in now.items() if outcome != "passed")
        return dg.SkipReason(f"overdue: {', '.join(failed)}" if failed else "no server is overdue")

    return overdue
