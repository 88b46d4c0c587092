"""A live server of random contents, and all that can be read of it: what a restore must leave as it was."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from chom_pipelines.restores.operations import Action, Operations
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, Flavour
from chom_pipelines.server.identifiers import quote

NAMES = ("chom_safe_a", "chom_safe_b")
"""The databases of the backup."""
OTHERS = ("chom_safe_x", "chom_safe_y")
"""Databases that a restore may be told to make."""
ACCOUNTS = ("chom_safe_app", "chom_safe_lost")

Thing = tuple[str, str, str]
State = dict[Thing, object]

_A, _B = NAMES
SOURCE = (
    f"CREATE DATABASE {_A} COLLATE utf8mb4_bin",
    f"CREATE DATABASE {_B} COLLATE latin1_swedish_ci",
    f"CREATE TABLE {_B}.parents (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))",
    (
        f"CREATE TABLE {_A}.children (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, KEY (parent), "
        f"CONSTRAINT tie FOREIGN KEY (parent) REFERENCES {_B}.parents (id))"
    ),
    f"CREATE TABLE {_A}.plain (id INT PRIMARY KEY, v VARCHAR(20), KEY (v))",
    f"INSERT INTO {_B}.parents (v) VALUES ('one'), ('two')",
    f"INSERT INTO {_A}.children (parent) VALUES (1), (2), (2)",
    f"INSERT INTO {_A}.plain VALUES (1, 'x'), (2, 'y')",
    f"CREATE VIEW {_A}.seen AS SELECT id FROM {_A}.plain",
    f"CREATE TRIGGER {_A}.checked BEFORE INSERT ON {_A}.plain FOR EACH ROW SET NEW.v = TRIM(NEW.v)",
    f"CREATE FUNCTION {_A}.one() RETURNS INT DETERMINISTIC RETURN 1",
    f"CREATE EVENT {_B}.daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DELETE FROM {_B}.parents",
    f"CREATE USER {ACCOUNTS[0]}@'%' IDENTIFIED BY 'of the backup'",
    f"CREATE USER {ACCOUNTS[1]}@'%' IDENTIFIED BY 'of the backup'",
    f"GRANT SELECT ON {_A}.* TO {ACCOUNTS[0]}@'%'",
)
SEQUENCES = (
    f"CREATE SEQUENCE {_A}.numbers",
    f"CREATE TABLE {_A}.counted (id INT DEFAULT NEXTVAL({_A}.numbers) PRIMARY KEY, v INT)",
    f"INSERT INTO {_A}.counted (v) VALUES (1), (2)",
)

CHANGES = (
    f"ALTER DATABASE {_A} COLLATE utf8mb4_general_ci",
    f"CREATE TABLE {_A}.newer (id INT PRIMARY KEY); INSERT INTO {_A}.newer VALUES (7)",
    f"INSERT INTO {_A}.plain VALUES (3, 'newer')",
    f"DELETE FROM {_A}.children WHERE id = 1",
    f"DROP TABLE {_A}.plain; CREATE VIEW {_A}.plain AS SELECT 1 AS id",
    f"DROP TABLE {_A}.plain",
    f"CREATE TRIGGER {_A}.later AFTER INSERT ON {_A}.plain FOR EACH ROW SET @a = 1",
    f"DROP TRIGGER {_A}.checked; CREATE TRIGGER {_A}.checked BEFORE INSERT ON {_A}.children FOR EACH ROW SET @a = 1",
    f"CREATE PROCEDURE {_A}.newest() SELECT 1",
    f"DROP DATABASE {_A}",
    f"DROP TABLE {_A}.children; DROP DATABASE {_B}",
    f"CREATE DATABASE {OTHERS[0]} COLLATE latin1_bin",
    f"CREATE DATABASE {OTHERS[1]}; CREATE TABLE {OTHERS[1]}.plain (id INT); INSERT INTO {OTHERS[1]}.plain VALUES (9)",
    f"ALTER USER {ACCOUNTS[0]}@'%' IDENTIFIED BY 'of today'",
    f"DROP USER {ACCOUNTS[1]}@'%'",
    f"GRANT DELETE ON {_B}.* TO {ACCOUNTS[0]}@'%'",
    "CREATE USER chom_safe_new@'%' IDENTIFIED BY 'of today'",
)
SEQUENCE_CHANGES = (
    f"SELECT NEXTVAL({_A}.numbers), NEXTVAL({_A}.numbers), NEXTVAL({_A}.numbers)",
    f"DROP TABLE {_A}.counted",
    f"DROP TABLE {_A}.counted; DROP SEQUENCE {_A}.numbers",
)


def changes(flavour: Flavour) -> st.SearchStrategy[list[str]]:
    """What was done to the live server since the backup."""
    possible = CHANGES + (SEQUENCE_CHANGES if flavour is Flavour.MARIADB else ())
    return st.lists(st.sampled_from(possible), max_size=5, unique=True)


def made_anew(session: Session, flavour: Flavour, changed: Iterable[str] = ()) -> None:
    """The databases and accounts of the backup as they were then, and as far as it goes what was done to them since."""
    session.execute("SET SESSION foreign_key_checks = 0")
    for name in (*NAMES, *OTHERS):
        session.execute(f"DROP DATABASE IF EXISTS {name}")
    for name in (*ACCOUNTS, "chom_safe_new"):
        session.execute(f"DROP USER IF EXISTS {name}@'%'")
    for statement in (*SOURCE, *(SEQUENCES if flavour is Flavour.MARIADB else ())):
        session.execute(statement)
    for change in changed:
        for statement in change.split("; "):
            try:
                session.execute(statement)
            except Exception:  # noqa: BLE001, S112  (what an earlier change has taken away is not changed again)
                continue


def state(endpoint: Endpoint, flavour: Flavour) -> State:
    """Every thing on the server with its definition and its rows."""
    found: State = {}
    with Session(endpoint) as session:
        if flavour is Flavour.MYSQL:
            session.execute("SET SESSION print_identified_with_as_hex = ON, information_schema_stats_expiry = 0")
        for database in sorted({str(name) for (name,) in session.rows("SHOW DATABASES")} - SYSTEM_DATABASES):
            found |= _database(session, database)
        for user, host in session.rows("SELECT User, Host FROM mysql.user WHERE User LIKE 'chom%%' OR User = 'root'"):
            name = f"`{user}`@`{host}`"
            found["account", "", f"{user}@{host}"] = (
                session.rows(f"SHOW CREATE USER {name}"),
                sorted(session.rows(f"SHOW GRANTS FOR {name}")),
            )
    return found


def _database(session: Session, database: str) -> State:
    where = quote(database)
    found: State = {("database", database, database): session.row(f"SHOW CREATE DATABASE {where}")}
    for name, kind in session.rows(f"SHOW FULL TABLES FROM {where}"):
        full = f"{where}.{quote(str(name))}"
        if kind == "VIEW":
            # not its text: servers show that of a view by what it reads, which may be replaced
            found["view", database, str(name)] = session.rows(
                "SELECT DEFINER, SECURITY_TYPE, CHECK_OPTION FROM information_schema.VIEWS "
                "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
                (database, name),
            )
        elif kind == "SEQUENCE":
            found["sequence", database, str(name)] = session.row(f"SELECT * FROM {full}")
        else:
            rows = session.rows(f"SELECT * FROM {full} ORDER BY 1")
            found["table", database, str(name)] = (session.row(f"SHOW CREATE TABLE {full}"), rows)
    for trigger, _, table, *_ in session.rows(f"SHOW TRIGGERS FROM {where}"):
        shown = session.row(f"SHOW CREATE TRIGGER {where}.{quote(str(trigger))}")
        found["trigger", database, str(trigger)] = (table, shown[2:6] if shown else None)
    for kind in ("PROCEDURE", "FUNCTION"):
        for _, name, *_ in session.rows(f"SHOW {kind} STATUS WHERE Db = %s", (database,)):
            found[kind.lower(), database, str(name)] = session.row(f"SHOW CREATE {kind} {where}.{quote(str(name))}")
    for _, name, *_ in session.rows(f"SHOW EVENTS FROM {where}"):
        found["event", database, str(name)] = session.row(f"SHOW CREATE EVENT {where}.{quote(str(name))}")
    return found


def differing(before: State, after: State) -> set[Thing]:
    """What is not what it was."""
    return {thing for thing in before.keys() | after.keys() if before.get(thing) != after.get(thing)}


def named(listed: Operations, before: State) -> set[Thing]:
    """What the list of operations says that it touches; a sequence that is only advanced is asked for apart."""
    found: set[Thing] = set()
    for each in listed.all:
        if each.action is Action.ADVANCE:
            continue
        found.add((each.kind, each.database, each.name))
        if each.action is Action.DROP and each.kind == "table":
            found |= {
                thing
                for thing, value in before.items()
                if thing[:2] == ("trigger", each.database) and isinstance(value, tuple) and value[0] == each.name
            }
    return found


def advanced(listed: Operations) -> set[Thing]:
    """Sequences whose counters may go forward."""
    return {("sequence", each.database, each.name) for each in listed.all if each.action is Action.ADVANCE}
