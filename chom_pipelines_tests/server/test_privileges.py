from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from chom_pipelines.errors import ServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.grants import has_roles
from chom_pipelines.server.identifiers import account, literal, quote
from chom_pipelines.server.privileges import (
    create_user,
    grants_for_backup,
    missing_privileges,
    needs,
)
from chom_pipelines_tests.servers import PrivateServer

USER, HOST, PASSWORD = "least", "localhost", "a password"
MARIADB = ServerFacts(Flavour.MARIADB, (10, 11, 19), "", "", 1, None, {})
MYSQL = ServerFacts(Flavour.MYSQL, (9, 7, 4), "", "", 1, None, {})

OBJECTS = """\
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10)) ENGINE=InnoDB
INSERT INTO t VALUES (1, 'a')
CREATE DEFINER='other'@'localhost' VIEW w AS SELECT * FROM t
CREATE DEFINER='other'@'localhost' PROCEDURE p() SELECT 1
CREATE DEFINER='other'@'localhost' FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1
CREATE DEFINER='other'@'localhost' TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 'b'
CREATE DEFINER='other'@'localhost' EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1
"""
MARIADB_OBJECTS = """\
CREATE SEQUENCE s
CREATE TABLE h (id INT) WITH SYSTEM VERSIONING ENGINE=InnoDB
INSERT INTO h VALUES (1)
DELETE FROM h
SET SESSION sql_mode = 'ORACLE'
CREATE DEFINER='other'@'localhost' PACKAGE pk AS FUNCTION a RETURN INT; END
CREATE DEFINER='other'@'localhost' PACKAGE BODY pk AS FUNCTION a RETURN INT AS BEGIN RETURN 1; END; END
"""
READ = (
    "SHOW CREATE DATABASE {0}",
    "SELECT * FROM {0}.t",
    "SHOW CREATE TABLE {0}.t",
    "SHOW CREATE VIEW {0}.w",
    "SHOW CREATE PROCEDURE {0}.p",
    "SHOW CREATE FUNCTION {0}.f",
    "SHOW CREATE TRIGGER {0}.tr",
    "SHOW CREATE EVENT {0}.e",
    "SELECT column_name, column_type FROM information_schema.columns WHERE table_schema = {1}",
    "SELECT view_definition FROM information_schema.views WHERE table_schema = {1}",
    "SELECT routine_definition FROM information_schema.routines WHERE routine_schema = {1}",
    "SELECT action_statement FROM information_schema.triggers WHERE trigger_schema = {1}",
    "SELECT event_definition FROM information_schema.events WHERE event_schema = {1}",
    "SELECT index_name FROM information_schema.statistics WHERE table_schema = {1}",
    "SHOW CREATE USER 'other'@'localhost'",
    "SHOW GRANTS FOR 'other'@'localhost'",
    "SELECT user FROM information_schema.processlist WHERE user = 'root' LIMIT 1",
)
MARIADB_READ = (
    "SHOW CREATE SEQUENCE {0}.s",
    "SELECT * FROM {0}.s",
    "SHOW CREATE PACKAGE {0}.pk",
    "SHOW CREATE PACKAGE BODY {0}.pk",
    "SELECT * FROM {0}.h FOR SYSTEM_TIME ALL",
    "SELECT User, Host, Role, Admin_option FROM mysql.roles_mapping",
)
MYSQL_READ = ("SELECT * FROM mysql.role_edges", "SELECT * FROM mysql.default_roles")
MARIADB_LOCKS = ("BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT", "SHOW MASTER STATUS", "BACKUP STAGE END")
MYSQL_LOCKS = (
    "LOCK INSTANCE FOR BACKUP",
    "FLUSH TABLES WITH READ LOCK",
    "SHOW BINARY LOG STATUS",
    "UNLOCK TABLES",
    "UNLOCK INSTANCE",
)
UNLOCK = {Flavour.MARIADB: ("UNLOCK TABLES", "BACKUP STAGE END"), Flavour.MYSQL: ("UNLOCK TABLES", "UNLOCK INSTANCE")}
COMMANDS = ("START TRANSACTION WITH CONSISTENT SNAPSHOT", "COMMIT", "FLUSH BINARY LOGS", "SHOW BINARY LOGS")


