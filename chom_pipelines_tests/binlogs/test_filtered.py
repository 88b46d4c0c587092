"""Where some databases alone are backed up, no replay loses what others did to them without saying so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.point_in_time import PointInTime, point_in_time, recovered_server
from chom_pipelines.binlogs.recovery.recovering import Recovered
from chom_pipelines.binlogs.recovery.targets import AtTime, BeforePlace, Route
from chom_pipelines.errors import RestoreFailedError, RestoreRefusedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.preflight import ask_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_unlogged import here, unbroken
from chom_pipelines_tests.logical.taking import NAME, Backups

NATIVE = [(Flavour.MARIADB, ()), (Flavour.MYSQL, ("--innodb-native-foreign-keys=ON",))]
"""Servers whose InnoDB does what foreign keys say, and logs nothing of it."""
IN_SHOP = "SELECT * FROM shop.t ORDER BY id"


@contextmanager
def shop(flavour: Flavour, folder: Path, options: Sequence[str] = ()) -> Iterator[Archive]:
    """A server with a database that is backed up, and another one that is not."""
    with archived_server(flavour, options) as server:
        archived = Archive(server, Backups(folder / "archive"))
        (folder / "archive").mkdir()
        archived.work(
            "INSERT INTO shop.t (s) VALUES ('a'), ('b'), ('c')",
            "CREATE DATABASE other",
            "CREATE TABLE other.o (id INT PRIMARY KEY)",
            "INSERT INTO other.o VALUES (1), (2), (3)",
        )
        yield archived


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    found: Flavour = request.param
    return found


@contextmanager
def ready_for(archived: Archive, target: BeforePlace | AtTime) -> Iterator[PointInTime]:
    repository, keyring = archived.backups.repository, archived.keyring
    with point_in_time(repository, NAME, target, keyring=keyring, report=unreported, threads=1) as ready:
        yield ready


def recovered(
    archived: Archive,
    target: BeforePlace | AtTime,
    asking: str = IN_SHOP,
    *,
    accounts: bool = False,
    accept_losses: bool = False,
) -> tuple[Recovered, list[tuple[object, ...]]]:
    """Recover on a private server, and what that answers."""
    with ready_for(archived, target) as ready:
        recoverer = ready.recoverer(
            Route.REPLICATION, accounts=accounts, report=unreported, accept_losses=accept_losses
        )
        with recovered_server(ready, recoverer) as (server, done), Session(server.endpoint) as session:
            return done, list(session.rows(asking))


def refused(archived: Archive, target: BeforePlace) -> RestoreRefusedError:
    """Before anything is restored."""
    with ready_for(archived, target) as ready, pytest.raises(RestoreRefusedError) as error:
        ready.recoverer(Route.REPLICATION, accounts=False, report=unreported).refuse_unfit()
    return error.value


def asked(archived: Archive, asking: str) -> list[tuple[object, ...]]:
    with archived.server.connect() as session:
        return list(session.rows(asking))


def archived_now(archived: Archive) -> BeforePlace:
    """Archive all there is, and tell up to where that is."""
    place = here(archived)
    archived.archive()
    return place


def key(rule: str) -> str:
    return f"CONSTRAINT kept FOREIGN KEY (o) REFERENCES other.o (id) {rule}"


@pytest.mark.parametrize(("flavour", "options"), NATIVE, ids=lambda value: getattr(value, "value", ""))
@pytest.mark.parametrize("rule", ["ON DELETE CASCADE", pytest.param("ON UPDATE SET NULL", marks=pytest.mark.long)])
def test_rows_that_a_foreign_key_to_another_database_changes_are_not_left_out_unsaid(
    flavour: Flavour, options: Sequence[str], rule: str, tmp_path: Path
) -> None:
    with shop(flavour, tmp_path, options) as archived:
        archived.work(
            f"CREATE TABLE shop.c (id INT PRIMARY KEY, o INT, {key(rule)})", "INSERT INTO shop.c VALUES (1, 1), (2, 2)"
        )
        archived.backups.take(archived.server, "shop")
        at_backup = here(archived)
        archived.work("UPDATE other.o SET id = 9 WHERE id = 1" if "UPDATE" in rule else "DELETE FROM other.o")
        behind = archived_now(archived)
        asking = "SELECT * FROM shop.c ORDER BY id"
        _, found = recovered(archived, at_backup, asking)
        assert found == [(1, 1), (2, 2)], "with no transaction in between nothing can be lost"
        with pytest.raises(RestoreRefusedError, match=r"foreign key kept of shop\.c leads to other\.o, which") as error:
            recovered(archived, behind, asking)
        assert "back up other as well" in error.value.remedy
        assert "--accept-losses" in error.value.remedy
        done, lossy = recovered(archived, behind, asking, accept_losses=True)
        assert any("leads to other.o" in warning for warning in done.restored.warnings)
        assert lossy == [(1, 1), (2, 2)] != asked(archived, asking)


@pytest.mark.parametrize(("flavour", "options"), NATIVE, ids=lambda value: getattr(value, "value", ""))
def test_a_foreign_key_that_came_in_between_counts_as_well(
    flavour: Flavour, options: Sequence[str], tmp_path: Path
) -> None:
    with shop(flavour, tmp_path, options) as archived:
        archived.work("CREATE TABLE shop.c (id INT PRIMARY KEY, o INT)", "CREATE TABLE shop.o (id INT PRIMARY KEY)")
        archived.backups.take(archived.server, "shop")
        made = here(archived)
        archived.work(f"ALTER TABLE shop.c ADD {key('ON DELETE CASCADE')}")
        archived.work("ALTER TABLE shop.c DROP FOREIGN KEY kept")
        dropped = archived_now(archived)
        error = refused(archived, dropped)
        assert "a foreign key of shop.c, made at" in error.what
        assert f"--before {made.file}:{made.position}; for the future, back up other as well" in error.remedy
        assert "--accept-losses the key can be made where" in error.remedy
        with pytest.raises(RestoreFailedError):
            recovered(archived, dropped, accept_losses=True)
        assert recovered(archived, made)[1] == asked(archived, IN_SHOP)
        archived.backups.take(archived.server, "shop")
        without_checks = "SET foreign_key_checks = 0", f"ALTER TABLE shop.c ADD {key('ON DELETE CASCADE')}"
        archived.work(
            *without_checks, "ALTER TABLE shop.c DROP FOREIGN KEY kept", "INSERT INTO shop.t (s) VALUES ('d')"
        )
        assert recovered(archived, archived_now(archived), accept_losses=True)[1] == asked(archived, IN_SHOP)
        archived.backups.take(archived.server, "shop")
        archived.work(f"ALTER TABLE shop.c ADD {key('ON DELETE CASCADE').replace('other.', '')}")
        archived.work("RENAME TABLE shop.o TO other.moved", "DELETE FROM other.moved")
        moved = archived_now(archived)
        with pytest.raises(RestoreRefusedError, match=r"foreign key kept of shop\.c leads to other\.moved"):
            recovered(archived, moved)
        done, _ = recovered(archived, moved, accept_losses=True)
        assert any("leads to other.moved" in warning for warning in done.restored.warnings)


def test_a_foreign_key_that_changes_no_rows_is_no_loss(flavour: Flavour, tmp_path: Path) -> None:
    with shop(flavour, tmp_path) as archived:
        archived.work(
            f"CREATE TABLE shop.c (id INT PRIMARY KEY, o INT, {key('ON DELETE RESTRICT')})",
            "INSERT INTO shop.c VALUES (1, 1), (2, 2)",
        )
        archived.backups.take(archived.server, "shop")
        archived.work("DELETE FROM other.o WHERE id = 3", "DELETE FROM shop.c WHERE id = 1")
        place = archived_now(archived)
        assert recovered(archived, place, "SELECT * FROM shop.c")[1] == [(2, 2)]


@pytest.mark.long
def test_mysql_logs_what_its_own_foreign_keys_change(tmp_path: Path) -> None:
    with shop(Flavour.MYSQL, tmp_path) as archived:
        archived.work(
            f"CREATE TABLE shop.c (id INT PRIMARY KEY, o INT, {key('ON DELETE CASCADE')})",
            "INSERT INTO shop.c VALUES (1, 1), (2, 2)",
        )
        archived.backups.take(archived.server, "shop")
        archived.work("DELETE FROM other.o WHERE id = 1")
        place = archived_now(archived)
        assert recovered(archived, place, "SELECT * FROM shop.c")[1] == [(2, 2)]


LOGGED = "SELECT id, s FROM shop.t UNION ALL SELECT id, NULL FROM shop.log ORDER BY id, s"
TRIGGER = "CREATE TRIGGER other.g AFTER INSERT ON other.o FOR EACH ROW INSERT INTO shop.log VALUES (NEW.id)"


@pytest.mark.parametrize(
    ("defines", "changes"),
    [
        (TRIGGER, "INSERT INTO other.o VALUES (7)"),
        ("CREATE VIEW other.v AS SELECT * FROM shop.t", "UPDATE other.v SET s = 'by view' WHERE id = 1"),
        ("CREATE VIEW other.v AS SELECT * FROM shop.t", "DELETE FROM v WHERE id = 1"),
    ],
    ids=["trigger", "view", "default database"],
)
def test_text_of_other_databases_is_not_left_out_unsaid(
    flavour: Flavour, defines: str, changes: str, tmp_path: Path
) -> None:
    with shop(flavour, tmp_path, ("--binlog-format=MIXED",)) as archived:
        archived.work("CREATE TABLE shop.log (id INT PRIMARY KEY)", defines)
        archived.backups.take(archived.server, "shop")
        archived.work(
            "USE other", "UPDATE shop.t SET s = 'from there' WHERE id = 2", "USE shop", "DELETE FROM t WHERE s = 'c'"
        )
        before, unchanged = here(archived), asked(archived, LOGGED)
        archived.work("USE other", changes, "SELECT SLEEP(2)")
        behind = here(archived)
        assert asked(archived, LOGGED) != unchanged
        archived.work("INSERT INTO shop.t (s) VALUES ('later')")
        archived.archive()
        assert recovered(archived, before, LOGGED)[1] == unchanged
        error = refused(archived, behind)
        assert f"changes of other were logged as text, the first at {before.file}:{before.position}" in error.what
        assert "binlog_format = ROW, or back up all databases" in error.remedy
        done, found = recovered(archived, behind, LOGGED, accept_losses=True)
        assert any("logged as text" in warning for warning in done.restored.warnings)
        assert found == unchanged
        verdict = unbroken(archived, "shop")
        assert verdict.outcome is Outcome.NOT_VERIFIED
        assert "triggers, functions or views" in verdict.reason
        latest = archived.recoverable().windows.latest
        _, drill = run_drill(archived.backups.repository, NAME, archived.keyring, unreported, threads=1, moment=latest)
        assert drill.outcome is Outcome.NOT_VERIFIED
        assert "logged as text" in drill.reason


CROSSING = [
    "CREATE VIEW shop.v AS SELECT t.id FROM shop.t JOIN other.o ON t.id = o.id",
    "CREATE TABLE shop.x LIKE other.o",
    "DROP TABLE shop.a, other.b",
    "RENAME TABLE other.b TO shop.b",
    "RENAME TABLE shop.a TO shop.aa, other.b TO other.bb",
    "ALTER TABLE other.b RENAME TO shop.b",
    "/* {} */ RENAME TABLE other.b TO shop.b".format("-" * 1100),
    "ALTER TABLE shop.p EXCHANGE PARTITION low WITH TABLE other.b",
]
MOVED = ("RENAME TABLE shop.a TO other.away", "INSERT INTO other.away VALUES (9)", "RENAME TABLE other.away TO shop.a")


def test_statements_that_take_tables_of_other_databases_are_refused_by_name_and_place(
    flavour: Flavour, tmp_path: Path
) -> None:
    made = "CREATE TABLE {} (id INT PRIMARY KEY)"
    parted = f"{made.format('shop.p')} PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (9))"
    with shop(flavour, tmp_path) as archived:
        for statement in CROSSING:
            archived.work(
                "DROP VIEW IF EXISTS shop.v",
                "DROP TABLE IF EXISTS shop.x, shop.a, shop.aa, shop.b, shop.p, other.b, other.bb",
                *(made.format(name) for name in ("shop.a", "other.b")),
                parted,
            )
            archived.backups.take(archived.server, "shop")
            at = here(archived)
            archived.work(statement)
            error = refused(archived, archived_now(archived))
            assert f"at {at.file}:{at.position}, " in error.what, statement
            assert "takes other." in error.what, statement
            assert f"--before {at.file}:{at.position}; for the future, back up other as well" in error.remedy
        archived.work("DROP TABLE IF EXISTS shop.a", made.format("shop.a"))
        archived.backups.take(archived.server, "shop")
        archived.work(*MOVED[:-1])
        away = here(archived)
        archived.work(MOVED[-1])
        assert "RENAME TABLE at" in refused(archived, archived_now(archived)).what
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop' ORDER BY 1"
        _, found = recovered(archived, away, tables)
        assert ("a",) not in found
        assert ("t",) in found


def test_what_only_names_other_databases_is_replayed(flavour: Flavour, tmp_path: Path) -> None:
    with shop(flavour, tmp_path) as archived:
        archived.work(
            "CREATE TABLE shop.a (id INT PRIMARY KEY, d DATE)",
            "CREATE TABLE other.b (id INT)",
            "CREATE PROCEDURE other.p() SELECT 2",
            "CREATE FUNCTION other.f() RETURNS INT DETERMINISTIC RETURN 2",
            "CREATE EVENT other.old ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM shop.t",
        )
        archived.backups.take(archived.server, "shop")
        archived.work(
            "DROP PROCEDURE other.p",
            "DROP FUNCTION other.f",
            "ALTER EVENT other.old COMMENT 'what was there before'",
            "ALTER EVENT other.OLD COMMENT 'its name in any case'",
            "CREATE TABLE shop.files (id INT PRIMARY KEY, directory VARCHAR(9)) COMMENT = 'the data directory'",
            "USE shop",
            "CREATE VIEW v AS SELECT other.id, EXTRACT(YEAR FROM other.d), 'x' AS `from other.o` FROM a AS other",
            "CREATE VIEW other.w AS SELECT t.id FROM shop.t, other.o",
            "CREATE TABLE other.c LIKE shop.t",
            "INSERT INTO other.c SELECT * FROM shop.t",
            "INSERT INTO shop.t (s) SELECT id FROM other.o",
            "DROP TABLE IF EXISTS shop.a, other.b",
            "CREATE TABLE shop.n (id INT PRIMARY KEY, s TEXT COMMENT 'LIKE other.o REFERENCES other.o (id)')",
            "CREATE TRIGGER shop.g AFTER INSERT ON shop.n FOR EACH ROW INSERT INTO other.o VALUES (NEW.id + 10)",
            "INSERT INTO shop.n (id) VALUES (1)",
            "CREATE EVENT other.e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM shop.t",
        )
        place = archived_now(archived)
        assert recovered(archived, place)[1] == asked(archived, IN_SHOP)


def test_programs_go_and_come_with_their_database(flavour: Flavour, tmp_path: Path) -> None:
    made = "CREATE PROCEDURE other.p() SELECT {}", "CREATE EVENT other.e ON SCHEDULE EVERY 1 DAY DISABLE DO DO {}"
    with shop(flavour, tmp_path) as archived:
        archived.work("CREATE FUNCTION other.f() RETURNS INT DETERMINISTIC RETURN 1")
        archived.backups.take(archived.server, "shop")
        archived.work(
            *(each.format(1) for each in made),
            "ALTER FUNCTION other.f COMMENT 'there before'",
            *("DROP DATABASE other", "CREATE DATABASE other"),
            "CREATE FUNCTION other.f() RETURNS INT DETERMINISTIC RETURN 2",
            *(each.format(2) for each in made),
            *("DROP DATABASE other", "CREATE DATABASE IF NOT EXISTS other"),
            *(each.format(3) for each in made),
            *("CREATE DATABASE third", "CREATE PROCEDURE third.p() SELECT 1"),
            *("DROP DATABASE third", "CREATE DATABASE third", "CREATE PROCEDURE third.p() SELECT 2"),
            "CREATE TABLE third.t (id INT PRIMARY KEY)",
            "INSERT INTO shop.t (s) VALUES ('d')",
        )
        place = archived_now(archived)
        assert recovered(archived, place)[1] == asked(archived, IN_SHOP)
        databases = "SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ('other', 'third')"
        assert recovered(archived, place, databases)[1] == []


def test_what_a_function_of_another_database_changes_is_not_left_out_unsaid(flavour: Flavour, tmp_path: Path) -> None:
    function = (
        "CREATE FUNCTION {}(x INT) RETURNS INT DETERMINISTIC BEGIN INSERT INTO shop.log VALUES (x); RETURN x; END"
    )
    options = ("--binlog-format=MIXED", "--log-bin-trust-function-creators=ON")
    with shop(flavour, tmp_path, options) as archived:
        archived.work(
            "CREATE TABLE shop.log (id INT PRIMARY KEY)", *(function.format(name) for name in ("shop.f", "other.f"))
        )
        archived.backups.take(archived.server, "shop")
        archived.work("SELECT shop.f(4)", "DO shop.f(5)")
        before, own = archived_now(archived), asked(archived, LOGGED)
        assert recovered(archived, before, LOGGED)[1] == own
        at = here(archived)
        archived.work("SELECT other.f(7)", "DROP FUNCTION other.f")
        behind = archived_now(archived)
        assert asked(archived, LOGGED) != own
        error = refused(archived, behind)
        assert "changes rows by the function other.f, and the backup has shop alone" in error.what
        assert f"--before {at.file}:{at.position}" in error.remedy
        archived.backups.take(archived.server, "shop")
        archived.work(function.format("other.g"), "SELECT other.g(8)")
        made = archived_now(archived)
        assert recovered(archived, made, LOGGED, accept_losses=True)[1] == asked(archived, LOGGED)


def test_names_that_differ_in_case_only_are_one_where_the_server_takes_them_so(
    flavour: Flavour, tmp_path: Path
) -> None:
    asking = "SELECT event_name, status FROM information_schema.events WHERE event_schema = 'shop' ORDER BY 1"
    with shop(flavour, tmp_path, ("--lower-case-table-names=1",)) as archived:
        archived.backups.take(archived.server, "shop")
        archived.work(
            "USE SHOP",
            "INSERT INTO T (s) VALUES ('d')",
            "CREATE EVENT SHOP.e1 ON SCHEDULE EVERY 1 DAY DO DO 1",
            "CREATE EVENT Shop.e2 ON SCHEDULE EVERY 1 DAY DO DO 1",
            "ALTER EVENT sHop.E2 DISABLE",
            "RENAME TABLE Shop.T TO SHOP.u",
            "RENAME TABLE shop.U TO Shop.T",
        )
        place = archived_now(archived)
        assert recovered(archived, place)[1] == asked(archived, IN_SHOP)
        assert recovered(archived, place, asking)[1] == asked(archived, asking)


def test_a_replay_that_lacks_an_account_says_how_to_have_it(tmp_path: Path) -> None:
    with shop(Flavour.MARIADB, tmp_path, ("--binlog-format=MIXED",)) as archived:
        archived.work(
            "CREATE USER app@'%'",
            "GRANT ALL ON shop.* TO app@'%'",
            "CREATE DEFINER = app@'%' SQL SECURITY DEFINER VIEW shop.known AS SELECT * FROM shop.t",
        )
        archived.backups.take(archived.server)
        archived.work("UPDATE shop.known SET s = 'by view' WHERE id = 1")
        assert recovered(archived, archived_now(archived))[1] == asked(archived, IN_SHOP)
        archived.work(
            "CREATE USER late@'%'",
            "GRANT ALL ON shop.* TO late@'%'",
            "CREATE DEFINER = late@'%' SQL SECURITY DEFINER VIEW shop.v AS SELECT * FROM shop.t",
            "UPDATE shop.v SET s = 'by view' WHERE id = 2",
        )
        place = archived_now(archived)
        with pytest.raises(RestoreFailedError, match="as a definer") as error:
            recovered(archived, place)
        assert "--accounts" in error.value.remedy
        assert recovered(archived, place, accounts=True)[1] == asked(archived, IN_SHOP)


PARENT = "FOREIGN KEY (p) REFERENCES shop.parents (id)"
TOYS = "id INT PRIMARY KEY, kid INT COMMENT ') REFERENCES `b`.`c`', FOREIGN KEY (kid) REFERENCES shop.kids (id)"
FAMILY = (
    "CREATE TABLE shop.parents (id INT PRIMARY KEY)",
    "INSERT INTO shop.parents VALUES (1), (2)",
    f"CREATE TABLE shop.kids (id INT PRIMARY KEY, p INT, o INT, {PARENT}, {key('ON DELETE CASCADE')})",
    f"CREATE TABLE shop.toys ({TOYS})",
    "INSERT INTO shop.kids VALUES (1, 1, 1), (2, 2, 2)",
    "INSERT INTO shop.toys VALUES (1, 1)",
)
LED_OUT = "shop.kids has a foreign key to other.o, which is not backed up"


@pytest.mark.parametrize(("flavour", "options"), NATIVE, ids=lambda value: getattr(value, "value", ""))
def test_a_foreign_key_that_leads_out_is_told_at_the_backup_and_refused_before_a_recovery(
    flavour: Flavour, options: Sequence[str], tmp_path: Path
) -> None:
    with shop(flavour, tmp_path, options) as archived:
        archived.work(*FAMILY)
        manifest = archived.backups.take(archived.server, "shop").manifest(None)
        assert [each for each in manifest.warnings if "foreign key" in each] == [f"{LED_OUT}: back up other too"]
        found = ask_server(archived.server.backup, ["shop"]).findings
        assert [each.message for each in found if "foreign key" in each.message] == [LED_OUT]
        assert not [each for each in ask_server(archived.server.backup, None).findings if "foreign" in each.message]
        archived.work(
            "DELETE FROM shop.toys",
            "DELETE FROM shop.kids WHERE p = 1",
            "DELETE FROM shop.parents WHERE id = 1",
            "INSERT INTO shop.parents VALUES (3)",
            "INSERT INTO shop.kids VALUES (3, 3, 3)",
            "DELETE FROM other.o WHERE id = 2",
        )
        place = archived_now(archived)
        assert "the foreign key kept of shop.kids leads to other.o" in refused(archived, place).what
        verdict = unbroken(archived, "shop")
        assert verdict.outcome is Outcome.NOT_VERIFIED
        assert LED_OUT in verdict.reason
        with ready_for(archived, place) as ready:
            for tables in (["shop.kids"], ["shop.toys", "shop.t"]):
                recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported, tables=tables)
                with pytest.raises(RestoreRefusedError, match=r"leads to other\.o"):
                    recoverer.refuse_unfit()
            tables = ["shop.parents", "shop.t"]
            recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported, tables=tables)
            recoverer.refuse_unfit()
            with recovered_server(ready, recoverer) as (server, _), Session(server.endpoint) as session:
                assert session.rows("SELECT id FROM shop.parents ORDER BY id") == [(2,), (3,)]
                assert list(session.rows(IN_SHOP)) == asked(archived, IN_SHOP)


@pytest.mark.parametrize("text", ["INSERT INTO shop.kids VALUES (3, 1, 3)", "UPDATE shop.kids JOIN shop.t SET s = 'x'"])
def test_tables_that_lead_out_are_not_left_out_where_their_changes_as_text_are_those_of_others_too(
    text: str, tmp_path: Path
) -> None:
    with shop(Flavour.MARIADB, tmp_path) as archived:
        archived.work(
            *FAMILY,
            "CREATE TRIGGER shop.counted AFTER INSERT ON shop.kids FOR EACH ROW UPDATE shop.t SET s = 'x' WHERE id = 1",
        )
        archived.backups.take(archived.server, "shop")
        archived.work("SET SESSION binlog_format = STATEMENT", text)
        with ready_for(archived, archived_now(archived)) as ready:
            assert ready.recovery.notes.textual
            recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported, tables=["shop.t"])
            assert recoverer.left_out == frozenset()
            with pytest.raises(RestoreRefusedError, match=r"leads to other\.o"):
                recoverer.refuse_unfit()
