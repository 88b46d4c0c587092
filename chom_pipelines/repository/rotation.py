"""Wrapping data keys by another master key: backups are not touched, and can be read at every moment.

A manifest is replaced by the same one with its key wrapped anew, and so is a stream's key. Each is there whole before
and afterwards, and the key file has both master keys: cut off anywhere, it is gone on with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chom_pipelines.errors import RepositoryError, StoreUnreachableError
from chom_pipelines.repository.data_keys import (
    StreamKey,
    parsed_key,
    read_stream_key,
    replace_stream_key,
    stream_keys,
)
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.manifest import peek, rewrapped
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import Stream


@dataclass
class Rotated:
    """What came of it: how many were wrapped anew, how many had the active key, and what could not be, and why."""

    rewrapped: int = 0
    already: int = 0
    failures: dict[str, RepositoryError] = field(default_factory=dict)


def rotate(repository: Repository, keyring: Keyring) -> Rotated:
    """Wrap every data key of a repository, of whichever server, by the active master key.

    What cannot be opened is in the answer, and all else is done. Raises RepositoryError where nothing can be listed.
    """
    found = Rotated()
    for stream in _streams(repository):
        with stream.reading("rotation of keys"):  # what is being deleted does not come back half
            for key in stream_keys(stream.folder):
                _count(found, stream.folder.where(key.stream_key), lambda: _rewrap_stream_key(stream, key, keyring))  # noqa: B023  (called at once)
            for entry in stream.entries():
                _count(found, entry.where, lambda: _rewrap_manifest(entry, keyring))  # noqa: B023  (called at once)
    return found


def needed_keys(repository: Repository) -> dict[str, int]:
    """The master keys by which something of a repository is wrapped, and how many data keys each wraps.

    Nothing is authenticated. Raises RepositoryError.
    """
    found: Counter[str] = Counter()
    for stream in _streams(repository):
        found.update(read_stream_key(stream.folder, key).key_name for key in stream_keys(stream.folder))
        for entry in stream.entries():
            key = parsed_key(entry.peek().get("key"), entry.where)
            if isinstance(key, WrappedKey):
                found[key.key_name] += 1
    return dict(found)


def _streams(repository: Repository) -> Iterator[Stream]:
    for server in repository.servers():
        yield repository.stream(server)
        yield from (repository.archived(server, month) for month in repository.months(server))
        for history in repository.histories(server):
            yield repository.binlogs(server, history)
            yield repository.streamed(server, history)


def _count(found: Rotated, where: str, rewrap: Callable[[], bool | None]) -> None:
    try:
        done = rewrap()
        found.rewrapped += done is True
        found.already += done is False
    except StoreUnreachableError:
        raise
    except RepositoryError as error:
        found.failures[where] = error


def _rewrap_manifest(entry: BackupEntry, keyring: Keyring) -> bool | None:
    """Whether it was wrapped anew; None: it wraps no key of its own."""
    data = entry.folder.read(MANIFEST)
    key = parsed_key(peek(data, entry.where).get("key"), entry.where)
    if not isinstance(key, WrappedKey):
        return None
    data_key = keyring.unwrap(key)  # of the active name, too: it may be another key of that name
    if key.key_name == keyring.active:
        return False
    entry.folder.replace(MANIFEST, rewrapped(data, data_key.mac, entry.where, keyring.wrap(data_key)))
    return True


def _rewrap_stream_key(stream: Stream, key: StreamKey, keyring: Keyring) -> bool:
    wrapped = read_stream_key(stream.folder, key)
    data_key = keyring.unwrap(wrapped)
    if wrapped.key_name == keyring.active:
        return False
    replace_stream_key(stream.folder, key, keyring.wrap(data_key))
    return True
