"""Migrations that are SQL files in a directory, run by the server's own client on the copy."""

from __future__ import annotations

import re
import subprocess
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.errors import ConfigurationError, MigrationCheckError
from chom_pipelines.migrations.findings import MigrationFinding, error, warning
from chom_pipelines.migrations.hidden_passwords import shown_message
from chom_pipelines.migrations.isolation import cut_off
from chom_pipelines.migrations.production import own_databases
from chom_pipelines.migrations.shadow import Shadow
from chom_pipelines.migrations.shapes import Table
from chom_pipelines.migrations.sources import Migration, Ran, Run, begin, end, sent
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import literal, qualified
from chom_pipelines.server.process import harmless_environment
from chom_pipelines.server.programs import client_program

_NAME = re.compile(r"(?:V(?P<flyway>\d+(?:[._]\d+)*)__(?P<what>.+)|(?P<dated>\d{1,14})(?:[_-].*)?)\.sql")
_UNDO = re.compile(r"\.down\.sql$|^U\d|\.undo\.sql$", re.IGNORECASE)
_ERROR = re.compile(r"ERROR (\d+) ")
_FLYWAY = {"version", "script", "checksum", "success"}
_PLAIN = {"version"}


@dataclass(frozen=True)
class SqlFiles:
    """Files called V1__what.sql as Flyway has them, or by a number or a date: 20260102_what.sql.

    What is recorded is read from Flyway's own table, or from one that has nothing but `version`.
    """

    place: Path

    @property
    def is_squashed(self) -> bool:
        """Never: a baseline is a file like the others."""
        return False

    def is_history(self, table: Table) -> bool:
        """Flyway's, or `schema_migrations` as many tools have it."""
        columns = set(table.columns)
        return columns >= _FLYWAY or (table.name[1] == "schema_migrations" and columns >= _PLAIN)

    def files(self) -> list[Migration]:
        """In the order of their versions, which their names begin with.

        Raises ConfigurationError where the directory cannot be read or has none.
        """
        try:
            paths = sorted(self.place.iterdir())
        except OSError as refused:
            what = f"{self.place} cannot be read: {refused.strerror}"
            raise ConfigurationError(what, "correct `migrations.sql` in chom.yaml") from refused
        found = [
            each
            for each in paths
            if each.suffix == ".sql" and _NAME.fullmatch(each.name) and not _UNDO.search(each.name)
        ]
        if not found:
            what = f"{self.place} has no migrations"
            raise ConfigurationError(what, "call them V1__what.sql, or 20260102_what.sql")
        return [Migration(each.name, each) for each in sorted(found, key=lambda each: _version(each.name))]

    def run(self, shadow: Shadow, timeout: float, *, roll_back: bool = False) -> Run:  # noqa: ARG002  (there is no way back)
        """Each by a client of its own, as it stops at the first statement that fails."""
        files = self.files()
        records = shadow.production.records
        if len(records) > 1:
            names = ", ".join(".".join(each) for each in records)
            raise ConfigurationError(
                f"migrations are recorded in several tables: {names}", "name one database in `databases`"
            )
        databases = shadow.databases
        history = next(iter(records), ("", ""))
        if not history[0] and len(databases) != 1:
            what = (
                f"nothing is recorded, and the migrations could be for any of {', '.join(databases) or 'no database'}"
            )
            raise ConfigurationError(what, "name one database in `databases` of chom.yaml")
        database = history[0] or databases[0]
        applied = _applied(shadow, history)
        give_up = time.monotonic() + timeout
        ran = []
        shadow.forget_log()
        for migration in files:
            if version_key(migration.name) in applied or migration.name in applied:
                continue
            ran.append(self._one(shadow, database, migration, give_up))
        return Run("SQL files", database, history, files, ran, list(sent(shadow.logged())))

    def check_history(self, production: Session, run: Run) -> Iterator[MigrationFinding]:
        """Of Flyway's table all that it records; of another the versions."""
        versions = Counter(version_key(each.name) for each in run.files)
        for version, count in versions.items():
            if count > 1:
                yield error("HS06", f"{count} files have the version {version}", remedy="rename all but one")
        for path in sorted(self.place.glob("*.sql")):
            if not _NAME.fullmatch(path.name) and not _UNDO.search(path.name):
                yield warning(
                    "HS06", f"{path.name} is no name of a migration, and is not run", remedy="call it V1__what.sql"
                )
        if not run.history[0]:
            yield warning(
                "HS01",
                f"no table in {run.database} records migrations: all of them are pending",
                why="a deploy would run every migration from the first",
                remedy="see that `databases` names the database of the application",
            )
            return
        table = qualified(*run.history)
        columns = {str(name) for name, *_ in production.rows(f"SHOW COLUMNS FROM {table}")}
        if columns >= _FLYWAY:
            yield from self._flyway(production, table, run)
        recorded = {
            version_key(str(version)) for (version,) in production.rows(f"SELECT version FROM {table}") if version
        }
        for version in sorted(recorded - versions.keys()):
            yield warning("HS02", f"version {version} is recorded, and its file is gone", remedy="bring the file back")
        last = max(map(_version, recorded), default=())
        for each in run.ran:
            if _version(each.migration.name) < last:
                yield warning(
                    "HS04",
                    f"{each.migration.name} is pending, and comes before one that was run",
                    why="on a new database it would run before that one, here it runs after it",
                    remedy="give it a later version",
                    migration=each.migration.name,
                )

    def _flyway(self, production: Session, table: str, run: Run) -> Iterator[MigrationFinding]:
        by_version = {version_key(each.name): each for each in run.files}
        for version, script, checksum, success in production.rows(
            f"SELECT version, script, checksum, success FROM {table} WHERE version IS NOT NULL"
        ):
            migration = by_version.get(version_key(str(version)))
            if not success:
                yield error(
                    "HS07",
                    f"{script} is recorded as failed",
                    remedy="clean up what it left, then `flyway repair`",
                    migration=script,
                )
            elif migration and checksum is not None and flyway_checksum(migration.file.read_bytes()) != int(checksum):
                yield error(
                    "HS05",
                    f"{migration.name} was changed after it was run",
                    why="databases that have run it differ from those that will",
                    remedy="change it back, and write another migration",
                    migration=migration.name,
                )

    def _one(self, shadow: Shadow, database: str, migration: Migration, give_up: float) -> Ran:
        begun = time.monotonic()
        program = client_program(shadow.server.facts.flavour)
        command = [
            *(
                str(program.path),
                "--no-defaults",
                f"--socket={shadow.endpoint.socket}",
                f"--user={shadow.endpoint.user}",
            ),
            *("--default-character-set=utf8mb4", "--comments", "--batch"),
            # what a file says to the client itself, as to run a command, is refused where the client can do that
            *("--loose-sandbox", "--loose-system-command=OFF", database),
        ]
        with Session(shadow.endpoint) as session:
            session.execute(f"SELECT {literal(begin(migration.name))}")
        try:
            with migration.file.open("rb") as text:
                done = subprocess.run(
                    cut_off(command, shadow.endpoint.socket or "", shadow.production.socket),
                    stdin=text,
                    capture_output=True,
                    env=harmless_environment(),
                    timeout=max(give_up - begun, 0.1),
                    check=False,
                )
        except OSError as refused:
            raise ConfigurationError(
                f"{migration.file} cannot be read: {refused.strerror}", "let this user read it"
            ) from refused
        except subprocess.TimeoutExpired as late:
            what = f"{migration.name} was not through in the time for all migrations"
            raise MigrationCheckError(what, "see what it waits for, or allow more by --timeout") from late
        with Session(shadow.endpoint) as session:
            session.execute(f"SELECT {literal(end(migration.name))}")
        told = done.stderr.decode("utf-8", "replace").strip() if done.returncode else ""
        # the client says where it failed, and not in which statement
        failure = shown_message(told, migration.file.read_text(errors="replace")).strip() if told else ""
        number = _ERROR.search(failure)
        return Ran(migration, failure, int(number[1]) if number else None, time.monotonic() - begun)


