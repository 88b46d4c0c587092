"""Names, views and programs that backup tools have lost or changed before."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.fidelity import DataSets

data_set = DataSets()


ODD_NAMES = (
    "with space", "with`backtick", "with.dot", "100% %s", "größe", "select", "select * from", "'quoted'", '"double"',
    "back\\slash", "tab\there", "new\nline", "a;b -- c", "$$", "x" * 64, "ü" * 64, "@v0", "#hash", "UPPER", "upper",
)  # fmt: skip
"""Identifiers that end up in statements, file names and patterns. No server allows characters beyond U+FFFF in them."""


@data_set(database="odd `names`.of % things")
def odd_names(_facts: ServerFacts) -> Iterator[str]:
    """The same names for tables, columns, keys, views, triggers, routines and events."""
    columns = ", ".join(f"{quote(name)} INT" for name in ODD_NAMES if name != "upper")
    for number, name in enumerate(ODD_NAMES):
        q = quote(name)
        yield f"CREATE TABLE {q} ({q} VARCHAR(20) PRIMARY KEY, v ENUM('0', '1'), KEY {quote('k' + name[:63])} (v))"
        yield f"INSERT INTO {q} VALUES ('\\t', 1), ('{number}', 2)"
        view, trigger, routine = (quote(f"{prefix}{name}"[:64]) for prefix in ("v", f"t{number}", f"r{number}"))
        yield f"CREATE VIEW {view} AS SELECT {q} AS {q}, v FROM {q}"
        yield f"CREATE TRIGGER {trigger} BEFORE UPDATE ON {q} FOR EACH ROW SET NEW.v = 1"
        yield f"CREATE PROCEDURE {routine} () SELECT * FROM {q}"
    yield f"CREATE TABLE wide (id INT PRIMARY KEY, {columns})"
    yield f"INSERT INTO wide (id, {quote(ODD_NAMES[1])}) VALUES (1, 2)"


@data_set(database="Shop", others=("shop", "shöp"))
def case_of_names(_facts: ServerFacts) -> Iterator[str]:
    """A database, tables, triggers and routines that differ from others in case or accents alone."""
    for database in ("shop", "shöp"):
        yield f"CREATE DATABASE {quote(database)}"
        yield f"CREATE TABLE {quote(database)}.t (a INT PRIMARY KEY, other INT)"
        yield f"INSERT INTO {quote(database)}.t VALUES (7, 7)"
        yield f"CREATE TRIGGER {quote(database)}.tr BEFORE INSERT ON {quote(database)}.t FOR EACH ROW SET NEW.other = 1"
        yield f"CREATE PROCEDURE {quote(database)}.p () SELECT 1"
        yield f"CREATE EVENT {quote(database)}.e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t"
    yield "CREATE TABLE t (a INT, b INT)"
    yield "INSERT INTO t VALUES (1, 1)"
    yield "CREATE TABLE T (b VARCHAR(9) PRIMARY KEY)"
    yield "INSERT INTO T VALUES ('T')"
    yield "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.b = 2"
    yield "CREATE TRIGGER TR2 BEFORE INSERT ON T FOR EACH ROW SET NEW.b = 'x'"
    yield "CREATE PROCEDURE p () SELECT 2"
    yield "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t"


@data_set()
def views(_facts: ServerFacts) -> Iterator[str | bytes]:
    """Views on views in an order that is not the alphabet's, with definers, checks and text in another charset."""
    yield "CREATE TABLE base (id INT PRIMARY KEY, v VARCHAR(20))"
    yield "INSERT INTO base VALUES (1, 'one'), (2, 'é\\t')"
    yield "CREATE VIEW z AS SELECT id, v FROM base WHERE id > 0"
    yield "CREATE VIEW y AS SELECT id, CONCAT(v, '; -- `z`') AS v FROM z"
    yield "CREATE ALGORITHM=TEMPTABLE SQL SECURITY INVOKER VIEW a AS SELECT z.id, y.v AS `b` FROM z JOIN y USING (id)"
    yield "CREATE ALGORITHM=MERGE VIEW checked AS SELECT id, v FROM base WHERE id < 9 WITH LOCAL CHECK OPTION"
    yield "CREATE FUNCTION twice (x INT) RETURNS INT DETERMINISTIC RETURN x * 2"
    yield "CREATE VIEW b AS SELECT twice(id) AS t, 'é' AS e, _latin1 X'e9' AS l FROM a"
    yield "CREATE DEFINER='gone'@'nowhere.example' VIEW c AS SELECT COUNT(*) AS n FROM b"
    yield "SET NAMES latin1"
    yield "CREATE TABLE `größe` (`é` INT)".encode("latin-1")
    yield "CREATE VIEW `a_é` AS SELECT 'é' AS `ü`, `é` FROM `größe`".encode("latin-1")
    yield "CREATE VIEW `_first` AS SELECT `ü` FROM `a_é`".encode("latin-1")
    yield "SET NAMES utf8mb4"


