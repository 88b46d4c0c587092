"""One ALTER TABLE or several: what costs less is found by trying both."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.migrations.checking import MigrationCheck
from chom_pipelines.migrations.sql_text import clauses
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import HISTORY, checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "formed"
SCHEMA = (
    HISTORY,
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(20), c INT, p INT,"
    " KEY (p), CONSTRAINT t_p FOREIGN KEY (p) REFERENCES parents (id))",
    "INSERT INTO t VALUES (1, 1, 'x', 1, NULL)",
)
PLAIN = st.text(st.sampled_from("abc1 "), min_size=1).filter(str.strip)
QUOTED = st.builds(
    lambda mark, inner: mark + inner.replace(mark, mark * 2) + mark,
    st.sampled_from("'`"),
    st.text(st.sampled_from("a,('`")),
)
CLAUSE = st.lists(st.one_of(PLAIN, QUOTED, st.builds("({})".format, PLAIN), st.just("(a, 'b,)')")), min_size=1).map(
    " ".join
)


@given(st.lists(CLAUSE, min_size=1))
def test_a_statement_is_divided_where_its_clauses_end_and_nowhere_else(parts: list[str]) -> None:
    assert clauses(", ".join(parts)) == [each.strip() for each in parts]


def found(server: PrivateServer, place: Path, migrations: dict[str, str]) -> MigrationCheck:
    make_database(server.root, DATABASE, SCHEMA)
    try:
        return checked(server.root, DATABASE, written(place, migrations))
    finally:
        with Session(server.root) as session:
            session.execute(f"DROP DATABASE {DATABASE}")


def said(check: MigrationCheck) -> list[tuple[str, str]]:
    return [(each.what, each.remedy) for each in check.findings if each.code == "LK05"]


def test_two_that_rebuild_are_told_to_be_one(server: PrivateServer, tmp_path: Path) -> None:
    check = found(
        server,
        tmp_path / "m",
        {
            "001_a": "ALTER TABLE t MODIFY a BIGINT",
            "002_b": "ALTER TABLE t MODIFY b VARCHAR(30)",
            "003_c": "ALTER TABLE t MODIFY c BIGINT",
        },
    )
    [(what, remedy)] = said(check)
    assert what == f"{DATABASE}.t is copied twice by 3 statements, and copied once by one ALTER TABLE"
    assert remedy == "ALTER TABLE `t` MODIFY a BIGINT, MODIFY b VARCHAR(30), MODIFY c BIGINT"


def test_one_that_rebuilds_for_a_change_that_is_instant_alone_is_told_to_be_several(
    server: PrivateServer, tmp_path: Path
) -> None:
    check = found(server, tmp_path / "m", {"001_a": "ALTER TABLE t ADD COLUMN n INT, ADD INDEX t_n (n)"})
    assert said(check) == [
        (
            f"{DATABASE}.t is built anew once by 1 statement, and not written anew by 2 statements",
            "ALTER TABLE `t` ADD COLUMN n INT;\nALTER TABLE `t` ADD INDEX t_n (n)",
        )
    ]


@pytest.mark.parametrize(
    "migrations",
    [
        {"001_a": "ALTER TABLE t ADD COLUMN n INT", "002_b": "ALTER TABLE t ADD COLUMN m INT"},
        {"001_a": "ALTER TABLE t MODIFY a BIGINT, MODIFY c BIGINT"},
        {
            "001_a": "ALTER TABLE t MODIFY a BIGINT",
            "002_r": "UPDATE t SET a = 2 WHERE id = 1",
            "003_c": "ALTER TABLE t MODIFY c BIGINT",
        },
        {
            "001_a": "ALTER TABLE t MODIFY a BIGINT",
            "002_r": "INSERT INTO parents SELECT a FROM t WHERE id = 9",
            "003_c": "ALTER TABLE t DROP COLUMN b, MODIFY c BIGINT",
        },
        {"001_a": "ALTER TABLE t DROP FOREIGN KEY t_p, MODIFY a BIGINT"},
    ],
    ids=[
        "both are instant",
        "one is right",
        "rows change in between",
        "rows are read in between",
        "it cannot be tried",
    ],
)
def test_what_costs_no_less_in_another_form_is_left(
    server: PrivateServer, tmp_path: Path, migrations: dict[str, str]
) -> None:
    assert said(found(server, tmp_path / "m", migrations)) == []


def test_a_table_that_gets_another_name_among_other_changes_is_followed(server: PrivateServer, tmp_path: Path) -> None:
    text = "CREATE TABLE stage (id INT PRIMARY KEY);\nALTER TABLE stage ADD a INT;\nALTER TABLE stage RENAME TO done, ADD b INT;"
    assert [
        each.code for each in found(server, tmp_path / "m", {"001_a": text}).findings if each.code[:2] == "RN"
    ] == []
