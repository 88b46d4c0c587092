"""What `chom check` asks about the second copy: whether it can be reached, and who could delete it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import RepositoryConfig
from chom_pipelines.inventory.opening import address_of
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.store import Protection, Store
from chom_pipelines.repository.stores import open_store
from chom_pipelines.server.findings import Finding, failed, not_verified, passed, warning

OFFSITE = "offsite"
_OTHERS = 0o077
_LOCK = "give the bucket an object lock with a default retention"


def check_second_copy(config: RepositoryConfig) -> list[Finding]:
    """What concerns it; nothing where none is configured."""
    return list(_asked(config)) if config.offsite else []


def protection(store: Store) -> Finding:
    """Whether who may write there, or has stolen what may, could delete all of it."""
    try:
        found = store.protection()
    except ChomError as error:
        what = f"whether {store.where('')} keeps what is deleted cannot be asked: {error.what}"
        return not_verified(OFFSITE, what, error.remedy)
    if found is Protection.LOCKED:
        return passed(OFFSITE, f"{store.where('')} locks what is put there: nobody deletes it before its time")
    if found is Protection.VERSIONED:
        what = f"{store.where('')} keeps versions, and locks none: who may delete those can delete everything"
        return warning(OFFSITE, what, _LOCK)
    what = f"{store.where('')} keeps nothing of what is deleted: who may delete there can delete everything"
    return warning(
        OFFSITE,
        what,
        f"{_LOCK}, or versioning, and who runs chom no right to delete"
        if store.address.url.startswith("s3:")
        else "keep a copy where this machine cannot delete, as in a bucket with an object lock",
    )


def _asked(config: RepositoryConfig) -> Iterator[Finding]:
    offsite = config.offsite
    if offsite is None:
        return
    if offsite.credentials is not None:
        yield from _credentials(offsite.credentials)
    try:
        store = open_store(address_of(offsite))
        there = store.is_there()
    except ChomError as error:
        words = failed if error.outcome is Outcome.FAILED or not error.retryable else not_verified
        yield words(OFFSITE, error.what, error.remedy)
        return
    if not there:
        yield passed(OFFSITE, f"{store.where('')} is created by the first push")
        return
    yield passed(OFFSITE, f"{store.where('')} can be read")
    yield protection(store)


def _credentials(file: Path) -> Iterator[Finding]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        yield failed(OFFSITE, f"{file}: {error.strerror}", "correct repository.offsite.credentials")
        return
    if mode & _OTHERS:
        what = f"{file} may be read or written by others than its owner (mode {mode:04o})"
        yield failed(OFFSITE, what, f"chmod 600 {file}")
