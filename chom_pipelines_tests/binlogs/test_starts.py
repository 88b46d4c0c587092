"""A log is replayed onto the data files of a physical backup just as onto the rows of a logical one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.point_in_time import (
    point_in_time,
    recover_into_directory,
    recover_into_server,
    recovered_backup,
    recovered_server,
)
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.errors import ProgramMissingError, RestoreFailedError, UnsupportedBackupError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.repository.layout import Kind
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import free_port, listening_on, scratch_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_server_options import mariadb_plugins
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.physical.files_data import copying_options, running, take_files


@dataclass(frozen=True)
class Moment:
    """Where a server stood, and what its tables held then."""

    place: BeforePlace
    sums: tuple[object, ...]


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A server of its own, with an account and another database."""
    with archived_server(request.param, copying_options(request.param)) as server:
        found = Archive(server, Backups(tmp_path_factory.mktemp("archive")))
        found.work(
            "CREATE USER keeper@localhost IDENTIFIED BY 'Secret-1'", "GRANT SELECT ON shop.* TO keeper@localhost"
        )
        found.work("CREATE DATABASE other", "CREATE TABLE other.o (id INT PRIMARY KEY)")
        yield found


@pytest.fixture(scope="module")
def moments(archived: Archive) -> list[Moment]:
    """Of a log that follows a physical backup, whose last transactions are of definitions and accounts."""
    archived.work()
    take_files(archived.backups, archived.server)
    found = [_noted(archived)]
    for number in range(6):
        archived.work(f"INSERT INTO shop.t (s) VALUES (REPEAT('{number}', 100)), (UUID())")
        archived.work(f"UPDATE shop.t SET s = CONCAT(s, '{number}') WHERE id % 3 = {number % 3}")
        if number % 2:
            archived.work("FLUSH BINARY LOGS")
        found.append(_noted(archived))
    archived.work("ALTER TABLE shop.t ADD COLUMN c INT DEFAULT 7", "INSERT INTO other.o VALUES (1)")
    archived.work("CREATE USER later@localhost IDENTIFIED BY 'Secret-2'", "DROP USER keeper@localhost")
    found.append(_noted(archived))
    archived.archive()
    return found


