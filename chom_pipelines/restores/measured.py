"""What was measured of restores of a server: read from the repository, and kept there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from chom_pipelines.errors import RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.drill import drills_of
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.restored import RestoreRecord, keep_restore, restores_of
from chom_pipelines.repository.timing import Into, Timing, Way
from chom_pipelines.restores.predicting import Origin, Rate, predicted
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.machine import cpu_and_cores, file_system, is_in_memory, machine


def way_here(
    manifest: Manifest, into: Into, where: Path | Endpoint, threads: int = 0, *, method: Method | None = None
) -> Way:
    """How this machine restores a backup, or by another `method` what is in it; `threads` 0 are one per core."""
    processor, cores = cpu_and_cores()
    return Way(
        flavour=manifest.source.flavour,
        method=method or manifest.method,
        into=into,
        on=where.where if isinstance(where, Endpoint) else medium(where),
        machine=machine(processor, cores),
        threads=threads or cores,
    )


def medium(directory: Path) -> str:
    """What a directory is on, as ways name it."""
    found = file_system(directory)
    return "memory" if is_in_memory(found) else found


def checked(timing: Timing, rates: Collection[Rate], backup: str) -> Timing:
    """The same, with what `rates` from before it had predicted."""
    return timing.model_copy(update={"predicted": predicted(timing.way, timing.amounts, rates, backup)})


def own_rates(repository: Repository, server: str, keyring: Keyring | None) -> tuple[Rate, ...]:
    """All that is kept beside a server's backups. Raises RepositoryError where they cannot be listed."""
    return rates_of(opened_all(repository.backups(server), keyring), keyring)


def rates_of(found: Iterable[OpenedEntry], keyring: Keyring | None) -> tuple[Rate, ...]:
    """The same of backups that are open already; what cannot be believed is left out."""
    return tuple(rate for one in found if not one.problem for rate in _rates(one, keyring))


def keep_measured(entry: BackupEntry, keyring: Keyring | None, started: datetime, timings: Iterable[Timing]) -> str:
    """Keep how long a restore took; why that was not possible, where it was not: the restore is none the worse."""
    try:
        for timing in timings:
            record = RestoreRecord(server=entry.server, backup=entry.id, started=started, restored=timing)
            keep_restore(entry, record, keyring)
    except RepositoryError as error:
        return f"how long it took is not recorded, and predicts no other restore: {error.what}"
    return ""


def _rates(one: OpenedEntry, keyring: Keyring | None) -> Iterator[Rate]:
    for proof in (record.proof for record in one.proofs if record.proof):
        if proof.restored and proof.outcome is Outcome.PASSED and proof.backup == one.entry.id:
            yield Rate(proof.restored, Origin.VERIFICATION, proof.started, one.entry.id)
    with suppress(RepositoryError):
        for drill in drills_of(one.entry, keyring):
            if drill.restored:
                yield Rate(drill.restored, Origin.DRILL, drill.started, one.entry.id)
    with suppress(RepositoryError):
        for each in restores_of(one.entry, keyring):
            yield Rate(each.restored, Origin.RESTORE, each.started, one.entry.id)
