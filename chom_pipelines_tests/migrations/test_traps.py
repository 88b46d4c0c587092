"""Each trap has a table of its own with rows, and a migration that fails or loses rows there: none is passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chom_pipelines.migrations.checking import MigrationCheck
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.migrations.checked import HISTORY, checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "traps"
PARTS = "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN (1000))"
LISTED = "PARTITION BY LIST (id) (PARTITION p0 VALUES IN (1, 2), PARTITION p1 VALUES IN (3))"
ONE_ROW = ("id INT PRIMARY KEY, v INT", "(1, 1)")


@dataclass(frozen=True)
class Trap:
    """`t` in the migration stands for the trap's own table."""

    migration: str
    columns: str = ONE_ROW[0]
    rows: str = ONE_ROW[1]
    options: str = ""
    flavours: tuple[Flavour, ...] = tuple(Flavour)


MARIADB, MYSQL = (Flavour.MARIADB,), (Flavour.MYSQL,)
TRAPS = {
    "fk_new_column": Trap("ALTER TABLE t ADD c INT NOT NULL;\nALTER TABLE t ADD CONSTRAINT t_c FOREIGN KEY (c) REFERENCES cats (id)"),
    "fk_new_default": Trap("ALTER TABLE t ADD c INT NOT NULL DEFAULT 1, ADD CONSTRAINT t_c FOREIGN KEY (c) REFERENCES cats (id)"),
    "drop_and_add": Trap("ALTER TABLE t DROP COLUMN v, ADD COLUMN v INT"),
    "drop_and_add_odd": Trap("ALTER/**/TABLE t DROP v, ADD COLUMN v BIGINT NOT NULL DEFAULT 0"),
    "to_generated": Trap("ALTER TABLE t MODIFY v INT GENERATED ALWAYS AS (id * 100) STORED"),
    "swapped": Trap("ALTER TABLE t RENAME COLUMN v TO w, RENAME COLUMN w TO v", "id INT PRIMARY KEY, v INT, w INT", "(1, 1, 2)"),
    "drop_partition": Trap("ALTER TABLE t ALGORITHM=INPLACE, LOCK=DEFAULT, DROP PARTITION p0", options=PARTS),
    "drop_partition_odd": Trap("ALTER TABLE t /* old */ DROP PARTITION p0", options=PARTS),
    "reorganize": Trap("ALTER TABLE t REORGANIZE PARTITION p0 INTO (PARTITION p0 VALUES IN (1))", options=LISTED),
    "convert": Trap("ALTER TABLE t CONVERT PARTITION p0 TO TABLE t_archive", options=PARTS, flavours=MARIADB),
    "unversioned": Trap("ALTER TABLE t DROP SYSTEM VERSIONING", options="WITH SYSTEM VERSIONING", flavours=MARIADB),
    "partition_by": Trap("ALTER TABLE t PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (1))"),
    "analyze_delete": Trap("ANALYZE DELETE FROM t", flavours=MARIADB),
    "analyze_update": Trap("ANALYZE FORMAT=JSON UPDATE t SET v = 0", flavours=MARIADB),
    "check_new_column": Trap("ALTER TABLE t ADD q INT NOT NULL DEFAULT 0, ADD CONSTRAINT t_q CHECK (q > 0)"),
    "check_inline": Trap("ALTER TABLE t ADD q INT NOT NULL DEFAULT 0 CHECK (q > 0)"),
    "check_mixed": Trap("ALTER TABLE t ADD q INT NOT NULL DEFAULT 0;\nALTER TABLE t ADD CONSTRAINT t_m CHECK (q >= v)"),
    "check_replaced": Trap("ALTER TABLE t DROP CONSTRAINT t_r, ADD CONSTRAINT t_r CHECK (v > 10)", "id INT PRIMARY KEY, v INT, CONSTRAINT t_r CHECK (v > 0)"),
    "insert_select": Trap("CREATE TABLE t_n (v INT PRIMARY KEY);\nINSERT INTO t_n SELECT v FROM t", rows="(1, 1), (2, 1)"),
    "create_select": Trap("CREATE TABLE t_n (v INT PRIMARY KEY) SELECT v FROM t", rows="(1, 1), (2, 1)"),
    "text_to_int": Trap("ALTER TABLE t MODIFY v INT", "id INT PRIMARY KEY, v VARCHAR(30)", "(1, '99999999999')"),
    "int_to_text": Trap("ALTER TABLE t MODIFY v VARCHAR(2)", rows="(1, 12345)"),
    "enum_to_text": Trap("ALTER TABLE t MODIFY v VARCHAR(4)", "id INT PRIMARY KEY, v ENUM('pending', 'done')", "(1, 'pending')"),
    "text_to_enum": Trap("ALTER TABLE t MODIFY v ENUM('a')", "id INT PRIMARY KEY, v VARCHAR(9)", "(1, 'b')"),
    "set_to_enum": Trap("ALTER TABLE t MODIFY v ENUM('a', 'b')", "id INT PRIMARY KEY, v SET('a', 'b')", "(1, 'a,b')"),
    "set_loses": Trap("ALTER TABLE t MODIFY v SET('a')", "id INT PRIMARY KEY, v SET('a', 'b')", "(1, 'a,b')"),
    "binary_to_text": Trap("ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET utf8mb4", "id INT PRIMARY KEY, v VARBINARY(20)", "(1, x'ff00ff')"),
    "characters_to_bytes": Trap("ALTER TABLE t MODIFY v TINYTEXT CHARACTER SET utf8mb4", "id INT PRIMARY KEY, v VARCHAR(200) CHARACTER SET utf8mb4", "(1, REPEAT(_utf8mb4 x'c3a9', 200))"),
    "decimal_unsigned": Trap("ALTER TABLE t MODIFY v DECIMAL(10, 2) UNSIGNED", "id INT PRIMARY KEY, v DECIMAL(10, 2)", "(1, -5)"),
    "double_unsigned": Trap("ALTER TABLE t MODIFY v DOUBLE UNSIGNED", "id INT PRIMARY KEY, v FLOAT", "(1, -5.5)"),
    "fraction": Trap("ALTER TABLE t MODIFY v DATETIME(3)", "id INT PRIMARY KEY, v DATETIME(6)", "(1, '2024-01-01 00:00:00.123456')"),
    "other_rows_null": Trap("UPDATE dogs JOIN t o ON o.id = dogs.id SET o.v = NULL WHERE dogs.id = 1;\nALTER TABLE t MODIFY v INT NOT NULL"),
    "new_and_null": Trap("ALTER TABLE t ADD q INT;\nALTER TABLE t MODIFY q INT NOT NULL"),
    "computed_unique": Trap("ALTER TABLE t ADD g INT GENERATED ALWAYS AS (ABS(v)) STORED, ADD UNIQUE (g)", rows="(1, 5), (2, -5)"),
    "computed_too_large": Trap("ALTER TABLE t ADD g TINYINT GENERATED ALWAYS AS (v) STORED", rows="(1, 1000)"),
    "zero_counts": Trap("ALTER TABLE t MODIFY id INT NOT NULL AUTO_INCREMENT PRIMARY KEY", "id INT, v INT", "(0, 1), (1, 2)"),
    "counts_twice": Trap("ALTER TABLE t MODIFY id INT NOT NULL AUTO_INCREMENT PRIMARY KEY", "id INT, v INT", "(1, 1), (1, 2)"),
    "date_of_nothing": Trap("ALTER TABLE t ADD d DATE NOT NULL", flavours=MYSQL),
    "where_in_comment": Trap("DELETE FROM t /* where */"),
    "where_true": Trap("DELETE FROM t WHERE 1 = 1"),
    "where_inside": Trap("UPDATE t SET v = (SELECT id FROM cats WHERE cats.id = t.id)"),
    "replace": Trap("REPLACE INTO t VALUES (1, 2)"),
    "taken_key": Trap("INSERT INTO t VALUES (1, 2)"),
    "global": Trap("SET GLOBAL max_connections = 50"),
    "event": Trap("CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01' DO DELETE FROM t"),
    "same_expression": Trap("CREATE UNIQUE INDEX u ON t ((LOWER(v)))", "id INT PRIMARY KEY, v VARCHAR(9) COLLATE utf8mb4_bin", "(1, 'a'), (2, 'A')", flavours=MYSQL),
    "join": Trap("SELECT * FROM empty_one e RIGHT JOIN t o ON o.id = e.id"),
    "extract": Trap("SELECT EXTRACT(YEAR FROM NOW()), v FROM t"),
    "existing_view": Trap("SELECT COUNT(*) FROM all_cats"),
    "sizes": Trap("SELECT table_rows FROM information_schema.tables WHERE table_name = 't'"),
    "rows_and_schema": Trap("SELECT v FROM t WHERE EXISTS (SELECT 1 FROM information_schema.tables)"),
    "set_by_rows": Trap("SET @n = (SELECT COUNT(*) FROM t)"),
    "into_memory": Trap("ALTER TABLE t ENGINE = MEMORY"),
    "host": Trap("SELECT @@hostname"),
}  # fmt: skip
"""What fails in production, or loses what is there."""
WARNED = {
    "lock": ("LK09", Trap("LOCK TABLES t WRITE;\nUNLOCK TABLES")),
    "trigger": ("DS07", Trap("CREATE TRIGGER t_t BEFORE INSERT ON t FOR EACH ROW SET NEW.v = NULL")),
    "other_view": ("DS07", Trap("CREATE OR REPLACE VIEW spare_view AS SELECT id FROM cats WHERE 0")),
    "cascade": (
        "FK08",
        Trap(
            "ALTER TABLE t DROP FOREIGN KEY t_f;\n"
            "ALTER TABLE t ADD CONSTRAINT t_f FOREIGN KEY (v) REFERENCES cats (id) ON DELETE CASCADE",
            "id INT PRIMARY KEY, v INT, CONSTRAINT t_f FOREIGN KEY (v) REFERENCES cats (id)",
        ),
    ),
}
HARMLESS = {
    "fk_null": Trap("ALTER TABLE t ADD c INT;\nALTER TABLE t ADD CONSTRAINT t_c FOREIGN KEY (c) REFERENCES cats (id)"),
    "fk_default": Trap("ALTER TABLE t ADD c INT NOT NULL DEFAULT 7, ADD CONSTRAINT t_c FOREIGN KEY (c) REFERENCES cats (id)"),
    "check_holds": Trap("ALTER TABLE t ADD q INT NOT NULL DEFAULT 3, ADD CONSTRAINT t_q CHECK (q > 0 AND q > v)"),
    "wider": Trap("ALTER TABLE t MODIFY v BIGINT, MODIFY w VARCHAR(90), MODIFY x DECIMAL(12, 3), MODIFY y DATETIME(6)", "id INT PRIMARY KEY, v INT, w VARCHAR(30), x DECIMAL(9, 2), y DATETIME", "(1, 1, 'a', 1.5, NOW())"),
    "fitting": Trap("ALTER TABLE t MODIFY v SMALLINT, MODIFY w VARCHAR(3), MODIFY x INT", "id INT PRIMARY KEY, v INT, w VARCHAR(30), x VARCHAR(9)", "(1, 1, 'a', '5')"),
    "empty": Trap("ALTER TABLE t MODIFY v DATE;\nALTER TABLE t ADD d INT GENERATED ALWAYS AS (id) STORED", rows=""),
    "given_key": Trap("INSERT INTO t (v) VALUES (3)", "id INT AUTO_INCREMENT PRIMARY KEY, v INT"),
    "hashed": Trap("ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 2"),
    "of_one_row": Trap("UPDATE t SET v = 2 WHERE (id = 1 OR id = 2)"),
    "unique_expression": Trap("CREATE UNIQUE INDEX u ON t ((LOWER(v)))", "id INT PRIMARY KEY, v VARCHAR(9)", "(1, 'a'), (2, 'b')", flavours=MYSQL),
    "schema": Trap("SELECT table_name, (data_length + index_length) as `size` FROM information_schema.tables WHERE table_schema = 'x'"),
    "new_table": Trap("CREATE TABLE t_n (id INT PRIMARY KEY);\nINSERT INTO t_n VALUES (1);\nALTER TABLE t_n RENAME TO t_m, ADD a INT"),
    "analyze": Trap("ANALYZE TABLE t"),
}  # fmt: skip
"""What must raise no alarm beside those."""
EVERY = {**TRAPS, **{name: trap for name, (_, trap) in WARNED.items()}, **HARMLESS}
SCHEMA = (
    HISTORY,
    "CREATE TABLE cats (id INT PRIMARY KEY)",
    "INSERT INTO cats VALUES (7)",
    "INSERT INTO cats VALUES (1000)",
    "DELETE FROM cats WHERE id = 1000",
    "CREATE TABLE dogs (id INT PRIMARY KEY)",
    "CREATE TABLE empty_one (id INT PRIMARY KEY)",
    "CREATE VIEW all_cats AS SELECT * FROM cats",
    "CREATE VIEW spare_view AS SELECT id FROM cats",
)


