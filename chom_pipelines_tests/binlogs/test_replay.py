"""Both routes of a replay bring a restored backup to exactly where it was to go, and say where they fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery import archive_server, recovering
from chom_pipelines.binlogs.recovery.choosing import way_to
from chom_pipelines.binlogs.recovery.recovering import Recoverer
from chom_pipelines.binlogs.recovery.replay_plan import Recovery, plan_replay
from chom_pipelines.binlogs.recovery.replica import shown_error
from chom_pipelines.binlogs.recovery.spool import Spool
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route, Target
from chom_pipelines.errors import RestoreFailedError, RestoreRefusedError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.restores.starts import RowsStart
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer


@dataclass(frozen=True)
class Moment:
    """What the oracle has noted: where the server stood, and what its tables held then."""

    place: BeforePlace
    gtid: str
    sums: tuple[object, ...]


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Archive, list[Moment]]]:
    """A server with a full backup, an archive, and moments of which everything is known."""
    with archived_server(request.param) as server:
        archived = Archive(server, Backups(tmp_path_factory.mktemp("archive")))
        archived.work()
        archived.backups.take(server, "shop")
        moments = [noted(archived)]
        for number in range(12):
            archived.work(
                f"INSERT INTO shop.t (s) VALUES (REPEAT('{number}', 100)), (UUID())",
                f"UPDATE shop.t SET s = CONCAT(s, '{number}') WHERE id % 3 = {number % 3}",
            )
            if number % 4 == 1:
                archived.work(f"ALTER TABLE shop.t ADD COLUMN c{number} INT DEFAULT {number}")
            if number % 3 == 2:
                archived.work("FLUSH BINARY LOGS")
            moments.append(noted(archived))
        archived.archive()
        yield archived, moments


def noted(archived: Archive) -> Moment:
    with archived.server.connect() as session:
        (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
        gtid = session.value(f"SELECT @@global.{archived.server.facts.gtid_variable}").replace("\n", "")
        return Moment(BeforePlace(file, int(position)), gtid, sums(session))


def sums(session: Session) -> tuple[object, ...]:
    """What the tables of the shop hold, by the server itself."""
    columns = [row[0] for row in session.rows("SHOW COLUMNS FROM shop.t")]
    return (*columns, *session.rows("CHECKSUM TABLE shop.t"))


def recovered(
    archived: Archive,
    target: Target,
    route: Route,
    directory: Path,
    *,
    miscounted: bool = False,
    asking: str = "",
) -> tuple[Recovery, tuple[object, ...]]:
    """Recover on a private server; what was done, and what is there: the sums, or what is answered to `asking`.

    Where it was `miscounted`, one transaction more is expected than there is.
    """
    found = archived.recoverable()
    way = way_to(target, found)
    history = next(each for each in found.histories if each.name == way.history)
    spool = Spool(directory)
    recovery = plan_replay(way, target, history, spool, keyring=archived.keyring, report=lambda _: None)
    if miscounted:
        recovery = replace(recovery, stop=replace(recovery.stop, transactions=recovery.stop.transactions + 1))
    entry = BackupEntry(NAME, archived.backups.repository.stream(NAME).folder, way.full.id)
    contents = Contents.of(entry, archived.keyring)
    recoverer = Recoverer(
        RowsStart(contents, 1), recovery, directory, route, accounts=True, databases=None, report=unreported
    )
    with scratch_server(archived.server.flavour, options=recoverer.options) as server:
        done = recoverer.fill(server)
        assert done.transactions == recovery.stop.transactions
        assert done.counted == is_counted(archived.server.flavour, route, recovery)
        with Session(server.endpoint) as session:
            return recovery, tuple(session.rows(asking)) if asking else sums(session)


def is_counted(flavour: Flavour, route: Route, recovery: Recovery) -> bool:
    """Whether the server itself knows how many transactions it has executed."""
    if flavour is Flavour.MYSQL:
        return bool(recovery.end and recovery.end.gtid) and not recovery.stop.anonymous
    return route is Route.REPLICATION and bool(recovery.files)


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("which", [0, 5, 12, *(pytest.param(each, marks=pytest.mark.long) for each in (1, 6, 9))])
def test_every_noted_place_is_reached_exactly(
    written: tuple[Archive, list[Moment]], which: int, route: Route, tmp_path: Path
) -> None:
    archived, moments = written
    _, found = recovered(archived, moments[which].place, route, tmp_path)
    assert found == moments[which].sums


@pytest.mark.parametrize("route", list(Route))
def test_another_number_of_transactions_than_is_expected_fails(
    written: tuple[Archive, list[Moment]], route: Route, tmp_path: Path
) -> None:
    archived, moments = written
    right, _ = recovered(archived, moments[5].place, route, made(tmp_path))
    if not is_counted(archived.server.flavour, route, right):
        recovered(
            archived, moments[5].place, route, made(tmp_path), miscounted=True
        )  # where nobody counts, none differs
        return
    with pytest.raises(RestoreFailedError, match=r"has executed (\d+) transactions, and (?!\1 )\d+ of the archive"):
        recovered(archived, moments[5].place, route, made(tmp_path), miscounted=True)


def made(directory: Path) -> Path:
    """A new directory in it."""
    found = directory / str(len(list(directory.iterdir())))
    found.mkdir()
    return found


def test_each_kind_of_transaction_is_counted_once_by_replication(mariadb: PrivateServer, tmp_path: Path) -> None:
    with archived_server(mariadb.flavour) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.backups.take(server)
        archived.work(
            "CREATE TABLE shop.m (a INT) ENGINE=MyISAM",
            *("BEGIN", "INSERT INTO shop.t (s) VALUES (1)", "INSERT INTO shop.m VALUES (1)", "ROLLBACK"),
            "CREATE OR REPLACE TABLE shop.c SELECT * FROM shop.t",
            *("XA START 'a'", "INSERT INTO shop.t (s) VALUES (1)", "XA END 'a'", "XA PREPARE 'a'", "XA COMMIT 'a'"),
            *("XA START 'b'", "INSERT INTO shop.t (s) VALUES (1)", "XA END 'b'", "XA PREPARE 'b'", "XA ROLLBACK 'b'"),
            *("SET binlog_alter_two_phase = 1", "ALTER TABLE shop.t ADD COLUMN two INT"),
            *("CREATE SEQUENCE shop.s", "DO NEXTVAL(shop.s)"),
            *(
                "SET binlog_format = STATEMENT",
                "CREATE TEMPORARY TABLE shop.tt (a INT)",
                "INSERT INTO shop.tt VALUES (1)",
            ),
            *("INSERT INTO shop.t (s) SELECT a FROM shop.tt", "DROP TEMPORARY TABLE shop.tt"),
            *("SET gtid_domain_id = 7", "INSERT INTO shop.t (s) VALUES (2)"),
        )
        place = noted(archived)
        archived.archive()
        recovery, found = recovered(archived, place.place, Route.REPLICATION, made(tmp_path))
    assert found == place.sums
    assert recovery.stop.transactions > 12


def test_an_error_of_a_replay_shows_no_password_of_the_statement_that_it_repeats() -> None:
    said = "Error 'Operation CREATE USER failed for 'app'@'%'' on query. Default database: ''. Query: '"
    shown = shown_error(f"{said}CREATE USER 'app'@'%' IDENTIFIED BY PASSWORD '*0123456789ABCDEF''", Flavour.MARIADB)
    assert shown.startswith(f"{said}CREATE USER 'app'@'%' IDENTIFIED BY PASSWORD ")
    assert "0123456789ABCDEF" not in shown
    assert shown_error("Could not execute Write_rows", Flavour.MARIADB) == "Could not execute Write_rows"
    near = "error 1064: You have an error in your SQL syntax near '{}' at line 3"
    assert shown_error(near.format("s3cret', 'other"), Flavour.MYSQL) == near.format("…")


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("flavour", Flavour)
def test_a_replay_that_fails_shows_no_literal_of_the_statement_that_failed(
    flavour: Flavour, route: Route, tmp_path: Path
) -> None:
    """MySQL repeats it in the log of its own, MariaDB in the replica's status."""
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.backups.take(server)
        archived.work(
            *("SET sql_log_bin = 0", "CREATE TABLE shop.u (id INT PRIMARY KEY, s TEXT)", "SET sql_log_bin = 1"),
            *("SET SESSION binlog_format = 'STATEMENT'", "INSERT INTO shop.u VALUES (1, 'hunter2')"),
        )
        place = noted(archived)
        archived.archive()
        with pytest.raises(RestoreFailedError, match=r"shop\.u' doesn't exist") as error:
            recovered(archived, place.place, route, made(tmp_path))
    assert "hunter2" not in str(error.value)
    assert ("INSERT INTO shop.u VALUES (1, '…" in str(error.value)) == (route is Route.REPLICATION)


