"""What the copy says of a statement is what production then does with rows in its tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.migrations.algorithms import execute
from chom_pipelines.migrations.checking import MigrationCheck
from chom_pipelines.migrations.reading_shapes import read_shape
from chom_pipelines.migrations.shapes import differences
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "algorithms"
SCHEMA = (
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "INSERT INTO parents VALUES (1)",
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT NULL, b VARCHAR(50), c VARCHAR(50), d ENUM('x', 'y'),"
    " e TEXT, p INT, KEY t_a (a))",
    "INSERT INTO t (a, b, c, d, e, p) VALUES (1, 'b', 'c', 'x', 'e', 1)",
    *("INSERT INTO t (a, b, c, d, e, p) SELECT a, b, c, d, e, p FROM t",) * 10,
)
STATEMENTS = (
    "ALTER TABLE t ADD COLUMN n1 INT",
    "ALTER TABLE t ADD COLUMN n2 INT NOT NULL DEFAULT 5 AFTER a",
    "ALTER TABLE t ADD COLUMN n3 INT GENERATED ALWAYS AS (a + 1) STORED",
    "ALTER TABLE t DROP COLUMN n1",
    "ALTER TABLE t RENAME COLUMN n2 TO n4",
    "ALTER TABLE t ALTER COLUMN n4 SET DEFAULT 6",
    "ALTER TABLE t MODIFY b VARCHAR(60)",
    "ALTER TABLE t MODIFY b VARCHAR(191)",
    "ALTER TABLE t MODIFY a BIGINT NULL",
    "ALTER TABLE t MODIFY c VARCHAR(50) NOT NULL",
    "ALTER TABLE t MODIFY d ENUM('x', 'y', 'z')",
    "ALTER TABLE t ADD INDEX t_b (b)",
    "ALTER TABLE t ADD FULLTEXT t_e (e)",
    "ALTER TABLE t RENAME INDEX t_b TO t_bb",
    "ALTER TABLE t DROP INDEX t_bb",
    "ALTER TABLE t ADD CONSTRAINT t_p FOREIGN KEY (p) REFERENCES parents (id)",
    "ALTER TABLE t DROP FOREIGN KEY t_p",
    "ALTER TABLE t ADD CONSTRAINT t_check CHECK (p > 0)",
    "ALTER TABLE t COMMENT = 'a table'",
    "ALTER TABLE t ENGINE = InnoDB",
    "ALTER TABLE t ADD COLUMN n5 INT, ADD INDEX t_n5 (n5)",
    "CREATE UNIQUE INDEX t_id ON t (id)",
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)


@pytest.fixture
def check(server: PrivateServer, tmp_path: Path) -> Iterator[MigrationCheck]:
    make_database(server.root, DATABASE, SCHEMA)
    place = written(tmp_path / "m", {f"{number:04}_step": each for number, each in enumerate(STATEMENTS)})
    yield checked(server.root, DATABASE, place)
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def test_algorithm_lock_and_copying_are_those_of_production(server: PrivateServer, check: MigrationCheck) -> None:
    assert [each.step.statement.bare for each in check.plan] == list(STATEMENTS)
    with Session(server.root) as session:
        session.execute(f"USE {DATABASE}")
        for planned in check.plan:
            step = planned.step
            before = read_shape(session, server.facts, [DATABASE])
            real = execute(session, server.facts, step.statement)
            after = read_shape(session, server.facts, [DATABASE])
            copied = any(each.copied for each in differences(before, after))
            told = (step.algorithm.name, step.algorithm.lock, step.copies)
            assert told == (real.name, real.lock, copied or real.name == "COPY"), step.statement.bare


def test_a_server_that_accepts_instant_and_copies_is_not_believed(mariadb: PrivateServer, tmp_path: Path) -> None:
    make_database(mariadb.root, DATABASE, SCHEMA)
    found = checked(
        mariadb.root, DATABASE, written(tmp_path / "m", {"0001_p": "ALTER TABLE t PARTITION BY KEY (id) PARTITIONS 2"})
    )
    [planned] = found.plan
    assert planned.step.copies
    assert "LK01" in {each.code for each in found.findings}
    with Session(mariadb.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")
