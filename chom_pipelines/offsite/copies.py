"""Push and pull: a server's backups from the repository into its second copy, and back."""

from __future__ import annotations

from collections.abc import Sequence

from chom_pipelines.inventory.models import Inventory, Offsite, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of, repository_of, second_copy_of
from chom_pipelines.offsite.copying import Copying
from chom_pipelines.offsite.throttle import Throttle
from chom_pipelines.offsite.transfer import ServerDifference, Transfer, chain_of, compare, copy_server
from chom_pipelines.progress import Report

_MEGA = 1_000_000


def push(inventory: Inventory, server: Server, report: Report, *, backups: Sequence[str] | None = None) -> Transfer:
    """Copy what the second copy lacks of a server; `backups`: these alone, with what they build on.

    Raises ConfigurationError where there is no second copy; RepositoryError where one of the two cannot be used.
    """
    source, target = existing_repository(inventory.repository), second_copy_of(inventory.repository)
    target.create()
    copying = copying_of(inventory, server)
    only = None if backups is None else frozenset(chain_of(source, server.name, backups))
    return copy_server(source, target, server.name, copying, report, only=only)


def pull(inventory: Inventory, server: Server, report: Report, *, backups: Sequence[str] | None = None) -> Transfer:
    """Copy back what the repository lacks of a server, which need not be there any more; as `push`.

    Backups of the server cannot be taken meanwhile.
    """
    source, target = existing_repository(inventory.repository, offsite=True), repository_of(inventory.repository)
    copying = copying_of(inventory, server)
    only = None if backups is None else frozenset(chain_of(source, server.name, backups))
    target.create()
    return copy_server(source, target, server.name, copying, report, only=only)


def lacking(inventory: Inventory, server: Server) -> ServerDifference:
    """What the second copy lacks of a server now, by the names and sizes of objects; raises as `push`."""
    source, target = existing_repository(inventory.repository), second_copy_of(inventory.repository)
    return compare(source, target, server.name)


def copying_of(inventory: Inventory, server: Server) -> Copying:
    """How the backups of this server are copied; raises what reading the keys raises."""
    offsite: Offsite | None = inventory.repository.offsite
    rate = offsite.megabytes_per_second if offsite else None
    return Copying(
        keyring_of(inventory.repository, server.backup),
        offsite.threads if offsite else 1,
        Throttle(rate * _MEGA if rate else None),
    )