@data_set()
def programs(facts: ServerFacts) -> Iterator[str | bytes]:
    """Routines, triggers and events, with their order, definers, modes and delimiters inside."""
    yield "CREATE TABLE t (id INT PRIMARY KEY, log VARCHAR(200) DEFAULT '') CHARACTER SET latin1"
    yield "INSERT INTO t VALUES (1, 'kept as it is')"
    yield "CREATE TABLE fired LIKE t"
    yield "CREATE TRIGGER third BEFORE INSERT ON fired FOR EACH ROW SET NEW.log = CONCAT(NEW.log, '3')"
    yield "CREATE TRIGGER first BEFORE INSERT ON fired FOR EACH ROW PRECEDES third SET NEW.log = CONCAT(NEW.log, '1')"
    yield "CREATE TRIGGER second BEFORE INSERT ON fired FOR EACH ROW FOLLOWS first SET NEW.log = CONCAT(NEW.log, '2')"
    yield (
        "CREATE DEFINER='gone'@'%' TRIGGER after_it AFTER INSERT ON t FOR EACH ROW BEGIN "
        "DECLARE d INT; -- ;; $$ comment\n SET d = 1; /* ;;$ */ SET @seen = CONCAT(';;', \"'\", NEW.id); END"
    )
    yield "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'"
    yield "CREATE TRIGGER \"modal\" BEFORE UPDATE ON fired FOR EACH ROW SET NEW.log = NEW.log || '\\n'"
    yield 'CREATE PROCEDURE "in ANSI" (IN "a b" INT, OUT r VARCHAR(9) CHARACTER SET latin1) SET r = \'\\\' || "a b"'
    yield "SET SESSION sql_mode = ''"
    yield "CREATE PROCEDURE p () COMMENT 'it''s' SQL SECURITY INVOKER READS SQL DATA BEGIN SELECT 1; SELECT ';;'; END"
    yield "CREATE FUNCTION f (a VARCHAR(9)) RETURNS VARCHAR(20) DETERMINISTIC RETURN CONCAT(a, 'é')"
    yield "CREATE EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DO DELETE FROM t"
    yield "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2024-01-01' DISABLE COMMENT 'e;' DO BEGIN SELECT 1; END"
    yield "SET SESSION time_zone = '+05:30'"
    yield "CREATE EVENT zoned ON SCHEDULE EVERY 1 HOUR STARTS '2036-06-01 12:00:00' DO DELETE FROM t"
    yield "SET SESSION time_zone = '+00:00'"
    yield "SET NAMES latin1"
    yield "CREATE PROCEDURE `é` () SELECT 'é', `ü` FROM t".encode("latin-1")
    yield "CREATE TRIGGER `é` AFTER DELETE ON t FOR EACH ROW SET @`ü` = 'é'".encode("latin-1")
    yield "CREATE EVENT `é` ON SCHEDULE EVERY 1 DAY DISABLE COMMENT 'ü' DO SELECT 'é'".encode("latin-1")
    yield "SET NAMES gbk"
    yield b"CREATE PROCEDURE in_gbk () SELECT '\x81\x5c', '\xb0\xa1'"
    yield "SET NAMES utf8mb4 COLLATE utf8mb4_bin"
    yield "CREATE PROCEDURE collated (a VARCHAR(9)) SELECT a = 'é'"
    yield "SET NAMES utf8mb4"
    if facts.is_mariadb:
        yield "SET SESSION sql_mode = 'ORACLE'"
        yield "CREATE PACKAGE pkg AS FUNCTION one RETURN INT; END"
        yield "CREATE PACKAGE BODY pkg AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END"
        yield "SET SESSION sql_mode = ''"
        yield (
            "CREATE AGGREGATE FUNCTION agg (x INT) RETURNS INT DETERMINISTIC BEGIN DECLARE s INT DEFAULT 0; "
            "DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END"
        )


@data_set(database="collation changed")
def database_collation(_facts: ServerFacts) -> Iterator[str]:
    """Programs keep the collation that their database had when they were written."""
    yield "ALTER DATABASE `collation changed` CHARACTER SET latin1 COLLATE latin1_bin"
    yield "CREATE TABLE t (a VARCHAR(9))"
    yield "CREATE PROCEDURE p (a VARCHAR(9)) SELECT a = 'A'"
    yield "CREATE FUNCTION f (a VARCHAR(9)) RETURNS VARCHAR(9) DETERMINISTIC RETURN a"
    yield "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'x'"
    yield "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t"
    yield "ALTER DATABASE `collation changed` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"


@data_set()
def nothing(_facts: ServerFacts) -> Iterator[str]:
    """An empty database is a database too."""
    yield from ()
