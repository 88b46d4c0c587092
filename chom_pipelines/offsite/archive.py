"""The archive of months: one full backup of each, proved by a restore, in the second copy, and proved there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chom_pipelines.errors import DamagedError, NothingToArchiveError, RepositoryError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of, second_copy_of
from chom_pipelines.log_lines import amount
from chom_pipelines.offsite.copies import copying_of, make_ready
from chom_pipelines.offsite.copying import Copying, copy_backup
from chom_pipelines.offsite.differences import difference
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.deletion import erase_folder
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import PINNED, Kind, month_name, parse_id
from chom_pipelines.repository.listing import last_answers, opened
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.repository import Repository


@dataclass(frozen=True)
class Archived:
    """The backup that is in the archive, and the proof of that copy; `already`: it was there before."""

    entry: BackupEntry
    proof: Proof
    already: bool


def bounds(month: str) -> tuple[datetime, datetime]:
    """The beginning of a month, as 2026-01, and of the next (UTC); raises ConfigurationError."""
    begin = datetime.strptime(month_name(month), "%Y-%m").replace(tzinfo=UTC)
    return begin, (begin + timedelta(days=32)).replace(day=1)


def refuse_running(month: str, now: datetime) -> None:
    """Raise NothingToArchiveError where a month is not over at that moment (aware): its last backup is to come."""
    if bounds(month)[1] > now:
        raise NothingToArchiveError(f"{month} is not over (UTC)", f"archive {month_before(now)}, or wait")


def month_before(moment: datetime) -> str:
    """The last month that was over at that moment (aware), as 2026-01."""
    return f"{moment.astimezone(UTC).replace(day=1) - timedelta(days=1):%Y-%m}"


def archive_month(inventory: Inventory, server: Server, month: str, report: Report) -> Archived:
    """Have the last full backup of a month that a restore proves in the archive, and read it back there.

    One that was never restored is restored now; where one fails, the one before it is taken.

    Raises NothingToArchiveError where there is none; DamagedError where the copy is not what it should be; what copying
    and verifying raise.
    """
    bounds(month)
    keyring, target = keyring_of(inventory.repository, server.backup), second_copy_of(inventory.repository)
    make_ready(target, inventory)
    there = target.archived(server.name, month).entries()
    for strange in (entry for entry in there if not _is_of(entry, month)):
        raise DamagedError(f"{strange.where} is no backup of {month}", "find out who has put it there, and remove it")
    if there:
        return Archived(there[-1], _proved_there(there[-1], keyring, report), already=True)
    reasons: list[str] = []
    for repository in _sources(inventory, target):
        for entry in _of_month(repository, server.name, month):
            reason = _why_not(entry, keyring, report, server.backup.threads)
            if reason:
                reasons.append(f"{entry.id}: {reason}")
                continue
            try:
                _copy(repository, target, entry, month, copying_of(inventory, server))
            except DamagedError as error:  # since it was restored
                reasons.append(f"{entry.id}: {error.what}")
                continue
            copy = BackupEntry(server.name, target.archived(server.name, month).folder, entry.id)
            return Archived(copy, _proved_there(copy, keyring, report), already=False)
    tried = f": {'; '.join(dict.fromkeys(reasons))}" if reasons else ""
    what = f"no full backup of {server.name} of {month} can be archived{tried}"
    raise NothingToArchiveError(what, "`chom verify ID --level full` says more of each; `chom backups` lists them")


def due_months(repository: Repository, server: Server, keyring: Keyring | None) -> list[str]:
    """The months beyond the newest `monthly_archives`, oldest first.

    Only months count whose backup was proved there, and is of that month: who plants or spoils one has nothing deleted.
    Raises RepositoryError.
    """
    keep = server.retention.monthly_archives
    sound = [month for month in repository.months(server.name) if _is_sound(repository, server.name, month, keyring)]
    return sound[:-keep] if keep else []


def _is_sound(repository: Repository, server: str, month: str, keyring: Keyring | None) -> bool:
    found = [entry for entry in repository.archived(server, month).entries() if _is_of(entry, month)]
    return any(opened(entry, keyring).outcome is Outcome.PASSED for entry in found)


def _is_of(entry: BackupEntry, month: str) -> bool:
    begin, end = bounds(month)
    return entry.time is not None and begin <= entry.time < end


def delete_month(repository: Repository, server: str, month: str) -> None:
    """Delete what is archived of a month; raises RepositoryError, as where it is pinned."""
    stream = repository.archived(server, month)
    for entry in stream.entries():
        stream.remove(entry)


def _sources(inventory: Inventory, target: Repository) -> Iterator[Repository]:
    """The repository, and for months that its retention has deleted, the second copy."""
    try:
        yield existing_repository(inventory.repository)
    except RepositoryError:  # it is lost, which is what the second copy is for
        yield target
        return
    yield target


def _of_month(repository: Repository, server: str, month: str) -> list[BackupEntry]:
    """Its full backups, newest first."""
    entries = [entry for entry in repository.backups(server) if _is_of(entry, month)]
    return [entry for entry in reversed(entries) if (identity := parse_id(entry.id)) and identity.kind is Kind.FULL]


def _why_not(entry: BackupEntry, keyring: Keyring | None, report: Report, threads: int) -> str:
    """Why it is not archived; "" where a restore has proved it, if need be now."""
    known = opened(entry, keyring)
    if known.outcome is Outcome.FAILED or known.problem:
        return known.reason
    full = last_answers(known.proofs).get(Level.FULL)
    if full is None or full.outcome is not Outcome.PASSED:
        full = verify(entry, Level.FULL, keyring, report, threads=threads)
    return "" if full.outcome is Outcome.PASSED else full.reason


def _copy(source: Repository, target: Repository, entry: BackupEntry, month: str, copying: Copying) -> None:
    stream = target.archived(entry.server, month)
    found = difference(source.stream(entry.server), stream)
    lacking = next((each for each in found.lacking if each.entry.id == entry.id), None)
    if lacking is None:
        raise DamagedError(f"{entry.where} is not there any more")
    # it goes by the number of months alone: no pin follows it there
    lacking = replace(lacking, names=tuple(name for name in lacking.names if name != PINNED))
    with stream.receiving():
        try:
            copy_backup(lacking, stream, copying)
        except DamagedError:
            erase_folder(stream.folder / entry.id)
            raise


def _proved_there(entry: BackupEntry, keyring: Keyring | None, report: Report) -> Proof:
    """Read all of it back from there; raises DamagedError where it is not what it was."""
    proof = verify(entry, Level.BASIC, keyring, report)
    if proof.outcome is not Outcome.PASSED:
        failures = f" ({amount(len(proof.failures), 'failure')})" if proof.failures else ""
        raise DamagedError(f"{entry.where}: {proof.outcome.words}: {proof.reason}{failures}", "remove it there")
    return proof
