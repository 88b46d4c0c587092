"""What `chom check` asks about the second copy: whether it can be reached, and who could delete it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import RepositoryConfig
from chom_pipelines.inventory.opening import second_copy_of
from chom_pipelines.log_lines import amount
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.store import Keeps, Store
from chom_pipelines.server.findings import Finding, failed, not_verified, passed, warning

OFFSITE = "offsite"
_OTHERS = 0o077


def check_second_copy(config: RepositoryConfig, days: int) -> list[Finding]:
    """What concerns it, where full backups stay for so many days; nothing where none is configured."""
    return list(_asked(config, days)) if config.offsite else []


def protection(store: Store, days: int) -> Finding:
    """Whether who may write there, or has stolen what may, could delete what is to stay for so many days."""
    where = store.where("")
    try:
        found = store.protection()
    except ChomError as error:
        what = f"whether {where} keeps what is deleted cannot be asked: {error.what}"
        return not_verified(OFFSITE, what, error.remedy)
    if found.keeps is Keeps.NOTHING:
        what = f"{where} keeps nothing of what is deleted: anyone with the right to delete there can delete everything"
        return warning(OFFSITE, what, f"{found.remedy}, and let who runs chom not delete there")
    if found.keeps is Keeps.VERSIONED:
        what = f"{where} keeps old versions, and locks none: who has the right to delete those can delete everything"
        return warning(OFFSITE, what, found.remedy)
    if found.keeps is Keeps.GOVERNED:
        what = f"{where} locks objects, and not for everyone: who has the right to lift that can delete everything"
        return warning(OFFSITE, what, found.remedy)
    if found.days < days:
        what = f"{where} locks objects for {amount(found.days, 'day')}, and full backups stay for {days}"
        return warning(OFFSITE, what, f"let the default retention of the bucket be {amount(days, 'day')}")
    return passed(
        OFFSITE, f"{where} locks what is put there for {amount(found.days, 'day')}: nobody can delete it before"
    )


def _asked(config: RepositoryConfig, days: int) -> Iterator[Finding]:
    offsite = config.offsite
    if offsite is None:
        return
    if offsite.credentials is not None:
        yield from _credentials(offsite.credentials)
    try:
        store = second_copy_of(config).store
        there = store.is_there()
    except ChomError as error:
        words = failed if error.outcome is Outcome.FAILED or not error.retryable else not_verified
        yield words(OFFSITE, error.what, error.remedy)
        return
    if not there:
        if offsite.path:
            yield passed(OFFSITE, f"{store.where('')} is created by the first push")
        else:
            remedy = "correct repository.offsite.url, or create it: deploy/s3, deploy/google and deploy/azure say how"
            yield failed(OFFSITE, f"there is no bucket or container for {store.where('')}", remedy)
        return
    yield passed(OFFSITE, f"{store.where('')} can be read")
    if offsite.url.startswith("file:") and _same_disk(config.path, Path(store.where(""))):
        what = f"{store.where('')} is on the same file system as the repository: who loses one loses both"
        yield warning(
            OFFSITE, what, "put it on another machine; where it is to be mounted, set repository.offsite.mount"
        )
    yield protection(store, days)


def _credentials(file: Path) -> Iterator[Finding]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        yield failed(OFFSITE, f"{file}: {error.strerror}", "correct repository.offsite.credentials")
        return
    if mode & _OTHERS:
        what = f"{file} may be read or written by others than its owner (mode {mode:04o})"
        yield failed(OFFSITE, what, f"chmod 600 {file}")


def _same_disk(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:  # one is not there yet
        return False
