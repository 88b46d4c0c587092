"""What an ordinary account has defined is proved and recovered like anything else, though no copy has that account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.point_in_time import point_in_time, recover_into_directory, recover_into_server
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.definitions import INVALID_VIEW
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report, unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_contents, restore_into_directory
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer

APP = "chom_test_app"
VIEWS = {
    "rich": "SELECT id, name FROM users WHERE balance > 50",
    "united": "SELECT id FROM users UNION SELECT user_id FROM orders ORDER BY 1 DESC",
    "buyers": "SELECT id, (SELECT MAX(o.id) FROM orders o WHERE o.user_id = users.id) AS newest FROM users "
    "WHERE EXISTS (SELECT 1 FROM orders WHERE orders.user_id = users.id)",
    "richest": "SELECT MAX(id) AS id FROM rich",
    "doubled": "SELECT twice(id) AS twice FROM rich",
    "tricky": "SELECT users.id AS `d.users`, '`d`.`users`.`id`' AS s FROM users WHERE name <> 'it''s `d`.`users`.`id`'",
}


@dataclass(frozen=True)
class Shop:
    server: PrivateServer
    database: str

    @property
    def definer(self) -> str:
        """The account's name does not occur in other tests."""
        return f"{quote(APP)}@'%'"


@pytest.fixture
def shop(server: PrivateServer) -> Iterator[Shop]:
    """A database whose views, function and trigger are an ordinary account's."""
    made = Shop(server, server.fresh_database("CHARACTER SET utf8mb4"))
    with server.connect() as session:
        session.execute(f"CREATE USER {made.definer}")
        session.execute(f"GRANT ALL ON {made.database}.* TO {made.definer}")
        session.execute(f"USE {made.database}")
        defined(session, made.definer)
        yield made
        session.execute(f"DROP USER IF EXISTS {made.definer}")


def defined(session: Session, definer: str) -> None:
    session.execute("CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50), balance INT)")
    session.execute("CREATE TABLE orders (id INT PRIMARY KEY, user_id INT)")
    session.execute("INSERT INTO users VALUES (1, 'Ada', 100), (2, 'Bob', 10), (3, 'Cy', 60)")
    session.execute("INSERT INTO orders VALUES (1, 3)")
    session.execute(f"CREATE DEFINER={definer} FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n")
    session.execute(f"CREATE DEFINER={definer} TRIGGER kept BEFORE INSERT ON users FOR EACH ROW SET NEW.balance = 1")
    for name, query in VIEWS.items():
        session.execute(f"CREATE DEFINER={definer} VIEW {name} AS {query}")


def answers(session: Session, database: str) -> dict[str, object]:
    return {name: session.rows(f"SELECT * FROM {database}.{name}") for name in VIEWS}


def test_what_an_ordinary_account_has_defined_passes_a_full_proof(shop: Shop, backups: Backups) -> None:
    proof = verify(backups.take(shop.server, shop.database), Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())


def test_a_view_of_a_role_passes_a_full_proof(mariadb: PrivateServer, backups: Backups) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE ROLE {APP}")
        try:
            session.execute(f"GRANT ALL ON {database}.* TO {APP}")
            session.execute(f"USE {database}")
            defined(session, APP)
            proof = verify(backups.take(mariadb, database), Level.FULL, None, unreported)
        finally:
            session.execute(f"DROP ROLE {APP}")
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())


DIFFERENT = {
    "another database of the same columns": "SELECT id, name FROM {other}.users WHERE balance > 50",
    "a column of another database": "SELECT u.id, o.name FROM users u JOIN {other}.users o ON o.id = u.id",
    "another number": "SELECT id, name FROM users WHERE balance > 51",
    "another order": "SELECT id, name FROM users WHERE balance > 50 ORDER BY 1",
    "another string": "SELECT id, name FROM users WHERE balance > 50 AND name <> '`{own}`.`users`.`id`'",
}


