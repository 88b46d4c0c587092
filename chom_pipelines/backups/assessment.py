"""What the repository itself says about a server's newest backup: its manifest, its proofs, and those before it."""

from collections.abc import Iterator, Mapping

from chom_pipelines.backups import verdicts
from chom_pipelines.backups.verdicts import CONTENT, HISTORY, INTEGRITY, QUESTIONS, SIZE, TABLES, Verdict
from chom_pipelines.errors import BackupNotFoundError, ChomError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import LATEST


def answers(repository: Repository, server: str, keyring: Keyring | None) -> Mapping[str, Verdict]:
    """Every question about the newest backup, answered.

    Raises RepositoryError where the directory of backups cannot be listed; what cannot be read in it leaves a question
    open, and what was changed in it fails.
    """
    if not repository.store.is_there():
        reason = f"there is no repository at {repository.where}: is it mounted?"
        return dict.fromkeys(QUESTIONS, Verdict(Outcome.NOT_VERIFIED, reason))
    try:
        entry = repository.find(server, LATEST)
    except BackupNotFoundError as error:
        return dict.fromkeys(QUESTIONS, Verdict(Outcome.NOT_VERIFIED, error.what))
    try:
        manifest = entry.manifest(keyring)
        expected = len(manifest.logical.tables)
        proofs = list(_believed(entry, keyring))
    except ChomError as error:
        unknown = Verdict(Outcome.NOT_VERIFIED, f"not everything in the backup can be believed: {error.what}")
        return {**dict.fromkeys(QUESTIONS, unknown), INTEGRITY: Verdict(error.outcome, error.what)}
    last = verdicts.newest(proofs)
    return {
        INTEGRITY: verdicts.integrity(last),
        TABLES: verdicts.tables(last, expected),
        CONTENT: verdicts.content(verdicts.newest(proofs, Level.FULL)),
        SIZE: verdicts.size(manifest, _before(repository, entry, keyring)),
    }


def _believed(entry: BackupEntry, keyring: Keyring | None) -> Iterator[Proof]:
    for record in entry.proofs(keyring):
        if record.problem:
            raise record.problem
        if record.proof:
            yield record.proof


def _before(repository: Repository, entry: BackupEntry, keyring: Keyring | None) -> list[Manifest | None]:
    """Manifests of the backups before this one, oldest first; None stands for one that cannot be read."""
    dated = [each for each in repository.backups(entry.server) if each.time]
    earlier = dated[: dated.index(entry)] if entry in dated else dated
    return [_readable(each, keyring) for each in earlier[-HISTORY:]]


def _readable(entry: BackupEntry, keyring: Keyring | None) -> Manifest | None:
    try:
        return entry.manifest(keyring)
    except RepositoryError:
        return None
