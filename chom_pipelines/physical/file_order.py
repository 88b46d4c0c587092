"""What chunks say of files, in the order of the stream: that each file is whole, and nothing is there twice. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from chom_pipelines.errors import DamagedError
from chom_pipelines.physical.chunks import Extent


@dataclass
class Files:
    """The files of a stream; `add` its chunks in order."""

    _sizes: dict[str, int] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def add(self, extent: Extent) -> None:
        """Raise DamagedError where a chunk is missing before this one, is there twice, or follows its file's end."""
        path = extent.path
        if path in self._ended:
            raise DamagedError(f"{path}: something follows its end")
        size = self._sizes.setdefault(path, 0)
        if extent.ends:
            self._ended.add(path)
            return
        if extent.offset != size:
            what = "a piece is missing" if extent.offset > size else "a piece is there twice, or overlaps another"
            raise DamagedError(f"{path}: {what}: it goes on at {extent.offset}, not at {size}")
        self._sizes[path] = size + extent.length

    def is_whole(self, path: str) -> bool:
        """Whether its end has come."""
        return path in self._ended

    def refuse_unfinished(self) -> None:
        """Raise DamagedError where a file has no end, or there is none at all: the stream is cut off."""
        open_ones = sorted(self._sizes.keys() - self._ended)
        if open_ones or not self._sizes:
            what = f"{open_ones[0]} has no end" if open_ones else "there is no file in it"
            more = f", nor have {len(open_ones) - 1} more" if len(open_ones) > 1 else ""
            raise DamagedError(f"the stream is cut off: {what}{more}")

    @property
    def paths(self) -> frozenset[str]:
        """Those that were begun."""
        return frozenset(self._sizes)

    @property
    def bytes(self) -> int:
        """In all files."""
        return sum(self._sizes.values())
