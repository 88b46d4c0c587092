"""Which tables a statement takes and changes is told by where a table's name can stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.format.lexemes import Dialect
from chom_pipelines.binlogs.format.statements import names_directory, understand
from chom_pipelines.server.facts import Flavour

_NO_BACKSLASH_ESCAPES, _ANSI_QUOTES = 1 << 20, 1 << 2


@pytest.mark.parametrize(
    ("query", "needs"),
    [
        ("SELECT o.id FROM t o", ["d.t"]),
        ("SELECT b.y FROM x.a, b AS c JOIN y.`c d` ON b.q = c.z JOIN e USING (f, g)", ["x.a", "d.b", "y.c d", "d.e"]),
        ("SELECT EXTRACT(YEAR FROM a.d), TRIM('x' FROM b.s), SUBSTRING(c.t FROM e.n) FROM t", ["d.t"]),
        ("SELECT (SELECT 1 FROM x.a WHERE a.b = t.c) FROM t WHERE 1 IN (SELECT e.f FROM y.e)", ["x.a", "d.t", "y.e"]),
        ("SELECT 1 FROM t ORDER BY t.a, q.b", ["d.t"]),
        ("SELECT 1 FROM (a JOIN (x.b, c)) UNION SELECT 2 FROM y.e GROUP BY e.f, g.h", ["d.a", "x.b", "d.c", "y.e"]),
        ("SELECT 1 FROM (SELECT 2 FROM x.a) b, LATERAL (SELECT b.c FROM y.e) f", ["x.a", "y.e"]),
        ("WITH a AS (SELECT 1 FROM x.b), c AS (SELECT 2 FROM a) SELECT * FROM c JOIN a", ["x.b"]),
        ("SELECT 1 FROM t USE INDEX FOR JOIN (i) JOIN x.a", ["d.t", "x.a"]),
        ("SELECT 1 FROM t FOR SYSTEM_TIME AS OF NOW() JOIN x.a", ["d.t", "x.a"]),
        ("SELECT 1 FROM JSON_TABLE(t.j, '$' COLUMNS (a INT PATH '$')) k, x.a", ["x.a"]),
        ("SELECT 'FROM x.a', `from x.a`, t.from /* FROM x.a */ FROM t -- JOIN x.b\n", ["d.t"]),
        ("TABLE x.a", ["x.a"]),
        ("SELECT 2. FROM x.a", ["x.a"]),
        ("SELECT t.b FROM t WHERE t.c > 1.5 AND 2.e > 1", ["d.t"]),
        ("WITH s AS (SELECT 1 FROM x.b) SELECT 1 FROM s JOIN d.s AS r", ["x.b", "d.s"]),
        ("VALUES ROW(1, 2), ROW(a.b, 3)", []),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t JOIN x.a", ["d.t", "x.a"]),
        ("WITH RECURSIVE t AS (SELECT 1 FROM x.a UNION SELECT 2 FROM t) SELECT * FROM t", ["x.a"]),
        ("WITH RECURSIVE t (c) AS (SELECT 1 UNION SELECT c FROM t) CYCLE c RESTRICT, u AS (TABLE t) TABLE u", []),
        ("WITH c (a, `b)`) AS (SELECT 1, 2 FROM x.a), e (f) AS (SELECT a FROM c) SELECT * FROM e, c", ["x.a"]),
        ("SELECT * FROM (WITH t AS (SELECT 1 FROM x.a) SELECT * FROM t) s JOIN t", ["x.a", "d.t"]),
        ("WITH t AS (SELECT 1) SELECT * FROM (SELECT * FROM t) s UNION SELECT * FROM t, u", ["d.u"]),
        ("SELECT 1 FROM t WINDOW w AS (ORDER BY a) UNION SELECT 2 FROM w", ["d.t", "d.w"]),
        ("SELECT 1 FROM t GROUP BY a WITH ROLLUP WINDOW w AS (ORDER BY a) UNION SELECT 2 FROM w", ["d.t", "d.w"]),
    ],
)  # fmt: skip
def test_tables_of_a_view(query: str, needs: list[str]) -> None:
    for head in ("CREATE ALGORITHM=MERGE VIEW v (a, b) AS", "ALTER VIEW v AS", "CREATE TABLE v ENGINE=InnoDB AS"):
        found = understand(f"{head} {query}".encode(), "d", Flavour.MARIADB)
        if head.startswith("CREATE TABLE") and query.startswith(("TABLE", "WITH")):
            continue
        assert [".".join(name) for name in found.needs] == needs
        assert found.tables == (("d", "v"),)


def test_a_generated_column_is_no_common_table() -> None:
    text = b"CREATE TABLE t (c INT AS (a + 1), w INT GENERATED ALWAYS AS (a)) SELECT 1 AS a FROM `INT` JOIN `ALWAYS`"
    assert understand(text, "d", Flavour.MARIADB).needs == (("d", "INT"), ("d", "ALWAYS"))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("INSERT INTO x.t SELECT * FROM y.u", {"x"}),
        ("INSERT LOW_PRIORITY IGNORE t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = y.b", {"d"}),
        ("REPLACE `x y`.t VALUES (1)", {"x y"}),
        ("LOAD DATA INFILE 'INTO TABLE x.u' IGNORE INTO TABLE `x`.`t` FIELDS TERMINATED BY ','", {"x"}),
        ("UPDATE LOW_PRIORITY t SET a = (SELECT 1 FROM x.b)", {"d"}),
        ("UPDATE t, x.u v SET t.a = v.b", {"d", "x"}),
        ("UPDATE (t JOIN x.u ON (t.a = q.b)) SET t.a = 1", {"d", "x"}),
        ("UPDATE t JOIN (SELECT 1 FROM x.u) v SET t.a = 1", {"d", "x"}),
        ("DELETE FROM x.t WHERE a IN (SELECT b FROM y.u)", {"x"}),
        ("DELETE t, u.* FROM t JOIN x.u", {"d", "x"}),
        ("DELETE FROM t USING t JOIN x.u", {"d", "x"}),
        ("WITH c AS (SELECT 1 FROM y.u) UPDATE x.t JOIN c SET a = 1", {"x"}),
        ("WITH c (a) AS (SELECT 1 FROM y.u) UPDATE x.t JOIN c SET a = 1", {"x"}),
        ("WITH t AS (SELECT * FROM t), c (`update`) AS (SELECT 1) DELETE t FROM x.t JOIN c", {"x"}),
        ("WITH c AS (SELECT 1) UPDATE t JOIN x.c SET a = 1", {"d", "x"}),
        ("SET STATEMENT a = 1 FOR DELETE FROM x.t", {"x"}),
        ("/* {} */ UPDATE x.t SET a = 1".format("c" * 2000), {"x"}),
        ("UPDATE /* {} */ x.t SET a = 1".format("c" * 2000), {"x"}),
        ("SELECT `x`.`f`(1)", {"x"}),
        ("SELECT `x`.`f`(`d`.`g`(1))", {"x"}),
        ("DO SLEEP(1)", set()),
        ("SELECT x.a FROM x.t", set()),
        ("CALL x.p()", set()),
        ("UPDATE", {""}),
    ],
)
def test_databases_whose_rows_a_statement_changes(text: str, changes: set[str]) -> None:
    for flavour in Flavour:
        assert understand(text.encode(), "d", flavour).changes == changes


@pytest.mark.parametrize(
    ("text", "also", "needs"),
    [
        ("RENAME TABLE a TO b, x.c WAIT 5 TO y.d", ["d.b", "y.d"], ["d.a", "x.c"]),
        ("RENAME TABLES IF EXISTS a TO x.b", ["x.b"], ["d.a"]),
        ("ALTER TABLE t RENAME TO x.b, ADD c INT", ["x.b"], ["d.t"]),
        ("ALTER ONLINE TABLE IF EXISTS t NOWAIT ADD c INT COMMENT 'RENAME', RENAME AS b", ["d.b"], ["d.t"]),
        ("ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX c TO d, RENAME KEY e TO f", [], []),
        ("ALTER TABLE t ADD COLUMN `rename` INT, ADD CHECK (rename IN (1)), RENAME = `x`.b", ["x.b"], ["d.t"]),
        ("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE x.b WITHOUT VALIDATION", ["x.b"], ["x.b", "d.t"]),
        ("ALTER TABLE t CONVERT PARTITION p TO TABLE x.b", ["x.b"], []),
        ("ALTER TABLE t CONVERT TABLE x.b TO PARTITION p VALUES LESS THAN (1)", ["x.b"], ["x.b", "d.t"]),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", [], []),
        ("CREATE TABLE t LIKE x.b", [], ["x.b"]),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS t (LIKE x.b)", [], ["x.b"]),
        ("CREATE TABLE t (a INT CHECK (a LIKE 'x'), b INT AS (a + 1), c VARCHAR(9) AS (CONCAT(a, x.b)))", [], []),
        ("DROP TABLE a, x.b", [], ["d.a", "x.b"]),
        ("DROP TABLE IF EXISTS a, x.b", [], []),
    ],
)
def test_further_tables_of_a_definition(text: str, also: list[str], needs: list[str]) -> None:
    found = understand(text.encode(), "d", Flavour.MARIADB)
    assert ([".".join(name) for name in found.also], [".".join(name) for name in found.needs]) == (also, needs)


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        ("CREATE TABLE x.t (a INT, FOREIGN KEY (a) REFERENCES y.b (c) ON DELETE CASCADE ON UPDATE NO ACTION)", ["y.b"]),
        ("CREATE TABLE x.t (a INT REFERENCES b (c) ON UPDATE SET NULL, d INT REFERENCES y.e (f))", ["x.b"]),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES y.b (`c)`) MATCH FULL ON DELETE SET NULL", ["y.b"]),
        ("ALTER TABLE t ADD CONSTRAINT FOREIGN KEY (a) REFERENCES y.b (c) ON DELETE NO ACTION ON UPDATE RESTRICT", []),
        ("CREATE TABLE x.t (a INT COMMENT 'REFERENCES y.b (c) ON DELETE CASCADE')", []),
    ],
)  # fmt: skip
def test_foreign_keys_that_change_rows(text: str, leads_to: list[str]) -> None:
    found = understand(text.encode(), "d", Flavour.MYSQL)
    assert [".".join(name) for name in found.leads_to] == leads_to


def test_a_text_is_read_in_the_sql_mode_of_its_session() -> None:
    text = rb"ALTER TABLE t COMMENT 'a\', RENAME TO x.b, COMMENT 'c'"
    assert understand(text, "d", Flavour.MARIADB).also == ()
    assert understand(text, "d", Flavour.MARIADB, _NO_BACKSLASH_ESCAPES).also == (("x", "b"),)
    text = rb"""RENAME TABLE "a\" TO "x"."b""c" """
    found = understand(text, "d", Flavour.MYSQL, _ANSI_QUOTES)
    assert (found.tables, found.also) == ((("d", "a\\"),), (("x", 'b"c'),))