@pytest.mark.parametrize("route", list(Route))
def test_a_domain_that_changes_while_a_temporary_table_is_open_is_replayed(
    mariadb: PrivateServer, tmp_path: Path, route: Route
) -> None:
    """Two sessions may do that, one session only where it logs by row; the text of a log is one session's."""
    with archived_server(mariadb.flavour) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.backups.take(server)
        with server.connect() as session:
            session.execute("SET binlog_format = STATEMENT")
            session.execute("CREATE TEMPORARY TABLE shop.tt (s TEXT)")
            session.execute("INSERT INTO shop.tt VALUES ('temporary')")
            archived.work("SET gtid_domain_id = 7", "INSERT INTO shop.t (s) VALUES ('another domain')")
            session.execute("INSERT INTO shop.t (s) SELECT s FROM shop.tt")
        place = noted(archived)
        archived.archive()
        _, found = recovered(archived, place.place, route, made(tmp_path))
    assert found == place.sums


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("between", [" ", "/**/", "\n-- said\n"], ids=["blank", "comment", "line"])
def test_a_replay_never_makes_files_where_the_log_says(
    mariadb: PrivateServer, tmp_path: Path, route: Route, between: str
) -> None:
    place = tmp_path / "large disk"
    place.mkdir()
    columns = ", ".join(f"a_column_with_a_long_name_{number} INT" for number in range(60))
    with archived_server(mariadb.flavour) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.backups.take(server)
        before = noted(archived)
        archived.work(
            "SET SESSION sql_mode = ''",
            f"CREATE TABLE shop.d (id INT PRIMARY KEY, {columns}) DATA{between}DIRECTORY='{place}'",
            "INSERT INTO shop.d (id) VALUES (1)",
            "DROP TABLE shop.d",
        )
        behind = noted(archived)
        archived.archive()
        with pytest.raises(RestoreRefusedError, match="names a directory"):
            recovered(archived, behind.place, route, made(tmp_path))
        assert list(place.rglob("*.ibd")) == []
        _, found = recovered(archived, before.place, route, made(tmp_path))
    assert found == before.sums


