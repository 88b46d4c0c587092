"""The asset `verification_restore` of each server."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.backups.days import newest_of_day
from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.backups.checks import report_checks
from chom_pipelines.defs.binlogs.reporting import report_windows
from chom_pipelines.defs.kinds import RESULT, asset_of, server_of
from chom_pipelines.defs.proofs.checks import ASKED, VERIFICATION_RESTORE, check_results, check_specs
from chom_pipelines.defs.proofs.metadata import described
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.defs.schedules import freshness
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.log_lines import LogLines
from chom_pipelines.outcome import Outcome
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.proof import Level

POOL = "scratch_servers"
"""Restores are work of this machine, not of a server; `dagster instance concurrency set` says how many at a time."""

_LATE = timedelta(days=1)


class VerificationConfig(dg.Config):
    """How the restore is run."""

    threads: int = Field(default=0, description="parallel connections; 0: one per core of this machine")


@dg.op(
    name=VERIFICATION_RESTORE,
    ins={FULL_BACKUP: dg.In(dg.Nothing)},
    out={name: dg.Out() for name in (RESULT, *ASKED)},
)
def _restore(
    context: dg.AssetExecutionContext, config: VerificationConfig, chom: Chom
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Restores one server's backup of that day on a private server and compares them."""
    name = server_of(context.asset_key)
    window = context.partition_time_window
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(name)
        repository = existing_repository(inventory.repository)
        entry = newest_of_day(repository.backups(name), context.partition_key, window.start, window.end)
        keyring = keyring_of(inventory.repository, server.backup)
        context.log.info("restoring %s on a private server", entry.where)
        record(inventory.repository, "verify", name, run=context.run.run_id, backup=entry.id, level=Level.FULL.value)
        rates = known_rates(repository, name, keyring)
        proof = verify(entry, Level.FULL, keyring, LogLines(context.log.info), threads=config.threads, rates=rates)
        report_checks(context.instance, server, inventory)
        report_windows(context.instance, server, inventory)
    results = list(check_results(name, proof, _expected(entry, keyring)))
    metadata = {**described(proof), "directory": dg.MetadataValue.path(entry.where)}
    if proof.outcome is not Outcome.PASSED:
        yield from results
        what = f"{entry.id}: {proof.outcome.value}: {proof.reason}"
        raise dg.Failure(what, metadata)
    yield dg.MaterializeResult(metadata=metadata, check_results=results)


def verification_restore(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    return asset_of(
        _restore,
        server,
        description=(
            f"The last backup of `{server.name}` that was begun that day (UTC), restored on a private server: every "
            "table and definition there is what was dumped. One that failed or could not be verified is no "
            "materialisation: the checks say why."
        ),
        pool=POOL,
        freshness=freshness(server.schedules.verification, server.schedules.timezone, _LATE),
        checks=check_specs(server.name),
    )


def _expected(entry: BackupEntry, keyring: Keyring | None) -> int | None:
    """Tables in the manifest; None where it cannot be read, which the proof has found too."""
    try:
        return entry.manifest(keyring).tables
    except ChomError:
        return None
