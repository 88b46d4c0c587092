"""An accident in the shop, found in the archived binary log and undone beside the live shop, to the transaction.

What the shop held just before it is noted by the server itself while no customer orders; the recovered shop has to be
that, in every table.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from chom_pipelines.backups.archiving import archive_binary_log
from chom_pipelines.binlogs.archive.archiving import Archived
from chom_pipelines.binlogs.archive.histories import histories
from chom_pipelines.binlogs.recovery.point_in_time import point_in_time, recover_into_server
from chom_pipelines.binlogs.recovery.recovering import Recovered
from chom_pipelines.binlogs.recovery.searching import Change, Event, Search, events
from chom_pipelines.binlogs.recovery.targets import Route, parse_place
from chom_pipelines.demo.place import SERVER
from chom_pipelines.demo.shop import DATABASE
from chom_pipelines.demo.workload import Workload
from chom_pipelines.errors import DemonstrationFailedError
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.progress import unreported
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Row, Session
from chom_pipelines.server.identifiers import qualified, quote

TABLE = "reviews"
BEFORE = "shop_before"


@dataclass(frozen=True)
class Accident:
    """What was done, and what the server said of every table just before."""

    rows: int
    before: dict[str, Row]


@dataclass(frozen=True)
class Undone:
    """How it was found and undone; `equal` are the tables that are what they were just before."""

    event: Event
    recovered: Recovered
    seconds: float
    equal: tuple[str, ...]


def happen(root: Endpoint, customers: Workload) -> Accident:
    """Delete every row of a table, as who forgets the WHERE does."""
    with customers.paused(), Session(root) as session:
        before = _sums(session, DATABASE)
        rows = session.execute(f"DELETE FROM {qualified(DATABASE, TABLE)}")
    return Accident(rows, before)


def archived(inventory: Inventory) -> Archived:
    """What `chom backup --type incremental` does; raises DemonstrationFailedError where the archive has a gap."""
    server = inventory.server(SERVER)
    found = archive_binary_log(inventory, server, server.backup, unreported, close=True)
    if found.chain.gaps:
        raise DemonstrationFailedError(f"the archive has a gap: {found.chain.gaps[0].why}", "report this as a bug")
    return found


def found(inventory: Inventory, accident: Accident, archived: Archived) -> Event:
    """What `chom events` finds in this server's files.

    Raises DemonstrationFailedError unless it is the accident, and nothing else.
    """
    repository, keyring = existing_repository(inventory.repository), _keyring(inventory)
    search = Search(table=f"{DATABASE}.{TABLE}", changes=frozenset({Change.DELETE}))
    history = next(each for each in histories(repository, SERVER, keyring) if each.name == archived.history)
    seen = list(events(history, search, keyring, newest=True))
    if [[rows.deleted for rows in each.rows] for each in seen] != [[accident.rows]]:
        what = f"{len(seen)} deletions were found in the archive, and not the one of {accident.rows} rows"
        raise DemonstrationFailedError(what, "report this as a bug")
    return seen[0]


def undone(inventory: Inventory, event: Event, accident: Accident, root: Endpoint) -> Undone:
    """What `chom restore --before … --as-database` does, then the comparison.

    Raises DemonstrationFailedError where a table is not what it was just before the accident.
    """
    began = time.monotonic()
    repository, keyring = existing_repository(inventory.repository), _keyring(inventory)
    place = parse_place(event.before)
    with point_in_time(repository, SERVER, place, keyring=keyring, report=unreported, threads=0) as ready:
        recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
        request = RestoreRequest(rename={DATABASE: BEFORE})
        recovered, _ = recover_into_server(ready, root, recoverer, lambda _: request)
    seconds = time.monotonic() - began
    with Session(root) as session:
        now = _sums(session, BEFORE)
    if now != accident.before:
        differing = sorted(name for name in {*now, *accident.before} if now.get(name) != accident.before.get(name))
        what = f"{BEFORE} is not what the shop was before the accident: {', '.join(differing)}"
        raise DemonstrationFailedError(what, "report this as a bug")
    return Undone(event, recovered, seconds, tuple(now))


def _keyring(inventory: Inventory) -> Keyring | None:
    return keyring_of(inventory.repository, inventory.server(SERVER).backup)


def _sums(session: Session, database: str) -> dict[str, Row]:
    """By table the number of rows and the sums of their hashes, which no order changes, as the server makes them.

    CHECKSUM TABLE is not asked: of tables with generated columns MariaDB gives different ones for the same rows.
    """
    columns: dict[str, list[str]] = {}
    for table, column in session.rows(
        "SELECT c.TABLE_NAME, c.COLUMN_NAME FROM information_schema.COLUMNS c JOIN information_schema.TABLES t "
        "USING (TABLE_SCHEMA, TABLE_NAME) WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA = %s "
        "ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
        (database,),
    ):
        columns.setdefault(str(table), []).append(quote(str(column)))
    found = {}
    for table, names in columns.items():
        texts = ", ".join(f"QUOTE({name})" for name in names)
        halves = ", ".join(f"SUM(CAST(CONV(SUBSTRING(hash, {start}, 15), 16, 10) AS DECIMAL(30)))" for start in (1, 16))
        rows = f"SELECT SHA2(CONCAT_WS(',', {texts}), 256) AS hash FROM {qualified(database, table)}"
        found[table] = session.rows(f"SELECT COUNT(*), {halves} FROM ({rows}) hashes")[0]
    return found
