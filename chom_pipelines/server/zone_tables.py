"""All of this machine's time zones, as the tables of a private server have them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from zoneinfo import TZPATH

from chom_pipelines.errors import ProgramMissingError, ScratchServerError
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.option_file import write_option_file
from chom_pipelines.server.process import harmless_environment
from chom_pipelines.server.programs import Program, client_program

_PROGRAMS = {
    Flavour.MARIADB: ("mariadb-tzinfo-to-sql", "mariadb-client"),
    Flavour.MYSQL: ("mysql_tzinfo_to_sql", "mysql-server-core"),
}


def zones_directory() -> Path:
    """Where this machine has its time zones; raises ProgramMissingError where it has none."""
    found = next((path for path in map(Path, TZPATH) if (path / "Europe").is_dir()), None)
    if found is None:
        what = f"this machine has no time zones in {os.pathsep.join(TZPATH)}, and the source knew some by their names"
        raise ProgramMissingError(what, "install the package tzdata")
    return found


def zones_program(server: Program) -> str:
    """What makes SQL of time zones, from the same installation as the server; raises ProgramMissingError."""
    name, package = _PROGRAMS[server.flavour]
    folders = (server.path.parent, *(server.path.resolve().parent.parent / each for each in ("bin", "scripts")))
    found = shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if not found:
        what = f"{server.path} comes without {name}, and the source knew time zones by their names"
        raise ProgramMissingError(what, f"install the package {package}")
    return found


def zones_sql(server: Program, zones: Path) -> bytes:
    """What puts all time zones of a directory in place of what a server of this family has.

    Raises ProgramMissingError, and ScratchServerError where the program cannot read them.
    """
    command = [zones_program(server), str(zones)]
    read = subprocess.run(command, check=False, capture_output=True, env=harmless_environment())
    if read.returncode != 0:
        what = f"{command[0]} could not read the time zones in {zones} (exit {read.returncode})"
        raise ScratchServerError(what, "see what it says when it is run there")
    return b"USE mysql;\n" + read.stdout


def load_all_zones(target: Endpoint, server: Program, private: Path) -> None:
    """Have a private server that is run by this program know this machine's zones, and no others.

    `private` is a directory of ours. Raises ProgramMissingError, ScratchServerError.
    """
    options = private / "zones.cnf"
    write_option_file(options, target, server.flavour)
    command = [str(client_program(server.flavour).path), f"--defaults-file={options}", "--batch"]
    sql = zones_sql(server, zones_directory())
    loaded = subprocess.run(command, check=False, input=sql, capture_output=True, env=harmless_environment())
    options.unlink()
    if loaded.returncode != 0:
        said = loaded.stderr.decode(errors="replace").strip()
        raise ScratchServerError(f"the private server does not take this machine's time zones: {said}")