def own(name: str, text: str) -> str:
    """With the trap's own table, and names of its own."""
    return re.sub(r"\bt_", f"{name}_", re.sub(r"\bt\b", f"x_{name}", text))


def named(name: str) -> str:
    """Of its file."""
    return f"{list(EVERY).index(name):04}_{name}"


@pytest.fixture(scope="module")
def found(any_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MigrationCheck]:
    """All of them in one check."""
    flavour = any_server.flavour
    there = {name: trap for name, trap in EVERY.items() if flavour in trap.flavours}
    tables = [own(name, f"CREATE TABLE t ({trap.columns}) {trap.options}") for name, trap in there.items()]
    rows = [own(name, f"INSERT INTO t VALUES {trap.rows}") for name, trap in there.items() if trap.rows]
    with any_server.scope() as server, Session(server.root) as session:
        make_database(server.root, DATABASE, (*SCHEMA, "SET foreign_key_checks = 0", *tables, *rows))
        place = written(
            tmp_path_factory.mktemp("traps"), {named(name): own(name, trap.migration) for name, trap in there.items()}
        )
        yield checked(server.root, DATABASE, place)
        session.execute(f"DROP DATABASE {DATABASE}")


def told(found: MigrationCheck, name: str) -> list[tuple[str, Severity]]:
    return [
        (each.code, each.severity)
        for each in found.findings
        if each.migration == f"{named(name)}.sql" and each.severity is not Severity.INFO
    ]


def missing(found: MigrationCheck, trap: Trap) -> bool:
    return not any(found.on.lower().startswith(each.value) for each in trap.flavours)


@pytest.mark.parametrize("name", TRAPS)
def test_what_fails_or_loses_rows_is_an_error_or_not_verified(found: MigrationCheck, name: str) -> None:
    weights = {weight for code, weight in told(found, name) if not code.startswith(("HS", "LK", "TX"))}
    assert missing(found, TRAPS[name]) or weights & {Severity.ERROR, Severity.UNKNOWN}


@pytest.mark.parametrize("name", WARNED)
def test_what_the_running_code_meets_is_told(found: MigrationCheck, name: str) -> None:
    code, _ = WARNED[name]
    assert code in {each for each, _ in told(found, name)}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_provably_safe_raises_no_alarm(found: MigrationCheck, name: str) -> None:
    alarms = [(code, weight) for code, weight in told(found, name) if weight is not Severity.WARNING]
    assert missing(found, HARMLESS[name]) or alarms == []