def _noted(archived: Archive) -> Moment:
    with archived.server.connect() as session:
        (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
        return Moment(BeforePlace(file, int(position)), sums(session))


def sums(session: Session, database: str = "shop") -> tuple[object, ...]:
    """What its tables hold, by the server itself."""
    columns = [row[0] for row in session.rows(f"SHOW COLUMNS FROM {database}.t")]
    ((_, value),) = session.rows(f"CHECKSUM TABLE {database}.t")
    return (*columns, value)


def accounts(session: Session) -> set[str]:
    """Those that matter here."""
    return {
        str(name)
        for (name,) in session.rows(
            "SELECT User FROM mysql.user WHERE User IN ('keeper', 'later') OR User LIKE 'chom_p%'"
        )
    }


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("which", [0, 3, 7, pytest.param(4, marks=pytest.mark.long)])
def test_every_noted_place_is_reached_exactly(
    archived: Archive, moments: list[Moment], which: int, route: Route
) -> None:
    with (
        point_in_time(
            archived.backups.repository, NAME, moments[which].place, keyring=None, report=unreported, threads=1
        ) as ready,
        recovered_server(ready, ready.recoverer(route, accounts=False, report=unreported)) as (server, recovered),
        Session(server.endpoint) as session,
    ):
        assert sums(session) == moments[which].sums
        assert recovered.transactions == ready.recovery.stop.transactions
        assert set(recovered.restored.phases) == {"unpack", "prepare", "start", "replay"}
        assert accounts(session) - {"chom_private_server"} == ({"keeper"} if which < 7 else {"later"})


def test_a_directory_has_the_files_as_of_then_and_the_accounts_of_production_alone(
    archived: Archive, moments: list[Moment], tmp_path: Path
) -> None:
    target = tmp_path / "data"
    with point_in_time(
        archived.backups.repository, NAME, moments[7].place, keyring=None, report=unreported, threads=1
    ) as ready:
        recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
        recovered = recover_into_directory(ready, target, recoverer, replace_it=False)
    assert any("passwords are those of source" in warning for warning in recovered.restored.warnings)
    assert recovered.restored.databases == ("other", "shop")
    with running(target, archived.server.flavour) as session:
        assert sums(session) == moments[7].sums
        assert accounts(session) == {"later"}


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_database_is_wanted_by_its_name_in_any_case_where_its_server_took_it_so(
    flavour: Flavour, tmp_path: Path
) -> None:
    options = (*copying_options(flavour), "--lower-case-table-names=1")
    with archived_server(flavour, options) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work("CREATE DATABASE other")
        take_files(archived.backups, server)
        archived.work()
        moment = _noted(archived)
        archived.archive()
    with point_in_time(
        archived.backups.repository,
        NAME,
        moment.place,
        keyring=None,
        report=unreported,
        threads=1,
        databases=("Shop", "not_yet"),
    ) as ready:
        recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
        with recovered_backup(ready, recoverer) as (entry, _):
            assert entry.manifest(None).logical.databases == ("shop",)


def test_a_running_server_gets_what_is_wanted_of_it_and_no_account_of_ours(
    archived: Archive, moments: list[Moment]
) -> None:
    flavour, repository = archived.server.flavour, archived.backups.repository
    with (
        scratch_server(flavour) as target,
        point_in_time(
            repository,
            NAME,
            moments[7].place,
            keyring=None,
            report=unreported,
            threads=1,
            databases=("shop", "not_yet"),
        ) as ready,
    ):
        assert ready.undefined.endswith("whose definitions a server on them tells")
        recoverer = ready.recoverer(Route.REPLICATION, accounts=True, report=unreported)
        request = RestoreRequest(accounts=True)
        _, result = recover_into_server(ready, target.endpoint, recoverer, lambda _: request)
        assert result.databases == ("shop",)
        with Session(target.endpoint) as session:
            assert sums(session) == moments[7].sums
            assert accounts(session) == {"later"}


def test_the_windows_begin_with_a_physical_backup(archived: Archive, moments: list[Moment]) -> None:
    (interval,) = archived.recoverable().windows.intervals
    assert len(interval.fulls) == 1
    assert interval.fulls[0].everything
    assert interval.fulls[0].head is not None
    assert archived.recoverable().unusable_backups == {}
    assert interval.last is not None
    assert interval.last.end >= moments[-1].place.position


@pytest.mark.usefixtures("moments")
def test_a_drill_compares_files_with_rows(archived: Archive) -> None:
    archived.backups.take(archived.server)
    time.sleep(1.1)  # a log tells of whole seconds
    archived.work("INSERT INTO shop.t (s) VALUES ('behind both')")
    time.sleep(1.1)  # so that a whole second is between the two
    archived.work("INSERT INTO shop.t (s) VALUES ('later')")
    time.sleep(1.1)  # and another one behind the last
    archived.archive()
    target = archived.recoverable().windows.latest
    assert target
    _, drill = run_drill(archived.backups.repository, NAME, None, unreported, threads=1, moment=target)
    assert (drill.outcome, drill.reason) == (Outcome.PASSED, "")
    assert len({way.rpartition(" ")[2] for way in drill.ways}) == 2


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def anew(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with archived_server(request.param, copying_options(request.param)) as server:
        yield Archive(server, Backups(tmp_path))


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_files_have_xa_transactions_that_are_prepared_and_the_log_ends_them(anew: Archive, ends: str) -> None:
    anew.work("XA START 'a'", "INSERT INTO shop.t (s) VALUES ('prepared')", "XA END 'a'", "XA PREPARE 'a'")
    take_files(anew.backups, anew.server)
    anew.work()
    anew.work(f"XA {ends} 'a'")
    anew.archive()
    last = anew.history.last
    assert last
    place = BeforePlace(last.file, last.end)
    with (
        point_in_time(anew.backups.repository, NAME, place, keyring=None, report=unreported, threads=1) as ready,
        recovered_server(ready, ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)) as (server, _),
        Session(server.endpoint) as session,
    ):
        assert session.value("SELECT COUNT(*) FROM shop.t") == (2 if ends == "COMMIT" else 1)


def test_the_replication_of_production_does_not_go_on_in_a_copy(tmp_path: Path) -> None:
    with archived_server(Flavour.MYSQL, copying_options(Flavour.MYSQL)) as server:
        archived = Archive(server, Backups(tmp_path))
        of_production = "SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'nobody'"
        for channel in ("", "other"):
            archived.work(f"CHANGE REPLICATION SOURCE TO {of_production} FOR CHANNEL '{channel}'")
        take_files(archived.backups, server)
        archived.work()
        archived.archive()
        last = archived.history.last
        assert last
        place = BeforePlace(last.file, last.end)
        with point_in_time(
            archived.backups.repository, NAME, place, keyring=None, report=unreported, threads=1
        ) as ready:
            recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
            with recovered_server(ready, recoverer) as (copy, _), Session(copy.endpoint) as session:
                assert session.rows("SHOW REPLICA STATUS") == []
                assert session.value("SELECT COUNT(*) FROM shop.t") == 1


@pytest.mark.parametrize("route", list(Route))
def test_a_replay_onto_files_of_production_writes_to_no_other_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, route: Route
) -> None:
    """Its files load its engines, and a FEDERATED table's rows are in another database, live or not."""
    port = free_port()
    with (
        scratch_server(Flavour.MARIADB, options=listening_on(port)) as remote,
        Session(remote.endpoint) as live,
        archived_server(Flavour.MARIADB, (f"--plugin-dir={mariadb_plugins()}",)) as server,
    ):
        for statement in (
            *("CREATE DATABASE far", "CREATE TABLE far.t (id INT PRIMARY KEY)"),
            *("CREATE USER far@'%' IDENTIFIED BY 'Secret-3'", "GRANT ALL ON far.* TO far@'%'"),
        ):
            live.execute(statement)
        archived = Archive(server, Backups(tmp_path))
        archived.work("INSTALL SONAME 'ha_federatedx'")
        url = f"mysql://far:Secret-3@127.0.0.1:{port}/far/t"
        archived.work(f"CREATE TABLE shop.f (id INT PRIMARY KEY) ENGINE=FEDERATED CONNECTION='{url}'")
        take_files(archived.backups, server)
        archived.work("INSERT INTO shop.f VALUES (1)")
        place = _noted(archived).place
        archived.archive()
        live.execute("DELETE FROM far.t")
        installed = tmp_path / "mariadbd"  # where the plugin is, as a server's package has it
        installed.write_text(
            f'#!/bin/sh\nexec {server_program(Flavour.MARIADB).path} "$@" --plugin-dir={mariadb_plugins()}'
        )
        installed.chmod(0o700)
        monkeypatch.setenv("CHOM_MARIADBD", str(installed))
        with (
            point_in_time(
                archived.backups.repository, NAME, place, keyring=None, report=unreported, threads=1
            ) as ready,
            pytest.raises(RestoreFailedError, match=r"(?i)federated"),
            recovered_server(ready, ready.recoverer(route, accounts=False, report=unreported)),
        ):
            pytest.fail("it was replayed")
        assert live.rows("SELECT * FROM far.t") == []


