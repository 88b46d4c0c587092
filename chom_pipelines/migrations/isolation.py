"""A command that reaches the copy and nothing else: no network, and no Unix socket of this machine but the copy's.

It is no prison: it keeps code that means no harm from production, where that code opens a connection by itself.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from chom_pipelines.errors import MigrationCheckError

_SOCKETS = Path("/proc/net/unix")
_PLACES = (Path("/run"), Path("/tmp"), Path("/var/lib/mysql"))  # noqa: S108  (looked through, for others' sockets)
_DEPTH = 2
# each is hidden by a device that nobody can connect to; what follows `--` is run then
# (one may end meanwhile, and a mount may be interrupted: it is tried again as long as the socket is there)
_HIDE = """
while [ "$1" != -- ]; do
    left=20
    while [ -S "$1" ] && ! mount --bind /dev/null "$1" 2>/dev/null; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "$1 could not be hidden" >&2; exit 97; }
    done
    shift
done
shift
exec "$@"
"""


def cut_off(command: Sequence[str], copy: str, production: str | None) -> list[str]:
    """The command as it is to be run: with the copy's socket, and without `production`'s and all others that are found.

    Raises MigrationCheckError where this machine does not allow that: production could be reached then.
    """
    # as root a namespace of users would only take away the right to read the application's files
    spaces = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--net", "--"]
    tried = subprocess.run(
        [*spaces, "mount", "--bind", "/dev/null", "/dev/null"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        what = f"migrations cannot be cut off from production here: {tried.stderr.strip() or 'unshare failed'}"
        remedy = "allow namespaces to this user (in a container: CAP_SYS_ADMIN), or run the check elsewhere"
        raise MigrationCheckError(what, remedy)
    hidden = sorted({*_listening(), *_found(), *([production] if production else [])} - {copy})
    return [*spaces, "sh", "-c", _HIDE, "sh", *hidden, "--", *command]


def _listening() -> Iterator[str]:
    """Of this machine's processes; abstract ones go with the network."""
    for line in _SOCKETS.read_text(errors="surrogateescape").splitlines()[1:]:
        path = line.split(maxsplit=7)[7] if line.count("/") else ""
        if path.startswith("/"):
            yield path


def _found() -> Iterator[str]:
    """Of others, such as of a container that shares a directory with this one."""
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
