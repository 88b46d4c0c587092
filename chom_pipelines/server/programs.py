"""Which server and client programs this machine has, and of which family and version they really are.

A name proves nothing: distributions link `mysqld` to MariaDB. Every candidate is asked for its version.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.cache import cache_directory
from chom_pipelines.errors import ProgramMissingError
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.process import harmless_environment
from chom_pipelines.server.versions import Version, parse_version

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")  # PATH often lacks the sbin ones
_ANSWER_SECONDS = 30
_OLDEST_MYSQL: Version = (5, 0, 0)
# "mysqld  Ver 9.7.4-2 for…", "mariadb  Ver 15.1 Distrib 10.11.19-MariaDB, for…", "mariadb from 11.8.2-MariaDB, client"
# on stderr "mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu…"
_VERSION = re.compile(r"\b(?:Ver \S+ Distrib (?P<distribution>\d+\.\S+)|(?:Ver|from|MariaDB server) (?P<own>\d+\.\S+))")


@dataclass(frozen=True)
class ProgramKind:
    """What is looked for: names in order of preference, the variable that overrides, the package that has it."""

    names: tuple[str, ...]
    variable: str
    package: str


SERVERS = {
    Flavour.MARIADB: ProgramKind(("mariadbd", "mysqld"), "CHOM_MARIADBD", "mariadb-server-core"),
    Flavour.MYSQL: ProgramKind(("mysqld",), "CHOM_MYSQLD", "mysql-server-core"),
}
CLIENTS = {
    Flavour.MARIADB: ProgramKind(("mariadb", "mysql"), "CHOM_MARIADB", "mariadb-client-core"),
    Flavour.MYSQL: ProgramKind(("mysql",), "CHOM_MYSQL", "mysql-client-core"),
}
BINLOG_CLIENTS = {
    Flavour.MARIADB: ProgramKind(("mariadb-binlog", "mysqlbinlog"), "CHOM_MARIADB_BINLOG", "mariadb-client"),
    Flavour.MYSQL: ProgramKind(("mysqlbinlog",), "CHOM_MYSQLBINLOG", "mysql-client-core"),
}
DUMP_PROGRAMS = {
    Flavour.MARIADB: ProgramKind(("mariadb-dump", "mysqldump"), "CHOM_MARIADB_DUMP", "mariadb-client"),
    Flavour.MYSQL: ProgramKind(("mysqldump",), "CHOM_MYSQLDUMP", "mysql-client-core"),
}
BACKUP_PROGRAMS = {
    Flavour.MARIADB: ProgramKind(("mariadb-backup", "mariabackup"), "CHOM_MARIADB_BACKUP", "mariadb-backup"),
}


@dataclass(frozen=True)
class Program:
    """A program that answered `--version`."""

    flavour: Flavour
    version: Version
    path: Path


_known: dict[tuple[Path, int, int, int, int], Program] = {}
"""By path, device, inode, bytes and time of change."""


def server_program(flavour: Flavour) -> Program:
    """The `mariadbd` or `mysqld` of this machine.

    Raises ProgramMissingError where there is none of that family.
    """
    return _found(flavour, SERVERS[flavour])


def client_program(flavour: Flavour) -> Program:
    """The command-line client, `mariadb` or `mysql`.

    Raises ProgramMissingError where there is none of that family.
    """
    return _found(flavour, CLIENTS[flavour])


def binlog_program(flavour: Flavour) -> Program:
    """What reads binary logs, `mariadb-binlog` or `mysqlbinlog`.

    Raises ProgramMissingError where there is none of that family.
    """
    return _found(flavour, BINLOG_CLIENTS[flavour])


def dump_program(flavour: Flavour) -> Program:
    """What dumps databases as SQL, `mariadb-dump` or `mysqldump`: the stock way, which benchmarks measure against.

    Raises ProgramMissingError where there is none of that family.
    """
    return _found(flavour, DUMP_PROGRAMS[flavour])


def backup_program() -> Program:
    """What reads MariaDB's data files while the server writes them, and prepares them afterwards: `mariadb-backup`.

    Raises ProgramMissingError where there is none.
    """
    return _found(Flavour.MARIADB, BACKUP_PROGRAMS[Flavour.MARIADB])


def page_checker(flavour: Flavour) -> Path | None:
    """The family's `innochecksum`, which comes with its server; None where there is none."""
    folder = server_program(flavour).path.resolve().parent.parent
    found = shutil.which("innochecksum", path=os.pathsep.join(str(folder / name) for name in ("bin", "sbin")))
    return Path(found) if found else None


def _found(flavour: Flavour, kind: ProgramKind) -> Program:
    remedy = f"install the package {kind.package}, or name the program in {kind.variable}"
    if flavour is Flavour.MYSQL:
        remedy += " (`make mysql` in this project's source unpacks MySQL beside the system)"
    named = os.environ.get(kind.variable)
    if named:
        program = _asked(Path(named))
        if program is None or program.flavour is not flavour:
            what = f"{kind.variable}: {named} is no {flavour.value} program"
            raise ProgramMissingError(what, f"{remedy}, or unset {kind.variable}")
        return program
    for path in _candidates(kind.names):
        program = _asked(path)
        if program and program.flavour is flavour:
            return program
    raise ProgramMissingError(f"no {flavour.value} program {' or '.join(kind.names)} on this machine", remedy)


def _candidates(names: tuple[str, ...]) -> Iterator[Path]:
    folders = os.pathsep.join(
        [os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS, str(cache_directory() / "mysql" / "bin")],
    )
    seen = set()
    for name in names:
        for folder in folders.split(os.pathsep):
            found = shutil.which(name, path=folder)
            if found and found not in seen:
                seen.add(found)
                yield Path(found)


def _asked(path: Path) -> Program | None:
    """None where it cannot be run or does not say a version: then it is not what is looked for.

    What it said is believed for as long as the file is the same: MySQL's takes a tenth of a private server's start.
    """
    try:
        file = path.stat()
    except OSError:
        return None
    edition = (path, file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns)
    if edition not in _known:
        program = _said_by(path)
        if program is None:  # which another time may be otherwise
            return None
        _known[edition] = program
    return _known[edition]


def _said_by(path: Path) -> Program | None:
    command = [str(path), "--no-defaults", "--version"]  # a broken my.cnf must not hide a program
    try:
        answer = subprocess.run(
            command, check=False, capture_output=True, timeout=_ANSWER_SECONDS, env=harmless_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = _VERSION.search((answer.stdout + answer.stderr).decode(errors="replace"))
    if answer.returncode != 0 or not said:
        return None
    text = said["distribution"] or said["own"]
    version = parse_version(text)
    # MariaDB's mysqlbinlog tells a version of its own, 3.5, where MySQL's tells the server's
    is_mariadb = "mariadb" in text.lower() or version < _OLDEST_MYSQL
    return Program(Flavour.MARIADB if is_mariadb else Flavour.MYSQL, version, path)
