"""The Unix sockets by which a process of this machine may reach a server, under every path that leads to them."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = Path("/proc")
_PLACES = (Path("/run"), Path("/tmp"), Path("/var/lib/mysql"))  # noqa: S108  (looked through, for others' sockets)
_DEPTH = 2
_ESCAPED = re.compile(r"\\([0-7]{3})")
_FIELDS = 5


@dataclass(frozen=True)
class _Mount:
    """That `root` of a device is at `point`."""

    device: str
    root: str
    point: str


def sockets_here(known: str | None) -> set[str]:
    """Of all processes that can be seen, in containers as well, of some directories, and the one that is known."""
    mounts = _mounts("self")
    found = {*_found(), *([known] if known else [])}
    found |= {each for path in found for each in _outside(*_inside(path, mounts), mounts)}
    for process in _networks():
        theirs = _mounts(process)
        for path in _listening(process):
            found |= {each for each in _outside(*_inside(path, theirs), mounts) if os.path.lexists(each)}
            found |= {path} if process == "self" else set()
    return found


def _networks() -> Iterator[str]:
    """A process of each namespace of networks; abstract sockets go with the network."""
    seen = set()
    for process in ("self", *(each.name for each in _PROCESSES.iterdir() if each.name.isdigit())):
        with suppress(OSError):  # it has ended, or is another user's
            spaces = tuple((_PROCESSES / process / "ns" / each).readlink() for each in ("net", "mnt"))
            if spaces not in seen:
                seen.add(spaces)
                yield process


def _listening(process: str) -> Iterator[str]:
    try:
        text = (_PROCESSES / process / "net" / "unix").read_text(errors="surrogateescape")
    except OSError:
        return
    for line in text.split("\n")[1:]:
        parts = line.split(maxsplit=7)  # what is no such line is the end of a path with a line break in it
        if len(parts) > 7 and parts[7].startswith("/"):  # noqa: PLR2004
            yield parts[7]


def _mounts(process: str) -> list[_Mount]:
    try:
        text = (_PROCESSES / process / "mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return []
    fields = (line.split() for line in text.splitlines())
    return [_Mount(each[2], _plain(each[3]), _plain(each[4])) for each in fields if len(each) > _FIELDS]


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def _inside(path: str, mounts: Sequence[_Mount]) -> tuple[str, str]:
    """The device of a path, and what it is called there; "" where no mount has it."""
    holding = [each for each in mounts if _is_below(path, each.point)]
    if not holding:
        return "", ""
    mount = max(reversed(holding), key=lambda each: len(each.point))
    return mount.device, posixpath.normpath(posixpath.join(mount.root, posixpath.relpath(path, mount.point)))


def _outside(device: str, inner: str, mounts: Sequence[_Mount]) -> Iterator[str]:
    """Every path that leads to it: a directory may be mounted in several places."""
    for mount in mounts:
        if mount.device == device and _is_below(inner, mount.root):
            yield posixpath.normpath(posixpath.join(mount.point, posixpath.relpath(inner, mount.root)))


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _found() -> Iterator[str]:
    """What processes that cannot be seen have left in the usual places."""
    for place in _PLACES:
        yield from _below(place, _DEPTH)


def _below(place: Path, depth: int) -> Iterator[str]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISSOCK(mode):
                    yield entry.path
                elif stat.S_ISDIR(mode) and depth:
                    yield from _below(Path(entry.path), depth - 1)
    except OSError:
        return  # what this user cannot look into, its migrations cannot either
