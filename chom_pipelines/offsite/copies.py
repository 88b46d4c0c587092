"""Push and pull: a server's backups from the repository into its second copy, and back."""

from __future__ import annotations

from collections.abc import Sequence

from chom_pipelines.errors import BackupNotFoundError, RepositoryError
from chom_pipelines.inventory.models import Inventory, Offsite, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of, repository_of, second_copy_of
from chom_pipelines.offsite.copying import Copying
from chom_pipelines.offsite.throttle import Throttle
from chom_pipelines.offsite.transfer import ServerDifference, Transfer, chain_of, compare, copy_server
from chom_pipelines.progress import Report
from chom_pipelines.repository.repository import Repository

_MEGA = 1_000_000


def push(inventory: Inventory, server: Server, report: Report, *, backups: Sequence[str] | None = None) -> Transfer:
    """Copy what the second copy lacks of a server; `backups`: these alone, with what they build on.

    Raises ConfigurationError where there is no second copy; RepositoryError where one of the two cannot be used.
    """
    source, target = existing_repository(inventory.repository), second_copy_of(inventory.repository)
    make_ready(target, inventory)
    copying = copying_of(inventory, server)
    only = None if backups is None else frozenset(chain_of(source, server.name, backups))
    return copy_server(source, target, server.name, copying, report, only=only)


def make_ready(target: Repository, inventory: Inventory) -> None:
    """Make the directory of the second copy; raises RepositoryError where it is a bucket, which is never made here.

    One that is made by the way has no object lock, and cannot get one any more.
    """
    if inventory.repository.offsite and inventory.repository.offsite.path:
        target.create()
    elif not target.store.is_there():
        remedy = "correct repository.offsite.url, or create it: deploy/s3, deploy/google and deploy/azure say how"
        raise RepositoryError(f"there is no bucket or container for {target.where}", remedy)


def pull(inventory: Inventory, server: Server, report: Report, *, backups: Sequence[str] | None = None) -> Transfer:
    """Copy back what the repository lacks of a server, which need not be there any more; as `push`.

    Backups of the server cannot be taken meanwhile.
    """
    source, target = existing_repository(inventory.repository, offsite=True), repository_of(inventory.repository)
    if server.name not in source.servers():
        what = f"there is nothing of {server.name} at {source.where}"
        raise BackupNotFoundError(what, "correct repository.offsite.url; `chom backups --offsite` lists what is there")
    copying = copying_of(inventory, server)
    only = None if backups is None else frozenset(chain_of(source, server.name, backups))
    target.create()
    return copy_server(source, target, server.name, copying, report, only=only)


def lacking(inventory: Inventory, server: Server, backups: Sequence[str] | None = None) -> ServerDifference:
    """What a push would copy now, by the names and sizes of objects; raises as that."""
    source, target = existing_repository(inventory.repository), second_copy_of(inventory.repository)
    found = compare(source, target, server.name)
    return found if backups is None else found.of(frozenset(chain_of(source, server.name, backups)))


def copying_of(inventory: Inventory, server: Server) -> Copying:
    """How the backups of this server are copied; raises what reading the keys raises."""
    offsite: Offsite | None = inventory.repository.offsite
    rate = offsite.megabytes_per_second if offsite else None
    return Copying(
        keyring_of(inventory.repository, server.backup),
        offsite.threads if offsite else 1,
        Throttle(rate * _MEGA if rate else None),
    )