@pytest.mark.parametrize("query", DIFFERENT.values(), ids=DIFFERENT)
def test_a_copy_whose_view_is_another_one_fails(
    shop: Shop, backups: Backups, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    other = shop.server.fresh_database()
    own, definer = shop.database, shop.definer
    with shop.server.connect() as session:
        session.execute(f"CREATE TABLE {other}.users LIKE {own}.users")
    entry = backups.take(shop.server, own, other)

    def unfaithful(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
        result = restore_contents(contents, target, request, report)
        with Session(target) as session:
            session.execute(f"USE {own}")
            session.execute(f"ALTER DEFINER={definer} VIEW rich AS {query.format(own=own, other=other)}")
        return result

    monkeypatch.setattr("chom_pipelines.proofs.full.restore_contents", unfaithful)
    proof = verify(entry, Level.FULL, None, unreported)
    assert f"view {own}.rich: its definition differs in the restored copy" in proof.failures


def test_the_string_of_a_view_is_not_taken_for_a_name(
    shop: Shop, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shop.database
    with shop.server.connect() as session:
        session.execute(f"USE {own}")
        session.execute(f"CREATE DEFINER={shop.definer} VIEW said AS SELECT '`{own}`.`users`.`id`' AS s")
    entry = backups.take(shop.server, own)

    def unfaithful(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
        result = restore_contents(contents, target, request, report)
        with Session(target) as session:
            session.execute(f"USE {own}")
            session.execute(f"ALTER DEFINER={shop.definer} VIEW said AS SELECT '`users`.`id`' AS s")
        return result

    monkeypatch.setattr("chom_pipelines.proofs.full.restore_contents", unfaithful)
    proof = verify(entry, Level.FULL, None, unreported)
    assert proof.failures == (f"view {own}.said: its definition differs in the restored copy",)


def test_a_view_whose_account_is_gone_is_named_and_proves_nothing(shop: Shop, backups: Backups) -> None:
    with shop.server.connect() as session:
        session.execute(f"DROP USER {shop.definer}")
    entry = backups.take(shop.server, shop.database)
    manifest = entry.manifest(None)
    assert {each.name for each in manifest.logical.schema_objects if each.kind == INVALID_VIEW} == set(VIEWS)
    assert any("views that name what is not there" in each for each in manifest.warnings)
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())


def test_a_directory_has_the_views_and_none_of_what_stood_in_for_their_account(
    shop: Shop, backups: Backups, tmp_path: Path
) -> None:
    entry = backups.take(shop.server, shop.database)
    target = tmp_path / "restored"
    restore_into_directory(entry, None, target, RestoreRequest(threads=2), unreported)
    with scratch_server(shop.server.flavour, data_directory=target) as copy, Session(copy.endpoint) as session:
        assert not session.rows(f"SELECT User FROM mysql.user WHERE User = '{APP}'")
        session.execute(f"CREATE USER {shop.definer}")
        session.execute(f"GRANT ALL ON {shop.database}.* TO {shop.definer}")
        with shop.server.connect() as live:
            assert answers(session, shop.database) == answers(live, shop.database)


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """A database of an ordinary account in a full backup, and changes behind that, one more view among them."""
    with archived_server(request.param) as server:
        made = Archive(server, Backups(tmp_path))
        definer = f"{APP}@'%'"
        with server.connect() as session:
            session.execute(f"CREATE USER {definer}")
            session.execute(f"GRANT ALL ON *.* TO {definer}")  # also on the copy
            session.execute("USE shop")
            defined(session, definer)
        made.backups.take(server)
        made.work(
            "CREATE USER late@'%'",
            "GRANT ALL ON *.* TO late@'%'",
            "CREATE DEFINER=late@'%' VIEW shop.later AS SELECT id FROM shop.users ORDER BY 1",
            f"CREATE DEFINER={definer} VIEW shop.on_view AS SELECT MIN(id) FROM shop.rich",
            "UPDATE shop.users SET balance = 99 WHERE id = 2",
        )
        made.archive()
        yield made


def end_of(archived: Archive) -> BeforePlace:
    last = archived.history.last
    assert last
    return BeforePlace(last.file, last.end)


def test_a_point_in_time_is_restored_with_the_views_of_accounts_that_are_not(archived: Archive, tmp_path: Path) -> None:
    server, (repository, keyring) = archived.server, (archived.backups.repository, archived.keyring)
    with server.connect() as live:
        wanted = answers(live, "shop")
        shown = live.row("SHOW CREATE VIEW shop.later")
    with point_in_time(repository, NAME, end_of(archived), keyring=keyring, report=unreported, threads=1) as ready:
        recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=unreported)
        recover_into_directory(ready, tmp_path / "restored", recoverer, replace_it=False)
        request = RestoreRequest(rename={"shop": "copy"}, threads=2)
        recover_into_server(ready, server.root, recoverer, lambda _: request)
    with server.connect() as live:
        assert answers(live, "copy") == wanted
        assert live.rows("SELECT * FROM copy.on_view") == [(1,)]
        assert live.row("SHOW CREATE VIEW copy.later") == tuple(
            each.replace("`shop`", "`copy`") if isinstance(each, str) else each for each in shown or ()
        )
        live.execute("DROP DATABASE copy")
    with scratch_server(server.flavour, data_directory=tmp_path / "restored") as copy, Session(copy.endpoint) as there:
        assert not there.rows(f"SELECT User FROM mysql.user WHERE User IN ('{APP}', 'late')")
        there.execute(f"CREATE USER {APP}@'%'")
        there.execute(f"GRANT ALL ON shop.* TO {APP}@'%'")
        assert answers(there, "shop") == wanted
