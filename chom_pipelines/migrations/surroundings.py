"""What a deploy needs beside its statements: a proved backup, room on the server's disk, and patience that ends."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from chom_pipelines.backups.assessment import answers
from chom_pipelines.backups.verdicts import CONTENT, RECENT
from chom_pipelines.errors import ChomError, ServerError, UnsupportedServerError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.log_lines import amount, size
from chom_pipelines.migrations.findings import MigrationFinding, error, info, unknown, warning
from chom_pipelines.migrations.prediction import peak_bytes, predicted
from chom_pipelines.migrations.production import Production
from chom_pipelines.migrations.replay import Step
from chom_pipelines.migrations.sources import Run
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines.server.own_data_directory import readable_data_directory

_MARGIN = 1.2
_MUCH = 1 << 30
"""Less room than that is there, or the server would be in trouble without a migration."""
_PATIENCE_SECONDS = 60
_MANY_ROWS = 100_000
_PROGRAM = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:AGGREGATE\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:AGGREGATE\s+)?(?:FUNCTION|TRIGGER)\b",
    re.IGNORECASE,
)


def check_backup(inventory: Inventory, server: Server, now: datetime) -> Iterator[MigrationFinding]:
    """Whether the newest backup is young, and was proved by a restore: the way back where all else fails."""
    try:
        found = answers(inventory, server, now)
    except ChomError as problem:
        yield error("RB02", f"backups cannot be read: {problem.what}", remedy=problem.remedy, object="backup")
        return
    for question in (RECENT, CONTENT):
        if found[question].outcome is not Outcome.PASSED:
            yield error(
                "RB02",
                found[question].reason,
                why="where a migration loses rows, a proved backup is the only way back",
                remedy="chom backup --verification full",
                object="backup",
            )
            return


def check_room(session: Session, steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """Whether the copies and indexes fit beside what is there; one after the other, as they are made."""
    needed = peak_bytes(predicted(step, production) for step in steps if not step.failure)
    free = _free(session, production)
    if free is None:
        if needed > _MUCH:
            yield unknown(
                "SP01",
                f"{size(needed)} are needed, and this server does not tell how much room it has",
                remedy="INSTALL SONAME 'disks'" if production.facts.is_mariadb else "see `df` on its machine",
                object="disk",
            )
        return
    if needed > _MUCH:
        yield info(
            "SP02",
            f"up to {size(needed)} of disk are needed for a time, and {size(free)} are free",
            why="the server copies tables, and sorts the keys of new indexes, beside what is there",
            object="disk",
        )
    if needed * _MARGIN > free:
        yield error(
            "SP01",
            f"{size(needed)} are needed beside the tables, and {size(free)} are free",
            why="a full disk stops the server, and not this statement alone",
            remedy="free room, or change the table where there is more",
            object="disk",
        )


def check_patience(
    session: Session, run: Run, steps: Sequence[Step], production: Production
) -> Iterator[MigrationFinding]:
    """How long a statement would wait for a table, with everybody behind it."""
    changes = any(
        found.before and found.before.name in production.shape.tables for step in steps for found in step.differences
    )
    if not changes or any("lock_wait_timeout" in each.statement.text.replace("innodb_lock", "") for each in run.sent):
        return
    seconds = int(session.value("SELECT @@GLOBAL.lock_wait_timeout"))
    if seconds > _PATIENCE_SECONDS:
        yield info(
            "TX01",
            f"a statement waits for a table for up to {amount(seconds, 'second')}",
            why="everybody who uses the table waits behind it",
            remedy="SET SESSION lock_wait_timeout = 10 in the application's connection, and run the migrations again",
        )


def check_trust(session: Session, steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """Functions and triggers, which a server with a binary log takes from administrators alone, unless told not to."""
    programs = [each for each in steps if _PROGRAM.match(each.statement.bare) and not each.failure]
    if not programs or not production.facts.logs_binary:
        return
    if not int(session.value("SELECT @@GLOBAL.log_bin_trust_function_creators")):
        yield warning(
            "CN02",
            "a function or trigger is created, which this server takes from an account with SUPER alone (error 1419)",
            why="log_bin_trust_function_creators is OFF there; on the copy an administrator has asked",
            remedy="SET PERSIST log_bin_trust_function_creators = ON"
            if not production.facts.is_mariadb
            else "SET GLOBAL log_bin_trust_function_creators = ON, and the same in my.cnf",
            migration=programs[0].migration,
            statement=programs[0].statement.short(),
        )


def check_changes(steps: Sequence[Step], production: Production) -> Iterator[MigrationFinding]:
    """Statements that may change many rows at once, by the size of their table.

    How many they would change is not asked: servers explain such statements to who may write alone, and MariaDB runs
    functions that they call while it explains them.
    """
    for step in steps:
        table = step.statement.table
        if step.statement.verb not in {"UPDATE", "DELETE"} or step.failure or not table:
            continue
        rows = production.size(table).rows
        if rows > _MANY_ROWS:
            yield info(
                "LK06",
                f"{'.'.join(table)} has about {rows:,} rows, and how many of them are changed is not known",
                why="many in one transaction hold up the application, and a replica falls behind by as long",
                remedy="where they are many, change them in batches by key, after the deploy",
                migration=step.migration,
                statement=step.statement.short(),
                object=".".join(table),
            )


def check_rollback(run: Run, production: Production) -> Iterator[MigrationFinding]:
    """Whether rolling all of it back leads to where it began, as it was tried on the copy."""
    if run.rolled_back is None:
        return
    if run.rollback_failure:
        yield warning(
            "RB01",
            f"the migrations cannot be rolled back: {' '.join(run.rollback_failure.split())[:200]}",
            why="a deploy that fails later cannot be taken back",
            remedy="write down() of these migrations, or plan to restore the backup",
        )
        return
    before, after = production.shape.tables, run.rolled_back.tables
    unlike = sorted(
        ".".join(name)
        for name in before.keys() | after.keys()
        if name != run.history
        and (name not in before or name not in after or not before[name].same_structure(after[name]))
    )
    if unlike:
        yield warning(
            "RB01",
            f"after they are rolled back, the schema is not what it was: {', '.join(unlike[:5])}",
            why="a deploy that fails later leaves that behind",
            remedy="let down() of these migrations take back all that up() does",
        )


def _free(session: Session, production: Production) -> int | None:
    """Bytes on the disk of the data directory; None where nobody tells."""
    try:
        return shutil.disk_usage(readable_data_directory(session.endpoint, production.facts)).free
    except (UnsupportedServerError, OSError):
        pass  # it is on another machine: the server may know
    if not production.facts.is_mariadb:
        return None
    try:
        disks = session.rows("SELECT path, available FROM information_schema.DISKS")
    except ServerError:
        return None
    datadir = Path(production.facts.variables["datadir"])
    within = [(len(str(path)), int(free)) for path, free in disks if datadir.is_relative_to(str(path))]
    return max(within)[1] * 1024 if within else None