def test_names_in_another_character_set_stay_whole() -> None:
    found = understand("RENAME TABLE größe TO x.b".encode("latin-1"), "d", Flavour.MARIADB)
    assert (found.tables, found.also) == ((("d", r"gr\xf6\xdfe"),), (("x", "b"),))
    assert found.text == r"RENAME TABLE gr\xf6\xdfe TO x.b"


PIECES = st.sampled_from(
    [
        *("CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "UPDATE", "DELETE", "INSERT", "INTO", "LOAD", "WITH", "SET"),
        *("TABLE", "VIEW", "EVENT", "INDEX", "TRIGGER", "DATABASE", "OR", "REPLACE", "DEFINER", "=", "@", "STATEMENT"),
        *("FROM", "SELECT", "JOIN", "USING", "ON", "AS", "LIKE", "REFERENCES", "CASCADE", "TO", "IF", "EXISTS", "FOR"),
        *(
            "a",
            "`b`",
            ".",
            ",",
            "(",
            ")",
            "{",
            "'",
            "''",
            '"',
            "`",
            "/*",
            "*/",
            "/*!",
            "/*M!",
            "--",
            "#",
            "\n",
            "\\",
            "é",
        ),
    ]
)


@given(st.lists(PIECES), st.sampled_from([" ", ""]), st.sampled_from(list(Flavour)), st.integers(0, 1 << 21))
def test_any_text_is_read_to_its_end(pieces: list[str], between: str, flavour: Flavour, sql_mode: int) -> None:
    text = between.join(pieces)
    assert understand(text.encode(), "d", flavour, sql_mode).database == "d"


@given(st.binary(max_size=200), st.sampled_from(list(Flavour)))
def test_any_bytes_are_read_and_can_be_shown(text: bytes, flavour: Flavour) -> None:
    for begin in (b"", b"RENAME TABLE ", b"CREATE VIEW v AS SELECT 1 FROM ", b"UPDATE ", b"ALTER EVENT "):
        found = understand(begin + text, "d", flavour)
        names = [name for table in (*found.tables, *found.also, *found.needs) for name in table]
        assert "\udc80" not in "".join((found.text, *names, *found.changes)).encode().decode()


@pytest.mark.parametrize(
    ("text", "draws"),
    [
        ("ALTER TABLE t ADD u VARCHAR(36) DEFAULT (UUID())", True),
        ("ALTER TABLE t ADD COLUMN r DOUBLE NOT NULL DEFAULT RAND()", True),
        ("ALTER TABLE t ADD n BIGINT DEFAULT NEXTVAL(s)", True),
        ("ALTER TABLE t ADD n BIGINT DEFAULT s.nextval", True),
        ("ALTER TABLE t ADD r DOUBLE DEFAULT (RAND(5))", True),
        ("ALTER TABLE t ADD w VARCHAR(90) DEFAULT (USER())", True),
        ("ALTER TABLE t ADD w VARCHAR(90) DEFAULT CURRENT_USER", True),
        ("ALTER TABLE t ADD w DATETIME(6) DEFAULT (SYSDATE(6))", True),
        ("ALTER TABLE t ADD user VARCHAR(90) AFTER role", False),
        ("ALTER TABLE t ADD n BIGINT DEFAULT (NEXT VALUE FOR s)", True),
        ("ALTER TABLE t ADD INDEX uuid (uuid)", False),
        ("ALTER TABLE t ADD uuid CHAR(36), COMMENT 'rand()'", False),
        ("ALTER TABLE t ALTER u SET DEFAULT (UUID())", False),
        ("CREATE TABLE t (u VARCHAR(36) DEFAULT (UUID()))", False),
    ],
)
def test_an_alteration_that_draws_values_is_told_from_others(text: str, *, draws: bool) -> None:
    assert understand(text.encode(), "d", Flavour.MARIADB).draws is draws


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("CREATE TABLE t (a INT) DATA DIRECTORY = '/x'", True),
        ("CREATE TABLE t (a INT) data /* x */ directory '/x'", True),
        ("ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN (1) INDEX DIRECTORY = '/x')", True),
        ("CREATE TABLE t (a INT) /*!50100 DATA*/ /*!50100 DIRECTORY*/ = '/x'", True),
        ("CREATE TABLE t (directory VARCHAR(9), `data directory` INT) COMMENT 'data directory'", False),
        ("CREATE TABLE t (a INT) -- DATA DIRECTORY\n", False),
    ],
)
def test_a_directory_is_named_by_words_alone(text: str, *, names: bool) -> None:
    for flavour in Flavour:
        assert names_directory(text.encode(), Dialect(flavour)) is names
