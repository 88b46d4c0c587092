"""Migrations of a Laravel application, run by its own migrator on the copy."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chom_pipelines.errors import ConfigurationError, MigrationCheckError, ProgramMissingError
from chom_pipelines.migrations.findings import MigrationFinding, error, warning
from chom_pipelines.migrations.hidden_passwords import shown_message
from chom_pipelines.migrations.isolation import cut_off
from chom_pipelines.migrations.shadow import Shadow
from chom_pipelines.migrations.shapes import Table
from chom_pipelines.migrations.sources import Migration, Ran, Run, sent
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import qualified

_SCRIPT = Path(__file__).with_name("laravel") / "migrate.php"
_PARTS = ("bootstrap/app.php", "vendor/autoload.php")
_HISTORY = {"migration", "batch"}
_LINES = 4
_TRACE = re.compile(r"#\d|Stack trace|thrown in")


@dataclass(frozen=True)
class LaravelApplication:
    """The application in a directory, with its dependencies installed."""

    place: Path

    @property
    def is_squashed(self) -> bool:
        """By `php artisan schema:dump`."""
        return any((self.place / "database" / "schema").glob("*.sql"))

    def is_history(self, table: Table) -> bool:
        """By its columns: the configuration may call it otherwise than `migrations`."""
        return set(table.columns) >= _HISTORY

    def run(self, shadow: Shadow, timeout: float, *, roll_back: bool = False) -> Run:
        """By a script of ours in the application's own PHP, with no network but the copy's socket."""
        for part in _PARTS:
            if not (self.place / part).is_file():
                what = f"{self.place} is no Laravel application that can run: {part} is not there"
                raise ConfigurationError(
                    what, "correct `migrations.laravel` in chom.yaml, or run `composer install` there"
                )
        shadow.forget_log()
        with tempfile.TemporaryDirectory(prefix="chom-migrations-") as directory:
            result = Path(directory) / "result"
            self._execute(shadow, result, timeout, roll_back=roll_back)
            told = [json.loads(line) for line in result.read_text().splitlines()]
        return self._understood(told, shadow)

    def check_history(self, production: Session, run: Run) -> Iterator[MigrationFinding]:
        """Of the table that the application records them in."""
        database, table = run.history
        names = {each.name for each in run.files}
        columns = {
            str(name)
            for (name,) in production.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
                (database, table),
            )
        }
        if not columns >= _HISTORY:
            state = "lacks columns that Laravel needs" if columns else "is not there"
            yield warning(
                "HS01",
                f"{database}.{table}, where Laravel records its migrations, {state}: all of them are pending",
                why="a deploy would run every migration from the first",
                remedy="if this database is new, php artisan migrate:install; else check which one the application has",
            )
            return
        recorded = [str(name) for (name,) in production.rows(f"SELECT migration FROM {qualified(database, table)}")]
        for name in sorted(set(recorded) - names):
            yield warning(
                "HS02",
                f"{name} is recorded, and its file is gone",
                why="migrate:status does not show it, and it cannot be rolled back",
                remedy=f"bring back {name}.php, or squash the migrations (php artisan schema:dump)",
                migration=name,
            )
        for name, count in Counter(recorded).items():
            if count > 1:
                yield error(
                    "HS03",
                    f"{name} is recorded {count} times",
                    why="a rollback takes back one of them, and status shows the last",
                    remedy=f"delete all but one row of it from {qualified(database, table)}",
                    migration=name,
                )
        last = max(recorded, default="")
        for each in run.ran:
            if each.migration.name < last:
                yield warning(
                    "HS04",
                    f"{each.migration.name} is pending, and sorts before {last}, which was run",
                    why="on a new database it would run before that one, here it runs after it",
                    remedy="give it a later date, if nobody has run it yet",
                    migration=each.migration.name,
                )

    def _execute(self, shadow: Shadow, result: Path, timeout: float, *, roll_back: bool) -> None:
        php = shutil.which("php")
        if php is None:
            raise ProgramMissingError("php is not installed", "apt-get install php-cli php-mysql php-intl")
        socket = shadow.endpoint.socket or ""
        command = cut_off([php, str(_SCRIPT), str(self.place), str(result)], socket, shadow.production.socket)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHOM_")}
        environment |= {"CHOM_SOCKET": socket, "CHOM_USER": shadow.endpoint.user}
        environment |= {"CHOM_ROLL_BACK": "1"} if roll_back else {}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as late:
                os.killpg(process.pid, signal.SIGKILL)
                what = f"the migrations of {self.place} were not through within {timeout:g} s: {_progress(result)}"
                raise MigrationCheckError(what, "see what that one waits for, or allow more by --timeout") from late
            except BaseException:  # an interrupt, too, leaves no migration running
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode or '"done"' not in result.read_text():
            lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
            text = [line for line in lines if line and not _TRACE.match(line)][:_LINES]
            what = (
                f"the application in {self.place} did not run its migrations (exit {process.returncode}): "
                + " / ".join(text)
            )
            raise MigrationCheckError(what, "see that `php artisan migrate:status` works there, with this PHP")

    def _understood(self, told: list[dict[str, Any]], shadow: Shadow) -> Run:
        merged: dict[str, Any] = {}
        for line in told:
            if "migration" not in line:
                merged |= line
        files = {name: Migration(name, Path(path)) for name, path in merged["files"].items()}
        database = str(merged["database"])
        ran = [
            Ran(
                files[line["migration"]],
                shown_message(line["failure"]),
                line["number"],
                float(line["seconds"]),
            )
            for line in told
            if "migration" in line
        ]
        return Run(
            f"Laravel {merged['application']}",
            database,
            (database, str(merged["table"])),
            list(files.values()),
            ran,
            list(sent(shadow.logged())),
            shadow.shape() if "rollback" in merged else None,
            str(merged.get("rollback", "")),
        )


def _progress(result: Path) -> str:
    """Which migration it was, as far as it had told."""
    done = [json.loads(line) for line in result.read_text().splitlines()] if result.exists() else []
    ended = [line["migration"] for line in done if "migration" in line]
    listed = next((line for line in done if "files" in line), None)
    if listed is None:
        return "the application was still starting"
    applied = set(listed["applied"])
    waiting = [name for name in listed["files"] if name not in applied and name not in ended]
    return f"{waiting[0] if waiting else 'all migrations'} had begun, and {len(ended)} had ended"