_OTHER = "#!/bin/sh\necho 'mariadb-backup based on MariaDB server 10.6.1-MariaDB debian-linux-gnu'\n"


@pytest.mark.parametrize(("script", "why"), [(None, "CHOM_MARIADB_BACKUP"), (_OTHER, "is of 10.6")])
def test_without_a_program_for_the_files_an_older_backup_is_used_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, why: str
) -> None:
    program = tmp_path / "mariadb-backup"
    if script:
        program.write_text(script)
        program.chmod(0o700)
    with archived_server(Flavour.MARIADB) as server:
        archived = Archive(server, Backups(tmp_path))
        early = take_files(archived.backups, server)
        archived.work()
        before = _noted(archived).place
        archived.work()
        rows = archived.backups.take(server)
        archived.work()
        files = take_files(archived.backups, server)
        archived.work()
        moment = _noted(archived)
        archived.archive()
        monkeypatch.setenv("CHOM_MARIADB_BACKUP", str(program))
        repository = archived.backups.repository
        with (
            point_in_time(repository, NAME, moment.place, keyring=None, report=unreported, threads=1) as ready,
            recovered_server(ready, ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)) as (copy, _),
            Session(copy.endpoint) as session,
        ):
            assert ready.start.manifest.id == rows.id
            assert [way.full.id for way in ready.others] == [early.id]
            (said,) = ready.warnings
            assert said.startswith(f"{files.id} is not used, but {rows.id}: ")
            assert why in said
            assert sums(session) == moment.sums
        for backup, place in ((files.id, moment.place), ("latest", before)):  # no other one is meant, or leads there
            with (
                pytest.raises((ProgramMissingError, UnsupportedBackupError), match=why),
                point_in_time(repository, NAME, place, backup=backup, keyring=None, report=unreported, threads=1),
            ):
                pass


@pytest.mark.parametrize("route", list(Route))
def test_a_log_is_replayed_onto_an_incremental_backup(tmp_path: Path, route: Route) -> None:
    with archived_server(Flavour.MARIADB) as server:
        archived = Archive(server, Backups(tmp_path))
        archived.work("CREATE TABLE shop.other (id INT PRIMARY KEY)")
        server.outlast_its_start()
        take_files(archived.backups, server)
        archived.work(*["INSERT INTO shop.t (s) VALUES (REPEAT('a', 1000)), (UUID())"] * 50)
        archived.work("DROP TABLE shop.other")
        newest = take_files(archived.backups, server, kind=Kind.INCREMENTAL)
        archived.work("UPDATE shop.t SET s = CONCAT(s, 'b') WHERE id % 2")
        moment = _noted(archived)
        archived.work()
        archived.archive()
        repository = archived.backups.repository
        with (
            point_in_time(repository, NAME, moment.place, keyring=None, report=unreported, threads=1) as ready,
            recovered_server(ready, ready.recoverer(route, accounts=False, report=unreported)) as (copy, recovered),
            Session(copy.endpoint) as session,
        ):
            assert (ready.start.manifest.id, recovered.transactions) == (newest.id, 1)
            assert sums(session) == moment.sums