@pytest.mark.long_on_mysql
@pytest.mark.parametrize("flavour", Flavour)
def test_programs_keep_their_sql_mode_in_a_replay(flavour: Flavour, tmp_path: Path) -> None:
    said = "SELECT ROUTINE_NAME, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop'"
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.backups.take(server)
        archived.work(
            "CREATE PROCEDURE shop.p() SELECT 1", "SET SESSION sql_mode = ''", "CREATE PROCEDURE shop.q() SELECT 1"
        )
        place = noted(archived)
        with server.connect() as session:
            wanted = session.rows(said)
        archived.archive()
        for route in Route:
            assert recovered(archived, place.place, route, made(tmp_path), asking=said)[1] == tuple(wanted)


@pytest.mark.long_on_mysql
@pytest.mark.parametrize("flavour", Flavour)
def test_a_log_of_a_server_with_the_id_of_a_private_one_is_replayed(flavour: Flavour, tmp_path: Path) -> None:
    for number in (archive_server._SERVER_ID, recovering._SERVER_ID):
        with archived_server(flavour, [f"--server-id={number}"]) as server:
            archived = Archive(server, Backups(tmp_path / str(number)))
            archived.work()
            archived.backups.take(server, "shop")
            archived.work()
            place = noted(archived)
            archived.archive()
            assert recovered(archived, place.place, Route.REPLICATION, made(tmp_path))[1] == place.sums


def test_values_that_an_alteration_draws_anew_are_said_not_to_come_back(tmp_path: Path) -> None:
    with archived_server(Flavour.MARIADB) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.work()
        archived.backups.take(server, "shop")
        archived.work()
        before = noted(archived)
        archived.work("ALTER TABLE shop.t ADD COLUMN u VARCHAR(36) DEFAULT (UUID())")
        drawn = noted(archived)
        archived.archive()
        assert recovered(archived, before.place, Route.REPLICATION, made(tmp_path))[0].drawn == ()
        recovery, found = recovered(archived, drawn.place, Route.REPLICATION, made(tmp_path))
    assert found != drawn.sums
    assert "a replay draws others" in recovery.drawn[0]
