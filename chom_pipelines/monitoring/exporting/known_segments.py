"""What was read of the segments of a server's binary log, kept for as long as their records stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from chom_pipelines.binlogs.archive.histories import usable_manifest
from chom_pipelines.errors import KeyUnavailableError, RepositoryError
from chom_pipelines.monitoring.exporting.marks import Mark, Marks
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import Manifest

LogMarks: TypeAlias = Mapping[str, Marks]
"""By the folder of a stream."""


@dataclass
class KnownSegments:
    """A stream adds one every few seconds: that is no reason to read the others again. Their manifests are small."""

    _found: dict[tuple[str, str, Mark], Manifest | RepositoryError] = field(default_factory=dict)

    def read_by(self, marks: LogMarks) -> Callable[[BackupEntry, Keyring | None], Manifest]:
        """What stands for `usable_manifest` now; the keyring is always equal. Forgets what is not marked any more."""
        there = {(stream, name, mark) for stream, found in marks.items() for name, mark in found.items()}
        self._found = {key: value for key, value in self._found.items() if key in there}

        def read(entry: BackupEntry, keyring: Keyring | None) -> Manifest:
            stream = entry.stream.name
            key = (stream, entry.id, marks.get(stream, {}).get(entry.id, ()))
            if key not in self._found:
                self._found[key] = _read(entry, keyring)
            found = self._found[key]
            if isinstance(found, RepositoryError):
                raise found
            return found

        return read


def _read(entry: BackupEntry, keyring: Keyring | None) -> Manifest | RepositoryError:
    try:
        return usable_manifest(entry, keyring)
    except KeyUnavailableError:
        raise
    except RepositoryError as error:
        return error
