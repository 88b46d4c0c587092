"""Taking a backup as a policy says, and proving it: what the command line and Dagster share.

What a dump does not need is imported where it is needed: a third of the time until it begins was that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chom_pipelines.backups.run_policy import refuse_other_kinds, refuse_plain
from chom_pipelines.binlogs.archive.heads import head_if_known
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.inventory.policies import BackupPolicy, Verification
from chom_pipelines.logical.dump import take_backup
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository

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

    Raises ConfigurationError for what a backup cannot be, with nothing begun; else what taking the backup raises,
    with nothing listed. What goes wrong afterwards takes no backup away: it is in the result.
    """
    refuse_other_kinds(kind, policy)
    refuse_plain(server, policy, "a backup")
    keyring = keyring_of(inventory.repository, policy) if policy.encrypt else None
    repository = repository_of(inventory.repository)
    repository.create()
    if policy.method is Method.PHYSICAL:
        # a dump starts sooner without
        from chom_pipelines.binlogs.archive.imports import LOG
        from chom_pipelines.physical.taking import take_backup as take_files

        entry, manifest = take_files(server, policy, repository, keyring, report, log=LOG, kind=kind)
    else:
        entry, manifest = take_backup(server, policy, repository, keyring, report, head_of=head_if_known)
    announce(entry, manifest)
    if policy.verification is Verification.NONE:
        return Taken(entry, manifest, None, None)
    try:
        return Taken(entry, manifest, _proof(repository, entry, policy, keyring, report), None)
    except ChomError as error:
        return Taken(entry, manifest, None, error)


def _proof(
    repository: Repository, entry: BackupEntry, policy: BackupPolicy, keyring: Keyring | None, report: Report
) -> Proof:
    # a dump that is not verified starts sooner
    from chom_pipelines.proofs.verification import verify
    from chom_pipelines.restores.measured import own_rates

    level = Level(policy.verification.value)
    rates = own_rates(repository, entry.server, keyring) if level is Level.FULL else ()
    return verify(entry, level, keyring, report, threads=policy.threads, rates=rates)