@pytest.fixture
def database(server: PrivateServer) -> Iterator[str]:
    """Every kind of object, owned by an account that is not the backup's; the name holds a wildcard."""
    name = server.fresh_database()
    statements = OBJECTS + (MARIADB_OBJECTS if server.facts.is_mariadb else "")
    with server.connect() as root:
        root.execute("CREATE ROLE chom_role")
        root.execute("CREATE USER 'other'@'localhost'")
        root.execute("GRANT chom_role TO 'other'@'localhost'")
        root.execute(
            "SET DEFAULT ROLE chom_role " + ("FOR" if server.facts.is_mariadb else "TO") + " 'other'@'localhost'"
        )
        root.execute("GRANT ALL PRIVILEGES ON *.* TO 'other'@'localhost'")
        root.execute(f"USE {quote(name)}")
        for statement in statements.splitlines():
            root.statement(statement.encode())
        yield name
        root.execute("DROP USER 'other'@'localhost'")
        root.execute("DROP ROLE chom_role")


@contextmanager
def account_with(server: PrivateServer, grants: Sequence[str]) -> Iterator[Session]:
    with server.connect() as root:
        root.execute(create_user(USER, HOST).replace("'<password>'", literal(PASSWORD)))
        try:
            for grant in grants:
                root.execute(grant)
            with Session(replace(server.root, user=USER, password=PASSWORD)) as session:
                yield session
        finally:
            root.execute(f"DROP USER {account(USER, HOST)}")


def answers(session: Session, server: PrivateServer, database: str) -> dict[str, object]:
    """What each statement of a backup is answered with: rows, or the server's refusal."""
    mariadb = server.facts.is_mariadb
    found: dict[str, object] = {}
    for statement in (*READ, *(MARIADB_READ if mariadb else MYSQL_READ)):
        found[statement] = answer(session, statement.format(quote(database), literal(database)))
    for command in (*(MARIADB_LOCKS if mariadb else MYSQL_LOCKS), *COMMANDS):
        found[command] = outcome(session, command)
        if found[command] != "done":
            for unlock in UNLOCK[server.flavour]:
                outcome(session, unlock)
    return found


def answer(session: Session, sql: str) -> object:
    try:
        return sorted(session.rows(sql))
    except ServerError as error:
        return type(error)


def outcome(session: Session, command: str) -> object:
    try:
        session.execute(command)
    except ServerError as error:
        return type(error)
    return "done"


def own_grants(session: Session) -> list[str]:
    return [str(line) for (line,) in session.rows("SHOW GRANTS")]


@pytest.mark.parametrize("named", [True, False], ids=["databases named", "every database"])
def test_the_grants_are_enough_and_not_one_can_be_left_out(
    server: PrivateServer,
    database: str,
    named: bool,  # noqa: FBT001
) -> None:
    databases = [database] if named else None
    single = [need.grant(USER, HOST) for need in needs(server.facts, databases)]
    with server.connect() as root:
        everything = answers(root, server, database)
    assert not [statement for statement, answer in everything.items() if isinstance(answer, type) or not answer]
    with account_with(server, grants_for_backup(server.facts, USER, HOST, databases)) as session:
        assert missing_privileges(server.facts, own_grants(session), databases) == []
        assert answers(session, server, database) == everything
    for index, grant in enumerate(single):
        with account_with(server, single[:index] + single[index + 1 :]) as session:
            missing = missing_privileges(server.facts, own_grants(session), databases)
            assert [need.grant(USER, HOST) for need in missing] == [grant]
            assert answers(session, server, database) != everything, f"nothing needs {grant}"


