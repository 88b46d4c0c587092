"""Empty data directories for private servers.

One is initialised per version and kept in the cache, and another one that knows time zones by their names; a server
gets a copy, which takes a tenth of a second where MySQL's own initialisation takes three. MariaDB's may have a redo log
of the size that it will be started with: it would make another one, and write all of it. In ours what is zero is a
hole, so that the copy has none of it. `root@localhost` has no password: such servers are reached by a socket in a
private directory.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from chom_pipelines.cache import cache_directory
from chom_pipelines.errors import ProgramMissingError, ScratchServerError
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.process import harmless_environment, supervised
from chom_pipelines.server.programs import Program
from chom_pipelines.server.versions import dotted
from chom_pipelines.server.zone_tables import zones_directory, zones_sql

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
REDO = {Flavour.MARIADB: "--innodb-log-file-size", Flavour.MYSQL: "--loose-innodb-redo-log-capacity"}
"""Names the bytes of the redo log."""
_SMALL_REDO = 8 << 20
_REDO_LOG = "ib_logfile0"
"""Of MariaDB, since 10.5 the only one."""
_BLOCK = 1 << 16


def create_datadir(
    program: Program, options: Sequence[str], target: Path, *, named_zones: bool = False, redo: int | None = None
) -> None:
    """Make `target`, an empty data directory for a server that will be started with `options`.

    With `named_zones` it has all time zones of this machine. With `redo` a MariaDB's has a redo log of so many bytes,
    which takes no room until it is written: for a server that may die where there is none. Raises ScratchServerError
    where the server's own initialisation fails, ProgramMissingError where its program for time zones, or the zones, are
    not there.
    """
    birth = [option for option in options if option.startswith(_BIRTH)]
    zones = zones_directory() if named_zones else None
    edition = [f"zones={zones.stat().st_mtime_ns}"] if zones else []  # an update replaces the files in it
    edition += [f"redo={redo}"] if redo else []
    name = "-".join([program.flavour.value, dotted(program.version), "by-socket", *birth, *edition])
    template = cache_directory() / "datadir" / name
    if not template.is_dir():
        template.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with claimed_directory(template.parent) as claim:
            made = claim.path / "data"
            size = f"{REDO[program.flavour]}={redo or _SMALL_REDO}"
            _initialise(program, [*birth, size], made, claim.path, zones)
            if redo:
                _dig_holes(made / _REDO_LOG)
            if not template.is_dir():
                _publish(made, template)
    shutil.copytree(template, target, copy_function=_copied_with_holes if redo else shutil.copy2)


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


def _dig_holes(file: Path) -> None:
    """Have what is zero in it take no room."""
    dug = file.with_name("dug")
    with file.open("rb") as whole, dug.open("wb") as sparse:
        while block := whole.read(_BLOCK):
            if block.strip(b"\0"):
                sparse.write(block)
            else:
                sparse.seek(len(block), os.SEEK_CUR)
        sparse.truncate()
    shutil.copystat(file, dug)
    dug.replace(file)


def _copied_with_holes(source: str, target: str) -> str:
    with Path(source).open("rb", buffering=0) as whole, Path(target).open("wb", buffering=0) as sparse:
        sparse.truncate(os.fstat(whole.fileno()).st_size)
        at = _next_data(whole.fileno(), 0)
        while at is not None:
            end = os.lseek(whole.fileno(), at, os.SEEK_HOLE)
            sparse.seek(at)
            while at < end:
                at += os.sendfile(sparse.fileno(), whole.fileno(), at, end - at)
            at = _next_data(whole.fileno(), at)
    shutil.copystat(source, target)
    return target


def _next_data(descriptor: int, at: int) -> int | None:
    """Where there is something next; None: nothing is."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _initialise(program: Program, birth: Sequence[str], data: Path, private: Path, zones: Path | None) -> None:
    log = private / "log"
    temporary = private / "tmp"
    temporary.mkdir()
    at_birth = private / "at-birth.sql"
    at_birth.write_bytes(_SOCKET_ONLY[program.flavour] + (zones_sql(program, zones) if zones else b""))
    birth = [*birth, f"{_AT_BIRTH[program.flavour]}={at_birth}"]
    if program.flavour is Flavour.MARIADB:
        command = [
            *(_installer(program), "--no-defaults", *run_as(), f"--basedir={program.path.resolve().parent.parent}"),
            # as for a package, which leaves the owners of the installation's own files as they are
            *("--rpm", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"),
            *(f"--datadir={data}", *birth),
        ]
    else:
        command = [
            *(str(program.path), "--no-defaults", *run_as(), "--initialize-insecure"),
            *(f"--datadir={data}", *birth),
        ]
    # a MariaDB that starts removes every temporary table in its tmpdir, those of other servers too
    environment = {**harmless_environment(), "TMPDIR": str(temporary)}
    with supervised(command, log=log, environment=environment) as process:
        code = process.wait(_INITIALISE_SECONDS)
    if code != 0:
        what = f"{program.path} could not make an empty data directory in {data} (exit {code}):\n{_complaint(log)}"
        raise ScratchServerError(what, "see its log above")


def _complaint(log: Path) -> str:
    """What went wrong, which MariaDB's script says before twenty lines of advice, and the end of it all."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines[:-_TAIL_LINES] if "ERROR" in line]
    return "\n".join([*errors[:_TAIL_LINES], *lines[-_TAIL_LINES:]])


def _installer(program: Program) -> str:
    """MariaDB's script, from the same installation as the server."""
    top = program.path.resolve().parent.parent
    found = shutil.which("mariadb-install-db", path=os.pathsep.join(str(top / name) for name in ("bin", "scripts")))
    if not found:
        what = f"{program.path} comes without mariadb-install-db"
        raise ProgramMissingError(what, "install the package mariadb-server-core")
    return found
