"""Random tables come back as they were; `make differential TABLES=1000` tries many more."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from chom_pipelines_tests.differential import texts
from chom_pipelines_tests.differential.tables import MODES, random_table
from chom_pipelines_tests.differential.trial import Trial
from chom_pipelines_tests.servers import PrivateServer

TABLES = 25
SEED = 20_261_126
"""The same tables at every run: what others find is for `make differential`, which draws its seed."""
EXPECTED = {
    *("TINYINT", "SMALLINT", "MEDIUMINT", "BIGINT UNSIGNED ZEROFILL", "DECIMAL(", "FLOAT ", "DOUBLE ", "DOUBLE("),
    *("BIT(64)", "YEAR", "DATE ", "TIME(6)", "DATETIME(3)", "TIMESTAMP", "CHAR(", "VARCHAR(", "TINYTEXT", "MEDIUMTEXT"),
    *("LONGTEXT", "BINARY(", "VARBINARY(", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "ENUM(", "SET(", "JSON", "POINT"),
    *(f"CHARACTER SET {charset}" for charset in texts.CODECS),
    *("PRIMARY KEY", "UNIQUE KEY", "FULLTEXT KEY", "SPATIAL KEY", " DESC", "`(4)", "AUTO_INCREMENT", "USING HASH"),
    *("PARTITION BY HASH", "BY KEY", "BY RANGE (", "BY LIST", "RANGE COLUMNS", "SUBPARTITION", "VIRTUAL", "STORED"),
    *("INVISIBLE", "CHECK (", "DEFAULT (", "CURRENT_TIMESTAMP", "InnoDB", "MyISAM", "MEMORY", "NULL", "-0e0"),
    *("5e-324", "2023-02-31", "0000-00-00", "REPEAT(", "INSERT IGNORE", "DELETE FROM", *MODES),
}
MARIADB = {"Aria", "UUID", "INET4", "INET6", "COMPRESSED", "SYSTEM VERSIONING"}
MYSQL = {"VECTOR(", "KEY f ((", "NOT ENFORCED"}


def test_random_tables_come_back_as_they_were(server: PrivateServer, tmp_path: Path) -> None:
    tally = Trial(server, tmp_path, seed=SEED, count=TABLES).run()
    assert not tally.findings, "\n".join(tally.findings)  # each begins with the seed that makes it again
    assert tally.tables == TABLES
    assert tally.rows > 0


@pytest.mark.parametrize("mariadb", [True, False])
def test_what_is_drawn_is_wide(mariadb: bool) -> None:  # noqa: FBT001  (a parameter)
    random = Random(0)
    drawn = [random_table(random, number, mariadb=mariadb) for number in range(1_000)]
    text = "\n".join(line for table in drawn for line in (table.mode, table.create, *table.rows))
    assert {wanted for wanted in EXPECTED | (MARIADB if mariadb else MYSQL) if wanted not in text} == set()


def test_a_seed_makes_the_same_tables_again() -> None:
    one, other = (
        [random_table(random, number, mariadb=True) for number in range(20)]
        for random in (Random("seed"), Random("seed"))
    )
    assert one == other