def test_the_account_cannot_write(server: PrivateServer, database: str) -> None:
    with account_with(server, grants_for_backup(server.facts, USER, HOST)) as session:
        held = " ".join(own_grants(session))
        for write in ("INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "SUPER", "CREATE", "FILE", "GRANT OPTION"):
            assert write not in held
        for statement in ("INSERT INTO {}.t VALUES (2, 'b')", "DROP TABLE {}.t", "CREATE TABLE {}.n (id INT)"):
            with pytest.raises(ServerError):
                session.execute(statement.format(quote(database)))


def test_a_role_counts_only_while_it_is_active(server: PrivateServer, database: str) -> None:
    grants = [grant.replace(account(USER, HOST), "chom_role") for grant in grants_for_backup(server.facts, USER, HOST)]
    with account_with(server, [*grants, f"GRANT chom_role TO {account(USER, HOST)}"]) as session:
        lines = own_grants(session)
        assert has_roles(lines)
        assert missing_privileges(server.facts, lines) == needs(server.facts)
        session.execute("SET ROLE chom_role")
        assert missing_privileges(server.facts, own_grants(session)) == []
        assert session.rows(f"SHOW CREATE VIEW {quote(database)}.w")


def test_a_name_with_wildcards_is_granted_alone(server: PrivateServer, database: str) -> None:
    neighbour = database.replace("_", "x")
    with server.connect() as root:
        root.execute(f"CREATE DATABASE {neighbour}")
        try:
            with account_with(server, grants_for_backup(server.facts, USER, HOST, [database])) as session:
                assert neighbour not in [name for (name,) in session.rows("SHOW DATABASES")]
                assert missing_privileges(server.facts, own_grants(session), [neighbour]) != []
        finally:
            root.execute(f"DROP DATABASE {neighbour}")


@pytest.mark.parametrize("revokes", ["ON", "OFF"])
def test_mysqls_partial_revokes_change_what_a_name_means(mysql: PrivateServer, revokes: str) -> None:
    database = mysql.fresh_database()
    with mysql.connect() as root:
        root.execute(f"CREATE TABLE {quote(database)}.t (id INT)")
        root.execute(f"SET GLOBAL partial_revokes = {revokes}")
        try:
            facts = replace(mysql.facts, variables={**mysql.facts.variables, "partial_revokes": revokes})
            with account_with(mysql, grants_for_backup(facts, USER, HOST, [database])) as session:
                assert missing_privileges(facts, own_grants(session), [database]) == []
                assert session.rows(f"SELECT * FROM {quote(database)}.t") == []
        finally:
            root.execute("SET GLOBAL partial_revokes = OFF")


def test_what_was_revoked_for_one_database_is_missing_there(mysql: PrivateServer) -> None:
    database = mysql.fresh_database()
    with mysql.connect() as root:
        root.execute("SET GLOBAL partial_revokes = ON")
        try:
            facts = replace(mysql.facts, variables={**mysql.facts.variables, "partial_revokes": "ON"})
            revoke = f"REVOKE SELECT ON {quote(database)}.* FROM {account(USER, HOST)}"
            with account_with(mysql, [*grants_for_backup(facts, USER, HOST), revoke]) as session:
                for databases in (None, [database]):
                    missing = missing_privileges(facts, own_grants(session), databases)
                    assert [(need.privilege, need.scope) for need in missing] == [("SELECT", f"{quote(database)}.*")]
                    assert missing_privileges(facts, own_grants(session), ["elsewhere"]) == []
        finally:
            root.execute("SET GLOBAL partial_revokes = OFF")


def missing(lines: Sequence[str], databases: Sequence[str] | None, facts: ServerFacts = MARIADB) -> set[str]:
    return {f"{need.privilege} ON {need.scope}" for need in missing_privileges(facts, lines, databases)}


GLOBAL = "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `u`@`%`"
MYSQL_TABLES = "GRANT SELECT ON `mysql`.* TO `u`@`%`"


def test_all_privileges_are_enough() -> None:
    assert missing(["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], None) == set()


def test_privileges_on_tables_and_columns_do_not_cover_a_database() -> None:
    lines = [
        GLOBAL,
        MYSQL_TABLES,
        "GRANT SELECT, SHOW VIEW, TRIGGER ON `app`.`t` TO `u`@`%`",
        "GRANT SELECT (`a`, `b ON x`), EVENT, TRIGGER, SHOW VIEW ON `app`.* TO `u`@`%`",
    ]
    assert missing(lines, ["app"]) == {"SELECT ON `app`.*"}


def test_a_pattern_covers_what_it_matches() -> None:
    lines = [GLOBAL, MYSQL_TABLES, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `app\\_%`.* TO `u`@`%`"]
    assert missing(lines, ["app_one", "app_"]) == set()
    assert len(missing(lines, ["appx"])) == 4


def test_only_the_most_specific_pattern_counts_as_it_does_for_the_server() -> None:
    lines = [
        GLOBAL,
        MYSQL_TABLES,
        "GRANT SELECT ON `app`.* TO `u`@`%`",
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `a%`.* TO `u`@`%`",
    ]
    assert missing(lines, ["app"]) == {f"{privilege} ON `app`.*" for privilege in ("SHOW VIEW", "TRIGGER", "EVENT")}


def test_privileges_on_a_database_do_not_cover_every_database() -> None:
    lines = [GLOBAL, MYSQL_TABLES, "GRANT ALL PRIVILEGES ON `app`.* TO `u`@`%`"]
    assert missing(lines, ["app"]) == set()
    assert missing(lines, None) == {f"{privilege} ON *.*" for privilege in ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")}


def test_before_show_routine_mysql_takes_select_everywhere() -> None:
    old = replace(MYSQL, version=(8, 0, 19))
    assert "SELECT ON *.*" in {f"{need.privilege} ON {need.scope}" for need in needs(old, ["app"])}
    assert "SHOW_ROUTINE" not in " ".join(grants_for_backup(old, "u", "%", ["app"]))
    assert "SHOW_ROUTINE" in " ".join(grants_for_backup(MYSQL, "u", "%", ["app"]))


def test_an_account_without_any_grant_lacks_everything() -> None:
    assert missing_privileges(MYSQL, ["GRANT USAGE ON *.* TO `u`@`%`"], ["app"]) == needs(MYSQL, ["app"])
