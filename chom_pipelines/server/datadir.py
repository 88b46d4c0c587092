"""Empty data directories for private servers.

One is initialised per version and kept in the cache, and another one that knows time zones by their names; a server
gets a copy, which takes a tenth of a second where MySQL's own initialisation takes three. `root@localhost` has no
password: such servers are reached by a socket in a private directory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chom_pipelines.cache import cache_directory
from chom_pipelines.errors import ProgramMissingError, ScratchServerError
from chom_pipelines.server.directories import claimed_directory
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.process import harmless_environment, supervised
from chom_pipelines.server.programs import Program
from chom_pipelines.server.time_zones import zones_directory, zones_program

_TAIL_LINES = 15
# what cannot be changed once a data directory exists
_BIRTH = ("--lower-case-table-names=", "--innodb-page-size=")
_AT_BIRTH = {Flavour.MARIADB: "--extra-file", Flavour.MYSQL: "--init-file"}
"""Names SQL that is executed when the server has initialised the directory."""
_SOCKET_ONLY = {
    # MariaDB's makes accounts of root for TCP too, without a password
    Flavour.MARIADB: b"USE mysql;\nDELETE FROM global_priv WHERE User = 'root' AND Host <> 'localhost';\n",
    Flavour.MYSQL: b"USE mysql;\n",
}
_INITIALISE_SECONDS = 300


def create_datadir(program: Program, options: Sequence[str], target: Path, *, named_zones: bool = False) -> None:
    """Make `target`, an empty data directory for a server that will be started with `options`.

    With `named_zones` it has all time zones of this machine. Raises ScratchServerError where the server's own
    initialisation fails, ProgramMissingError where its program for time zones, or the zones, are not there.
    """
    birth = [option for option in options if option.startswith(_BIRTH)]
    zones = zones_directory() if named_zones else None
    edition = [f"zones={zones.stat().st_mtime_ns}"] if zones else []  # an update replaces the files in it
    name = "-".join([program.flavour.value, ".".join(map(str, program.version)), "by-socket", *birth, *edition])
    template = cache_directory() / "datadir" / name
    if not template.is_dir():
        template.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with claimed_directory(template.parent) as claim:
            made = claim.path / "data"
            _initialise(program, birth, made, claim.path, zones)
            if not template.is_dir():
                _publish(made, template)
    shutil.copytree(template, target)


def run_as() -> list[str]:
    """Servers refuse to run as root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


def tail(log: Path) -> str:
    """The last lines of a server's log, for a message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


def _publish(made: Path, template: Path) -> None:
    (made / "auto.cnf").unlink(missing_ok=True)  # MySQL's server_uuid: each copy gets its own
    try:
        made.rename(template)
    except OSError:
        if not template.is_dir():  # else another run was quicker
            raise


def _initialise(program: Program, birth: Sequence[str], data: Path, private: Path, zones: Path | None) -> None:
    log = private / "log"
    at_birth = private / "at-birth.sql"
    at_birth.write_bytes(_SOCKET_ONLY[program.flavour] + (_zones(program, zones) if zones else b""))
    birth = [*birth, f"{_AT_BIRTH[program.flavour]}={at_birth}"]
    if program.flavour is Flavour.MARIADB:
        command = [
            *(_installer(program), "--no-defaults", *run_as(), f"--basedir={program.path.resolve().parent.parent}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"),
            *("--innodb-log-file-size=8M", f"--datadir={data}", *birth),
        ]
    else:
        command = [
            *(str(program.path), "--no-defaults", *run_as(), "--initialize-insecure"),
            *("--loose-innodb-redo-log-capacity=8M", f"--datadir={data}", *birth),
        ]
    with supervised(command, log=log, environment=harmless_environment()) as process:
        code = process.wait(_INITIALISE_SECONDS)
    if code != 0:
        what = f"{program.path} could not make an empty data directory in {data} (exit {code}):\n{tail(log)}"
        raise ScratchServerError(what, "see the end of its log above")


def _zones(program: Program, zones: Path) -> bytes:
    """All time zones of this machine as SQL of the server's family."""
    command = [zones_program(program), str(zones)]
    read = subprocess.run(command, check=False, capture_output=True, env=harmless_environment())
    if read.returncode != 0:
        what = f"{command[0]} could not read the time zones in {zones} (exit {read.returncode})"
        raise ScratchServerError(what, "see what it says when it is run there")
    return read.stdout


def _installer(program: Program) -> str:
    """MariaDB's script, from the same installation as the server."""
    top = program.path.resolve().parent.parent
    found = shutil.which("mariadb-install-db", path=os.pathsep.join(str(top / name) for name in ("bin", "scripts")))
    if not found:
        what = f"{program.path} comes without mariadb-install-db"
        raise ProgramMissingError(what, "install the package mariadb-server-core")
    return found
