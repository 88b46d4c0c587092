"""A command that reaches the copy and nothing else: no network, and no Unix socket of this machine but the copy's.

It is no prison: it keeps code that means no harm from production, where that code opens a connection by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from chom_pipelines.errors import MigrationCheckError, ProgramMissingError
from chom_pipelines.migrations.sockets_here import sockets_here

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
    hidden = sorted(sockets_here(production) - {copy})
    return [*spaces, "--", "sh", "-c", _HIDE, "sh", *hidden, "--", *command]


def _tried(spaces: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [*spaces, "--", "mount", "--bind", "/dev/null", "/dev/null"]
    return subprocess.run(command, capture_output=True, text=True, check=False)
