"""Taking a backup as a policy says, and proving it: what the command line and Dagster share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chom_pipelines.backups.policy import refuse_unbuilt
from chom_pipelines.binlogs.archive.archiving import Archived, LogArchive, archive
from chom_pipelines.binlogs.archive.writing import head_if_known
from chom_pipelines.errors import ChomError, ConfigurationError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.taking import take_backup as take_files
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.proof import Level

if TYPE_CHECKING:
    from chom_pipelines.repository.proof import Proof


@dataclass(frozen=True)
class Taken:
    """A backup that is in the repository, and how it was proved.

    Without a `proof`, either none was wanted, or `unproved` says why none could be made or kept.
    """

    entry: BackupEntry
    manifest: Manifest
    proof: Proof | None
    unproved: ChomError | None

    @property
    def outcome(self) -> Outcome:
        """Passed is only what a proof says."""
        return self.proof.outcome if self.proof else Outcome.NOT_VERIFIED


def take_and_prove(
    inventory: Inventory,
    server: Server,
    kind: Kind,
    policy: BackupPolicy,
    report: Report,
    *,
    announce: Callable[[BackupEntry, Manifest], None],
) -> Taken:
    """Take a backup of the server, `announce` it as soon as it is listed, and prove it as the policy says.

    It is a full one, or of the pages that were changed since the last physical one.

    Raises ConfigurationError for what this version cannot do, with nothing begun; else what taking the backup raises,
    with nothing listed. What goes wrong afterwards takes no backup away: it is in the result.
    """
    refuse_unbuilt(kind, policy)
    _refuse_plain(server, policy, "a backup")
    keyring = keyring_of(inventory.repository, policy) if policy.encrypt else None
    repository = repository_of(inventory.repository)
    repository.create()
    if policy.method is Method.PHYSICAL:
        entry, manifest = take_files(server, policy, repository, keyring, report, head_of=head_if_known, kind=kind)
    else:
        entry, manifest = take_backup(server, policy, repository, keyring, report, head_of=head_if_known)
    announce(entry, manifest)
    if policy.verification is Verification.NONE:
        return Taken(entry, manifest, None, None)
    try:
        return Taken(entry, manifest, _proof(entry, policy, keyring, report), None)
    except ChomError as error:
        return Taken(entry, manifest, None, error)


def archive_binary_log(
    inventory: Inventory, server: Server, policy: BackupPolicy, report: Report, *, close: bool
) -> Archived:
    """Archive what the server has closed of its binary log; with `close` it first closes the file that it writes.

    Raises ConfigurationError for what this version cannot do; else what `archive` raises.
    """
    refuse_unbuilt(Kind.FULL, policy)
    _refuse_plain(server, policy, "a piece of its binary log")
    keyring = keyring_of(inventory.repository, policy)  # what was encrypted before is continued in any case
    repository = repository_of(inventory.repository)
    repository.create()
    return archive(LogArchive(server, policy, repository, keyring), report, close=close)


def _refuse_plain(server: Server, policy: BackupPolicy, one: str) -> None:
    """Raise ConfigurationError where no restore or verification would believe what would be taken."""
    if server.backup.encrypt and not policy.encrypt:
        what = f"{server.name} is encrypted by chom.yaml: nobody would believe {one} that is not"
        remedy = (
            "leave --no-encrypt, ENCRYPT_BACKUP and encrypt: false in a run out; or set encrypt: false for the server "
            "in chom.yaml"
        )
        raise ConfigurationError(what, remedy)


def _proof(entry: BackupEntry, policy: BackupPolicy, keyring: Keyring | None, report: Report) -> Proof:
    from chom_pipelines.proofs.verification import verify  # a dump that is not verified starts sooner

    return verify(entry, Level(policy.verification.value), keyring, report, threads=policy.threads)
