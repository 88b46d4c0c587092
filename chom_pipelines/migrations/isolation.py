"""A command that reaches the copy and nothing else: no network, and no Unix socket of this machine but the copy's.

It is no prison: it keeps code that means no harm from production, where that code opens a connection by itself.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from chom_pipelines.errors import MigrationCheckError, ProgramMissingError

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

    Raises ProgramMissingError, and MigrationCheckError where this machine does not allow that: production could be
    reached then.
    """
    program = shutil.which("unshare")
    if program is None:
        raise ProgramMissingError("unshare is not installed, which cuts migrations off", "apt-get install util-linux")
    # as root a namespace of users would only take away the right to read the application's files
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    # with the command ends what it has left running: a namespace of processes ends with its first
    spaces = [program, *user, "--mount", "--net", "--pid", "--fork", "--kill-child"]
    tried = _tried([*spaces, "--mount-proc"])  # which a container may not allow
    spaces += ["--mount-proc"] if tried.returncode == 0 else []
    tried = tried if tried.returncode == 0 else _tried(spaces)
    if tried.returncode:
        what = f"migrations cannot be cut off from production here: {tried.stderr.strip() or 'unshare failed'}"
        remedy = "allow namespaces to this user (in a container: CAP_SYS_ADMIN), or run the check elsewhere"
        raise MigrationCheckError(what, remedy)
    hidden = sorted({*_listening(), *_found(), *([production] if production else [])} - {copy})
    return [*spaces, "--", "sh", "-c", _HIDE, "sh", *hidden, "--", *command]


def _tried(spaces: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [*spaces, "--", "mount", "--bind", "/dev/null", "/dev/null"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _listening() -> Iterator[str]:
    """Of this machine's processes; abstract ones go with the network."""
    for line in _SOCKETS.read_text(errors="surrogateescape").split("\n")[1:]:
        parts = line.split(maxsplit=7)  # what is no such line is the end of a path with a line break in it
        if len(parts) > 7 and parts[7].startswith("/"):  # noqa: PLR2004
            yield parts[7]


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
