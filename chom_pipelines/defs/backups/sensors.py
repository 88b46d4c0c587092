"""The sensor of overdue servers: it reports their check, as no run does that for a server that was never backed up."""

from datetime import UTC, datetime

import dagster as dg

from chom_pipelines.backups.assessment import recent
from chom_pipelines.backups.verdicts import RECENT, Verdict
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.checks import check_evaluation
from chom_pipelines.defs.kinds import asset_key
from chom_pipelines.defs.resources import Chom
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.outcome import Outcome

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
        found = {server.name: _recent(inventory, server) for server in inventory.servers}
        keys = {name: dg.AssetCheckKey(asset_key(name, FULL_BACKUP), RECENT) for name in found}
        before = context.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
        for name, verdict in found.items():
            record = before.get(keys[name])
            evaluation = record.evaluation if record else None
            said = evaluation.metadata["outcome"].value if evaluation else None
            if said != verdict.outcome.value:  # else each tick were an event of each server
                context.instance.report_runless_asset_event(check_evaluation(keys[name].asset_key, RECENT, verdict))
        words = (
            (Outcome.FAILED, "overdue"),
            (Outcome.NOT_VERIFIED, "not known to be recent"),
        )
        told = [
            f"{word}: {', '.join(sorted(name for name, verdict in found.items() if verdict.outcome is outcome))}"
            for outcome, word in words
            if any(verdict.outcome is outcome for verdict in found.values())
        ]
        return dg.SkipReason("; ".join(told) or "no server is overdue")

    return overdue


def _recent(inventory: Inventory, server: Server) -> Verdict:
    """Of one server: what is wrong with its backups keeps no other's from being looked at."""
    repository = repository_of(inventory.repository)
    if not repository.store.is_there():
        return Verdict(Outcome.NOT_VERIFIED, f"there is no repository at {repository.where}: is it mounted?")
    try:
        return recent(repository, server, keyring_of(inventory.repository, server.backup), datetime.now(UTC))
    except ChomError as error:
        return Verdict(error.outcome, error.what)
