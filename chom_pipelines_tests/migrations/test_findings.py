"""Each finding: a migration that has it, on both families, and clean ones that have none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chom_pipelines.migrations.checking import MigrationCheck, Mode
from chom_pipelines.migrations.findings import MigrationFinding, Severity
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import HISTORY, checked, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "migrated"
SCHEMA = (
    HISTORY,
    "INSERT INTO schema_migrations VALUES ('001'), ('002'), ('0999')",
    "CREATE TABLE users (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100), name VARCHAR(100) NOT NULL"
    " DEFAULT '', age INT, size INT, status ENUM('new', 'paid', 'gone'), old VARCHAR(20), unused VARCHAR(20),"
    " title VARCHAR(50), bio VARCHAR(200), word VARCHAR(20), KEY users_name (name), KEY users_age (age))",
    "INSERT INTO users (email, name, age, size, status, old, title, bio, word) VALUES"
    " ('a@x', 'a', 1, 70000, 'gone', 'x', 'a', REPEAT('b', 90), 'one'),"
    " ('a@x', 'b', NULL, 2, 'new', NULL, 'b', 'b', '2'), (NULL, 'c', 3, 3, 'paid', NULL, 'c', 'c', '3')",
    "CREATE TABLE orders (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED, other_id BIGINT UNSIGNED,"
    " total INT, KEY orders_user (user_id), CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id))",
    "INSERT INTO orders (user_id, other_id, total) VALUES (1, 99, -5), (2, 1, 7)",
    "CREATE TABLE empty_one (id INT PRIMARY KEY, a VARCHAR(10))",
    "CREATE TABLE doomed (id INT PRIMARY KEY)",
    "INSERT INTO doomed VALUES (1)",
    "CREATE TABLE renamed (id INT PRIMARY KEY, a INT, b INT)",
    "INSERT INTO renamed VALUES (1, 1, 1)",
    "CREATE TABLE counters (id TINYINT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=110",
    "CREATE TABLE strings (id INT PRIMARY KEY, a VARCHAR(3000) NOT NULL DEFAULT '', b LONGTEXT)",
)
FOR_ALL = {
    "001_first": "SELECT 1",
    "0500_before": "CREATE TABLE before_it (id INT PRIMARY KEY)",
    "1001_unique": "ALTER TABLE users ADD UNIQUE users_email_unique (email)",
    "1002_not_null": "ALTER TABLE users MODIFY age INT NOT NULL",
    "1003_orphans": "ALTER TABLE orders ADD CONSTRAINT orders_other_fk FOREIGN KEY (other_id) REFERENCES users (id)",
    "1004_shorter": "ALTER TABLE users MODIFY bio VARCHAR(50)",
    "1005_narrower": "ALTER TABLE users MODIFY size SMALLINT",
    "1006_enum": "ALTER TABLE users MODIFY status ENUM('new', 'paid')",
    "1007_check": "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0)",
    "1008_number": "ALTER TABLE users MODIFY word INT",
    "1009_drop_column": "ALTER TABLE users DROP COLUMN old",
    "1010_drop_unused": "ALTER TABLE users DROP COLUMN unused",
    "1011_drop_table": "DROP TABLE doomed",
    "1012_drop_empty": "DROP TABLE empty_one",
    "1013_truncate": "TRUNCATE TABLE orders",
    "1014_everywhere": "UPDATE users SET name = 'x'",
    "1015_rename_table": "RENAME TABLE renamed TO moved",
    "1016_rename_column": "ALTER TABLE users RENAME COLUMN title TO headline",
    "1017_required": "ALTER TABLE users ADD COLUMN required INT NOT NULL",
    "1018_drop_index": "ALTER TABLE users DROP INDEX users_name",
    "1019_same_index": "ALTER TABLE orders ADD INDEX orders_user_total (user_id, total)",
    "1020_drop_key": "ALTER TABLE orders DROP FOREIGN KEY orders_user_fk",
    "1021_no_key": "CREATE TABLE no_key (a INT)",
    "1022_engine": "CREATE TABLE of_myisam (id INT PRIMARY KEY) ENGINE=MyISAM",
    "1023_money": "CREATE TABLE bills (id INT PRIMARY KEY, price FLOAT)",
    "1024_utf8mb3": "CREATE TABLE old_text (id INT PRIMARY KEY, a VARCHAR(10) CHARACTER SET utf8mb3)",
    "1025_mixed": "CREATE TABLE settings (id INT PRIMARY KEY);\nINSERT INTO settings VALUES (1);",
    "2001_table_exists": "CREATE TABLE users (id INT PRIMARY KEY)",
    "2002_column_exists": "ALTER TABLE users ADD COLUMN email VARCHAR(10)",
    "2003_column_missing": "ALTER TABLE users MODIFY nobody INT",
    "2004_key_exists": "ALTER TABLE users ADD INDEX users_age (id)",
    "2005_key_missing": "ALTER TABLE users DROP INDEX nothing",
    "2006_long_name": f"ALTER TABLE users ADD INDEX {'x' * 65} (id)",
    "2007_table_missing": "ALTER TABLE nowhere ADD COLUMN a INT",
    "2008_no_parent": "CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT c FOREIGN KEY (p) REFERENCES nobody (id))",
    "2009_types": "CREATE TABLE child2 (id INT PRIMARY KEY, p INT, CONSTRAINT c2 FOREIGN KEY (p) REFERENCES users (id))",
    "2010_long_key": "ALTER TABLE strings ADD UNIQUE too_long (a)",
    "2011_syntax": "ALTER TABLE users ADD COLUMN COLUMN",
    "2012_referenced": "DROP TABLE users",
    "2013_default": "ALTER TABLE users ADD COLUMN born DATE NOT NULL DEFAULT '2024-13-01'",
    "2014_counts": "CREATE TABLE no_counter (id INT AUTO_INCREMENT)",
    "1026_key_copies": "ALTER TABLE orders ADD COLUMN third_id BIGINT UNSIGNED,"
    " ADD CONSTRAINT orders_third FOREIGN KEY (third_id) REFERENCES users (id)",
    "1027_rebuild": "ALTER TABLE strings ENGINE = InnoDB",
    "1028_again": "ALTER TABLE strings FORCE",
    "1029_zero": "SET SESSION sql_mode = '';\nCREATE TABLE zero (id INT PRIMARY KEY, d DATE NOT NULL DEFAULT '0000-00-00');",
    "2016_key_name": "CREATE TABLE twice (id INT PRIMARY KEY, u BIGINT UNSIGNED,"
    " CONSTRAINT orders_other_fk FOREIGN KEY (u) REFERENCES users (id))",
    "2017_no_key": "CREATE TABLE child3 (id INT PRIMARY KEY, p INT, CONSTRAINT c3 FOREIGN KEY (p) REFERENCES orders (total))",
    "2018_twice": "CREATE TABLE bills (id INT PRIMARY KEY)",
    "2019_twice_column": "ALTER TABLE users ADD COLUMN required INT",
    "9999_everything": f"DROP DATABASE {DATABASE}",
    "2015_null_key": "CREATE TABLE null_key (id INT NULL, PRIMARY KEY (id))",
}
ANYWHERE = [
    ("DD01", "users.users_email_unique", Severity.ERROR),
    ("DD02", "users.age", Severity.ERROR),
    ("FK04", "orders.orders_other_fk", Severity.ERROR),
    ("DD04", "users.bio", Severity.ERROR),
    ("DD04", "users.size", Severity.ERROR),
    ("DD04", "users.word", Severity.ERROR),
    ("DS06", "users.status", Severity.ERROR),
    ("DS06", "users.status", Severity.WARNING),
    ("DD06", "orders.positive", Severity.ERROR),
    ("DS03", "users.old", Severity.ERROR),
    ("DS03", "users.unused", Severity.INFO),
    ("DS02", "doomed", Severity.ERROR),
    ("DS02", "empty_one", Severity.INFO),
    ("DS04", "orders", Severity.ERROR),
    ("DS04", "users", Severity.ERROR),
    ("BC01", "renamed", Severity.ERROR),
    ("BC02", "users.title", Severity.ERROR),
    ("BC03", "users.required", Severity.WARNING),
    ("DD03", "users.required", Severity.WARNING),
    ("DS05", "users.users_name", Severity.WARNING),
    ("NM06", "orders.orders_user", Severity.WARNING),
    ("FK06", "orders.orders_user_fk", Severity.WARNING),
    ("QL01", "no_key", Severity.WARNING),
    ("QL02", "of_myisam", Severity.WARNING),
    ("QL03", "bills.price", Severity.WARNING),
    ("QL05", "old_text.a", Severity.WARNING),
    ("DD07", "counters.id", Severity.WARNING),
    ("LK01", "users", Severity.WARNING),
    ("LK02", "strings", Severity.WARNING),
    ("LK05", "strings", Severity.INFO),
    ("FK07", "orders", Severity.WARNING),
    ("QL04", "zero.d", Severity.WARNING),
]
"""What, about which object of the database, how bad."""
IN_MIGRATIONS = [
    ("HS04", "0500_before"),
    ("LK08", "1025_mixed"),
    ("NM01", "2001_table_exists"),
    ("NM02", "2002_column_exists"),
    ("NM02", "2003_column_missing"),
    ("NM03", "2004_key_exists"),
    ("NM03", "2005_key_missing"),
    ("NM05", "2006_long_name"),
    ("NM01", "2007_table_missing"),
    ("FK01", "2008_no_parent"),
    ("FK02", "2009_types"),
    ("DD05", "2010_long_key"),
    ("NM07", "2011_syntax"),
    ("NM04", "2016_key_name"),
    ("FK03", "2017_no_key"),
    ("NM08", "2018_twice"),
    ("NM08", "2019_twice_column"),
    ("DS01", "9999_everything"),
    ("FK05", "2012_referenced"),
    ("DD03", "2013_default"),
    ("QL01", "2014_counts"),
    ("DD02", "2015_null_key"),
]
"""How the code begins, and the migration that has it."""
CLEAN = {
    "001_first": ";\n".join(each for each in SCHEMA[1:] if each.startswith("CREATE")) + ";",
    "002_second": "SELECT 1",
    "0999_last": "SELECT 1",
    "3001_table": "CREATE TABLE posts (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(100) NOT NULL)",
    "3002_column": "ALTER TABLE users ADD COLUMN nickname VARCHAR(50)",
    "3003_default": "ALTER TABLE users ADD COLUMN level INT NOT NULL DEFAULT 0",
    "3004_index": "ALTER TABLE users ADD INDEX users_nickname (nickname)",
    "3005_unique": "ALTER TABLE posts ADD UNIQUE posts_title (title)",
    "3006_key": "ALTER TABLE posts ADD COLUMN user_id BIGINT UNSIGNED",
    "3007_foreign": "CREATE TABLE comments (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, post_id BIGINT UNSIGNED NOT NULL,"
    " CONSTRAINT comments_post FOREIGN KEY (post_id) REFERENCES posts (id))",
    "3008_longer": "ALTER TABLE users MODIFY name VARCHAR(120) NOT NULL DEFAULT ''",
    "3009_enum": "ALTER TABLE users MODIFY status ENUM('new', 'paid', 'gone', 'back')",
    "3010_rows": "UPDATE users SET name = 'z' WHERE id = 1",
    "3011_create_index": "CREATE INDEX orders_total ON orders (total)",
    "3012_view": "CREATE VIEW rich AS SELECT id FROM users WHERE size > 9",
    "3013_unique_null": "ALTER TABLE users ADD COLUMN token VARCHAR(64) NULL;\nALTER TABLE users ADD UNIQUE (token);",
    "3014_two": "CREATE TABLE tags (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE);\n-- a comment; with a semicolon\n"
    "CREATE TABLE post_tag (post_id INT, tag_id INT, PRIMARY KEY (post_id, tag_id), KEY post_tag_tag (tag_id));",
    "3015_comment": "/* why */ ALTER TABLE users COMMENT = 'people; all of them'",
}


@dataclass(frozen=True)
class Found:
    check: MigrationCheck
    before: list[tuple[object, ...]]
    after: list[tuple[object, ...]]

    def has(self, code: str, **wanted: object) -> list[MigrationFinding]:
        return [
            each
            for each in self.check.findings
            if each.code.startswith(code) and all(getattr(each, name) == value for name, value in wanted.items())
        ]


def fingerprint(session: Session) -> list[tuple[object, ...]]:
    """Of the whole database, by what has nothing to do with this project: the server's own checksums and definitions."""
    names = [str(name) for (name,) in session.rows(f"SHOW TABLES FROM {DATABASE}")]
    return [
        (
            *session.rows(f"SHOW CREATE TABLE {DATABASE}.{name}")[0],
            session.rows(f"CHECKSUM TABLE {DATABASE}.{name}")[0][1],
        )
        for name in names
    ]


