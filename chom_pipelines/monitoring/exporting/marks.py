"""Whether anything of a repository's records has changed, told by its directories, without reading them.

Records are put under new names, or replaced by renaming: either way the directory's time changes. What rots in place is
found by who reads everything anew from time to time. Clocks of file systems tick some times a second: what has changed
just now may change again without a trace, so that such a mark is like no other.
"""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

from chom_pipelines.repository.files import reported
from chom_pipelines.repository.layout import INCOMPLETE, MANIFEST
from chom_pipelines.repository.store import Folder

Mark: TypeAlias = tuple[tuple[str, int, int, int], ...]
Marks: TypeAlias = Mapping[str, Mark]
"""Of each backup in a stream, by its id."""

_JUST_NOW_NS = 2_500_000_000
_numbers = itertools.count(1)
_DRAFT: Mark = (("", 0, 0, 0),)
"""Of what is still being taken, and changes all the time: nothing lists it."""


def marks_of(stream: Folder) -> Marks:
    """Of all that is in a stream of a local repository, sorted; raises RepositoryError where that cannot be listed."""
    return {
        name: mark_of(stream / name) for name, status in _entries(Path(stream.where())) if stat.S_ISDIR(status.st_mode)
    }


def mark_of(folder: Folder) -> Mark:
    """Of one folder and what is directly in it: names, times, sizes, inodes. Raises RepositoryError."""
    found = _entries(Path(folder.where()))
    names = {name for name, _ in found}
    if INCOMPLETE in names and MANIFEST not in names:
        return _DRAFT
    mark = tuple((name, status.st_mtime_ns, status.st_size, status.st_ino) for name, status in found)
    if time.time_ns() - max((each.st_mtime_ns for _, each in found), default=0) < _JUST_NOW_NS:
        return (*mark, ("", next(_numbers), 0, 0))
    return mark


def _entries(path: Path) -> list[tuple[str, os.stat_result]]:
    """By name, links as they are; hidden ones, as locks, are the store's own."""
    found = []
    with reported(path):
        try:
            listed = [entry for entry in os.scandir(path) if entry.name[0] != "."]
        except (FileNotFoundError, NotADirectoryError):
            return []
        for entry in listed:
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append((entry.name, entry.stat(follow_symlinks=False)))
    return sorted(found, key=itemgetter(0))
