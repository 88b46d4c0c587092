"""The asset checks of full backups: they read the manifest and the proofs of the newest backup in the repository."""

from collections.abc import Iterator
from functools import cache

import dagster as dg

from chom_pipelines.backups.assessment import answers
from chom_pipelines.backups.verdicts import CONTENT, INTEGRITY, SIZE, TABLES
from chom_pipelines.defs.backups.assets import FULL_BACKUP
from chom_pipelines.defs.checks import check_evaluation, check_result, specs
from chom_pipelines.defs.kinds import asset_key, checks_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.inventory.policies import Verification


def full_backup_checks(server: Server) -> dg.AssetChecksDefinition:
    """One server's checks."""
    names = _names(server)
    return checks_of(_asking(names), server, specs(asset_key(server.name, FULL_BACKUP), names))


@cache
def _asking(names: tuple[str, ...]) -> dg.OpDefinition:
    """The op of those checks: one for all servers of which the same is asked."""
    return dg.op(
        name=f"{FULL_BACKUP}_checks",
        ins={FULL_BACKUP: dg.In(dg.Nothing)},
        out={name: dg.Out(is_required=False) for name in names},
        config_schema={},
    )(_ask)


def _ask(context: dg.AssetCheckExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult]:
    """Reads the newest backup's manifest and proofs, and the sizes of those before it."""
    wanted = sorted(context.selected_asset_check_keys)
    with failures():
        inventory = chom.inventory()
        server = inventory.server(server_of(wanted[0].asset_key))
        keyring = keyring_of(inventory.repository, server.backup)
        found = answers(repository_of(inventory.repository), server.name, keyring)
    for key in wanted:
        yield check_result(key.asset_key, key.name, found[key.name])


def report_checks(instance: dg.DagsterInstance, server: Server, inventory: Inventory) -> None:
    """Ask the full backup's checks anew, outside of its own runs: a proof was added that may say otherwise.

    Raises RepositoryError, ConfigurationError.
    """
    keyring = keyring_of(inventory.repository, server.backup)
    found = answers(repository_of(inventory.repository), server.name, keyring)
    for name in _names(server):
        evaluation = check_evaluation(asset_key(server.name, FULL_BACKUP), name, found[name])
        instance.report_runless_asset_event(evaluation)


def _names(server: Server) -> tuple[str, ...]:
    """What only a restore can tell is asked where chom.yaml has every backup restored."""
    restored = server.backup.verification is Verification.FULL
    return (INTEGRITY, TABLES, *((CONTENT,) if restored else ()), SIZE)
