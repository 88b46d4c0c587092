"""Locks of stores that have none which a killed holder does not keep: this machine's, in this user's cache."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from chom_pipelines.cache import cache_directory
from chom_pipelines.repository.file_locks import file_lock
from chom_pipelines.repository.store import Store


def machine_lock(
    store: Store, name: str, purpose: str, *, shared: bool, patience: float
) -> AbstractContextManager[None]:
    """As `Store.lock`: a lock of the kernel on a file."""
    identity = hashlib.sha256(f"{store.address.endpoint_url or ''} {store.where('')}".encode()).hexdigest()[:32]
    path = cache_directory().absolute() / "locks" / identity / name
    file, where = path.with_name(f".{path.name}.lock"), store.where(name.rpartition("/")[0])
    return file_lock(file, Path(path.anchor), where, purpose, shared=shared, patience=patience)
