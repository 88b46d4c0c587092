"""Archiving a server's binary log as a policy says: what the command line and Dagster share."""

from __future__ import annotations

from chom_pipelines.backups.run_policy import refuse_plain
from chom_pipelines.binlogs.archive.archiving import Archived, LogArchive, archive
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.progress import Report


def archive_binary_log(
    inventory: Inventory, server: Server, policy: BackupPolicy, report: Report, *, close: bool
) -> Archived:
    """Archive what the server has closed of its binary log; with `close` it first closes the file that it writes.

    Raises ConfigurationError where it would not be believed; else what `archive` raises.
    """
    refuse_plain(server, policy, "a piece of its binary log")
    keyring = keyring_of(inventory.repository, policy)  # what was encrypted before is continued in any case
    repository = repository_of(inventory.repository)
    repository.create()
    return archive(LogArchive(server, policy, repository, keyring), report, close=close)