def flyway_checksum(text: bytes) -> int:
    """CRC-32 of the lines without their ends, with a sign; without a byte order mark. As Flyway computes it."""
    checksum = 0
    for line in text.decode("utf-8-sig").splitlines():
        checksum = zlib.crc32(line.encode(), checksum)
    return checksum - (1 << 32) if checksum >= 1 << 31 else checksum


def _applied(shadow: Shadow, history: tuple[str, str]) -> set[str]:
    records = shadow.production.records.get(history)
    if records is None:
        return set()
    place = records.columns.index("version")
    return {version_key(str(row[place])) for row in records.rows if row[place] is not None}


def version_key(name: str) -> str:
    """The version as it is compared: 1.2 and 1_2 are one, and so are 001 and 1 of Flyway's."""
    return ".".join(map(str, _version(name)))


def _version(name: str) -> tuple[int, ...]:
    found = _NAME.fullmatch(name)
    text = (found["flyway"] or found["dated"]) if found else name
    parts: Sequence[str] = re.findall(r"\d+", text)
    return tuple(map(int, parts))


def flyway_durations(session: Session, databases: Sequence[str]) -> Iterator[tuple[str, float]]:
    """The files that Flyway has run through, and the seconds that it recorded of each; `databases` empty: of all."""
    for database in databases or own_databases(session):
        there = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        if session.row(there, (database, "flyway_schema_history")):
            rows = session.rows(
                f"SELECT script, execution_time FROM {qualified(database, 'flyway_schema_history')}"
                " WHERE success ORDER BY installed_rank"
            )
            yield from ((str(script), int(milliseconds) / 1000) for script, milliseconds in rows)
