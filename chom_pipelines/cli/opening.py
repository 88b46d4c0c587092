"""What a command that reads the backups of one server opens first."""

from pathlib import Path

from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.repository import Repository


def backups_of(
    config: Path | None,
    server: str | None,
    action: str,
    *,
    allow_plain: bool = False,
    offsite: bool = False,
    archive: str = "",
    **what: str | bool | None,
) -> tuple[Server, Repository, Keyring | None]:
    """The server that is meant, the repository to read its backups from, or its second copy, and what opens them.

    That `action` begins, with `what` it is of, is in the audit log then.

    Raises ConfigurationError, SecretUnavailableError, RepositoryError where there is no repository.
    """
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    repository = existing_repository(inventory.repository, offsite=offsite, archive=archive)
    how = {"offsite": offsite, "archive": archive or None, "allow_unencrypted": allow_plain}
    record(inventory.repository, action, chosen.name, run="", **how, **what)
    return chosen, repository, keyring_of(inventory.repository, chosen.backup, allow_plain=allow_plain)