@pytest.fixture(scope="module")
def found(any_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """All bad migrations, checked in one run."""
    with any_server.scope() as server, Session(server.root) as session:
        make_database(server.root, DATABASE, SCHEMA)
        place = written(tmp_path_factory.mktemp("migrations"), FOR_ALL)
        before = fingerprint(session)
        check = checked(server.root, DATABASE, place)
        yield Found(check, before, fingerprint(session))
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


@pytest.mark.parametrize(("code", "name", "severity"), ANYWHERE)
def test_what_is_dangerous_is_found(found: Found, code: str, name: str, severity: Severity) -> None:
    assert found.has(code, object=f"{DATABASE}.{name}", severity=severity)


@pytest.mark.parametrize(("code", "migration"), IN_MIGRATIONS)
def test_what_would_fail_or_is_out_of_order_is_found(found: Found, code: str, migration: str) -> None:
    if migration in {"2010_long_key", "2015_null_key"} and found.check.on.startswith("MariaDB"):
        # it has an index of hashes for that, and makes the column NOT NULL
        assert not found.has("", migration=f"{migration}.sql", severity=Severity.ERROR)
        return
    assert found.has(code, migration=f"{migration}.sql")


def test_what_is_recorded_and_gone_is_found(found: Found) -> None:
    assert [each.what for each in found.has("HS02")] == [
        "version 2 is recorded, and its file is gone",
        "version 999 is recorded, and its file is gone",
    ]


def test_rows_that_stand_in_the_way_are_named_with_the_query(found: Found) -> None:
    [duplicates] = found.has("DD01")
    assert duplicates.what.endswith("rows are alike: a@x, 2")
    assert duplicates.evidence["query"].startswith("SELECT `email`, COUNT(*)")
    [orphans] = found.has("FK04")
    assert orphans.what.endswith("other_id = 99")


def test_production_is_as_it_was(found: Found) -> None:
    assert found.before == found.after


def test_it_fails_and_says_why(found: Found) -> None:
    assert found.check.outcome is Outcome.FAILED
    assert "must not be deployed" in found.check.verdict


@pytest.mark.parametrize("mode", [Mode.VALIDATE, Mode.DRY_RUN])
def test_of_clean_migrations_nothing_is_said(server: PrivateServer, tmp_path: Path, mode: Mode) -> None:
    make_database(server.root, DATABASE, SCHEMA)
    check = checked(server.root, DATABASE, written(tmp_path / "m", CLEAN), mode, drift=True)
    known = {("DD07", f"{DATABASE}.counters.id")}  # which is no migration's
    alarms = [each for each in check.findings if each.severity is not Severity.INFO]
    assert [each for each in alarms if (each.code, each.object) not in known] == []
    assert check.outcome is Outcome.PASSED
    assert len(check.pending) == 15
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
