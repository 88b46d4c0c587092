"""What the repository itself says about a server's newest backup: its manifest, its proofs, and those before it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from chom_pipelines.backups import verdicts
from chom_pipelines.backups.verdicts import CONTENT, HISTORY, INTEGRITY, QUESTIONS, RECENT, SIZE, TABLES, Verdict
from chom_pipelines.errors import BackupNotFoundError, RepositoryError
from chom_pipelines.inventory.cadence import longest_gap
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import LATEST

_UNSCHEDULED = timedelta(days=7)
"""How old a proof may get where no schedule says it: the default schedule's week."""
_GRACE = timedelta(days=1)
"""Beyond the schedule of verifications, which take their time."""


def answers(inventory: Inventory, server: Server, now: datetime) -> Mapping[str, Verdict]:
    """Every question about the newest backup, answered from what is written down; `now` is aware.

    Nothing is read anew but the manifest: an answer that rests on a proof says how old that is, and one that is older
    than the schedule of verifications lets it get proves nothing any more.

    Raises RepositoryError where the directory of backups cannot be listed; what cannot be read in it leaves a question
    open, and what was changed in it fails.
    """
    repository, keyring = repository_of(inventory.repository), keyring_of(inventory.repository, server.backup)
    if not repository.store.is_there():
        reason = f"there is no repository at {repository.where}: is it mounted?"
        return dict.fromkeys(QUESTIONS, Verdict(Outcome.NOT_VERIFIED, reason))
    late = recent(repository, server, keyring, now)
    try:
        entry = repository.find(server.name, LATEST)
    except BackupNotFoundError as error:
        return {**dict.fromkeys(QUESTIONS, Verdict(Outcome.NOT_VERIFIED, error.what)), RECENT: late}
    found = opened(entry, keyring)
    manifest = found.manifest
    proofs = [record.proof for record in found.proofs if record.proof and record.backup == entry.id]
    of_bases = [record.proof for record in found.proofs if record.proof and record.backup != entry.id]
    if manifest is None or found.problem or len(proofs) + len(of_bases) < len(found.proofs):
        unknown = Verdict(Outcome.NOT_VERIFIED, f"not everything in the backup can be believed: {found.reason}")
        known = Verdict(found.outcome, found.reason)
        return {**dict.fromkeys(QUESTIONS, unknown), INTEGRITY: known, RECENT: late}
    last, full, limit = verdicts.newest(proofs), verdicts.newest(proofs, Level.FULL), _oldest_proof(server)
    integrity = verdicts.repeated(verdicts.integrity(last), last, now, limit)
    tables = verdicts.repeated(verdicts.tables(last, manifest.tables), last, now, limit)
    content = verdicts.repeated(verdicts.content_now(full, last), full, now, limit)
    restored = [verdicts.content(proof) for proof in of_bases if proof.level is Level.FULL]
    unfit = [verdicts.of_base(proof) for proof in of_bases]
    return {
        INTEGRITY: verdicts.lowest(integrity, map(verdicts.integrity, of_bases)),
        TABLES: verdicts.lowest(tables, unfit),
        CONTENT: verdicts.lowest(content, (*restored, *unfit)),
        SIZE: verdicts.size(manifest, _before(repository, entry, keyring)),
        RECENT: late,
    }


def recent(repository: Repository, server: Server, keyring: Keyring | None, now: datetime) -> Verdict:
    """Whether the newest backup with an authentic manifest is young enough: anybody can make a folder of any date.

    Raises RepositoryError where the directory of backups cannot be listed.
    """
    problems = []
    for entry in reversed([each for each in repository.backups(server.name) if each.time]):
        problem = entry.problem(keyring)
        if problem is None:
            return verdicts.recent(entry.time, now, server.thresholds.backup_age_hours)
        problems.append(problem)
    if problems:
        return Verdict(problems[0].outcome, f"no backup of this server can be believed: {problems[0].what}")
    return verdicts.recent(None, now, server.thresholds.backup_age_hours)


def read_again(inventory: Inventory, server: Server, report: Report) -> None:
    """Read the newest backup to its last byte and keep the proof, where there is one; raises what `verify` raises."""
    repository = repository_of(inventory.repository)
    if not repository.store.is_there():
        return
    try:
        entry = repository.find(server.name, LATEST)
    except BackupNotFoundError:
        return
    verify(entry, Level.BASIC, keyring_of(inventory.repository, server.backup), report, threads=server.backup.threads)


def _oldest_proof(server: Server) -> timedelta:
    """How old a proof may be by the policy."""
    cron = server.schedules.verification
    return (longest_gap(cron, server.schedules.timezone) if cron else _UNSCHEDULED) + _GRACE


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
