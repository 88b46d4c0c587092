"""Tables that backup tools have lost something of before: hidden columns, counters, partitions, history."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines_tests.logical.fidelity import DataSets, numbered

data_set = DataSets()


@data_set()
def columns_that_hide(facts: ServerFacts) -> Iterator[str]:
    """Generated columns hold no data of their own; invisible ones do, though SELECT * does not say so."""
    yield (
        "CREATE TABLE generated_columns (a INT GENERATED ALWAYS AS (c * 2) VIRTUAL, b INT AS (c + 1) STORED, "
        "c INT PRIMARY KEY, d VARCHAR(40) AS (CONCAT(e, '\\t')) STORED, e VARCHAR(20), KEY (a), UNIQUE (b))"
    )
    yield "INSERT INTO generated_columns (c, e) VALUES (1, 'one'), (2, NULL), (3, '\\\\')"
    yield (
        "CREATE TABLE defaults (id INT PRIMARY KEY, u VARCHAR(36) DEFAULT (UUID()), r DOUBLE DEFAULT (RAND()), "
        "t TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, e INT DEFAULT (1 + 2), "
        "x TEXT DEFAULT ('a''b\\t'), n INT NULL DEFAULT NULL, b BIT(3) DEFAULT b'101', z VARBINARY(4) DEFAULT X'ff00')"
    )
    yield "INSERT INTO defaults (id) VALUES (1), (2)"
    yield "CREATE TABLE legacy (d DATE NOT NULL DEFAULT '0000-00-00', t DATETIME DEFAULT '2024-02-31 00:00:00')"
    yield "INSERT INTO legacy VALUES ()"
    invisible = "INVISIBLE DEFAULT 5"
    yield f"CREATE TABLE invisible (id INT PRIMARY KEY, hidden INT {invisible}, seen INT)"
    yield "INSERT INTO invisible (id, hidden, seen) VALUES (1, 7, 1), (2, 8, 2)"
    yield "CREATE TABLE invisible_key (hidden INT INVISIBLE AUTO_INCREMENT PRIMARY KEY, seen INT)"
    yield "INSERT INTO invisible_key (seen) VALUES (5), (6)"
    if not facts.is_mariadb:
        yield "CREATE TABLE key_on_generated (a INT, b INT AS (a * -1) STORED PRIMARY KEY)"
        yield "INSERT INTO key_on_generated (a) VALUES (1), (3), (2)"
        yield "SET SESSION sql_generate_invisible_primary_key = ON"
        yield "CREATE TABLE generated_key (v VARCHAR(9))"
        yield "INSERT INTO generated_key VALUES ('b'), ('a'), ('b')"
        yield "SET SESSION sql_generate_invisible_primary_key = OFF"


@data_set()
def laravel(_facts: ServerFacts) -> Iterator[str]:
    """What the application's migrations make."""
    options = "DEFAULT CHARACTER SET utf8mb4 COLLATE 'utf8mb4_unicode_ci'"
    yield (
        "CREATE TABLE users (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL, "
        "email VARCHAR(255) NOT NULL, email_verified_at TIMESTAMP NULL, settings JSON NULL, "
        "role ENUM('admin', 'member') NOT NULL DEFAULT 'member', remember_token VARCHAR(100) NULL, bio TEXT NULL, "
        f"created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, UNIQUE users_email_unique (email)) {options}"
    )
    yield (
        "INSERT INTO users (name, email, settings, role, bio, created_at) VALUES "
        """('Zoë 🙂', 'z@example.com', '{"theme": "dark", "n": [1, 2.5]}', 'admin', 'one\\ntwo\\\\', '2024-01-01')"""
    )
    yield (
        "CREATE TABLE sites (id CHAR(36) NOT NULL PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL, domain VARCHAR(191) "
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, disk_bytes BIGINT DEFAULT 0, deleted_at TIMESTAMP NULL, "
        "CONSTRAINT sites_user_id_foreign FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE, "
        f"UNIQUE sites_domain_unique (domain), KEY sites_user_id_deleted_at_index (user_id, deleted_at)) {options}"
    )
    yield "INSERT INTO sites (id, user_id, domain) VALUES ('0e2ae5a0-0000-4000-8000-000000000001', 1, 'a.example')"


@data_set()
def counters(_facts: ServerFacts) -> Iterator[str]:
    """AUTO_INCREMENT beyond the greatest value, below it, and the value 0."""
    yield "CREATE TABLE ahead (id INT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT=5000"
    yield "CREATE TABLE emptied (id INT AUTO_INCREMENT PRIMARY KEY)"
    yield "INSERT INTO emptied VALUES (77)"
    yield "DELETE FROM emptied"
    yield "CREATE TABLE zero (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"
    yield "INSERT INTO zero VALUES (-5, 1), (0, 2), (3, 3)"
    yield "CREATE TABLE second (a INT, id INT AUTO_INCREMENT, PRIMARY KEY (a, id), KEY (id), KEY (a))"
    yield "INSERT INTO second VALUES (1, 1), (2, 2), (1, 9)"
    yield "CREATE TABLE keyed (id BIGINT UNSIGNED AUTO_INCREMENT, v INT, UNIQUE KEY (id), KEY (v))"
    yield "INSERT INTO keyed VALUES (18446744073709551600, 1)"
    yield "CREATE TABLE `AUTO_INCREMENT=1` (id INT AUTO_INCREMENT PRIMARY KEY) COMMENT ') AUTO_INCREMENT=3'"


@data_set()
def partitions(_facts: ServerFacts) -> Iterator[str]:
    """Rows come from several files; their order is that of the key."""
    yield (
        "CREATE TABLE ranged (id INT, d DATE, v VARCHAR(300), PRIMARY KEY (id, d)) PARTITION BY RANGE COLUMNS (d) "
        "(PARTITION p0 VALUES LESS THAN ('2024-03-01'), PARTITION `p 1` VALUES LESS THAN (MAXVALUE))"
    )
    date = "DATE '2024-01-01' + INTERVAL n % 100 DAY"
    yield f"INSERT INTO ranged SELECT n, {date}, REPEAT('v', 300) FROM {numbered(400)}"
    yield "CREATE TABLE hashed (id INT PRIMARY KEY, v INT, KEY (v)) PARTITION BY HASH (id) PARTITIONS 4"
    yield f"INSERT INTO hashed SELECT n, -n FROM {numbered(400)}"
    lists = "PARTITION x VALUES IN (1, 2), PARTITION y VALUES IN (3)"
    yield f"CREATE TABLE listed (a INT, b INT) PARTITION BY LIST (a) ({lists})"
    yield "INSERT INTO listed VALUES (3, 1), (1, 2), (2, 3), (1, 1)"
    yield (
        "CREATE TABLE sub (a INT, b INT, PRIMARY KEY (a, b)) PARTITION BY RANGE (a) SUBPARTITION BY KEY (b) "
        "SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
    )
    yield f"INSERT INTO sub SELECT n % 20, n FROM {numbered(100)}"


@data_set()
def constraints(facts: ServerFacts) -> Iterator[str]:
    """Foreign keys in a circle, onto themselves and violated; checks, unique and full-text and spatial keys."""
    for one, other, action in (("a", "b", "CASCADE"), ("b", "a", "SET NULL")):
        foreign = f"CONSTRAINT `{one} to {other}` FOREIGN KEY ({other}) REFERENCES {other} (id) ON DELETE {action}"
        yield f"CREATE TABLE {one} (id INT PRIMARY KEY, {other} INT, {foreign})"
    yield "INSERT INTO a VALUES (1, 2), (2, 1)"
    yield "INSERT INTO b VALUES (1, 2), (2, 1)"
    yield "CREATE TABLE tree (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES tree (id))"
    yield "INSERT INTO tree VALUES (1, 3), (2, NULL), (3, 2), (4, 999)"
    odd = "CONSTRAINT `b; \"is\" 'odd'` CHECK (b % 2 = 1)"
    yield f"CREATE TABLE checked (a INT CHECK (a > 0), b INT, {odd}, CHECK (a < b))"
    yield "INSERT INTO checked VALUES (1, 3), (NULL, NULL)"
    if facts.is_mariadb:
        yield "SET SESSION check_constraint_checks = 0"
        yield "INSERT INTO checked VALUES (-1, -2)"
        yield "CREATE TABLE broken_json (j JSON)"
        yield "INSERT INTO broken_json VALUES ('{')"
        yield "SET SESSION check_constraint_checks = 1"
        yield "CREATE TABLE long_unique (t TEXT, UNIQUE (t))"
        yield "INSERT INTO long_unique VALUES ('a'), ('b'), (NULL), (NULL)"
    else:
        yield "CREATE TABLE unenforced (a INT CHECK (a > 0) NOT ENFORCED)"
        yield "INSERT INTO unenforced VALUES (-1)"
    yield (
        "CREATE TABLE indexed (id INT PRIMARY KEY, t TEXT, u TEXT, g GEOMETRY NOT NULL, c VARCHAR(9), "
        "FULLTEXT (t), FULLTEXT `f u` (u), FULLTEXT (t, u), SPATIAL KEY (g), UNIQUE KEY `u``q` (c), "
        "KEY (c(3)) COMMENT 'it''s; a \\n comment')"
    )
    yield "INSERT INTO indexed VALUES (1, 'words here', 'and there', ST_GeomFromText('POINT(1 2)'), 'abc')"
    yield "INSERT INTO indexed VALUES (2, 'more words', NULL, ST_GeomFromText('POINT(9 10)'), NULL)"


@data_set()
def engines(facts: ServerFacts) -> Iterator[str]:
    """Engines without transactions, and those whose rows are elsewhere."""
    for engine in ("MyISAM", "MEMORY", "CSV", "ARCHIVE", *(["Aria"] if facts.is_mariadb else [])):
        yield f"CREATE TABLE {engine} (id INT NOT NULL, v VARCHAR(20) NOT NULL) ENGINE={engine}"
        yield f"INSERT INTO {engine} VALUES (2, 'b\\t'), (1, '\\\\N'), (3, '')"
    yield "CREATE TABLE myisam_key (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT, FULLTEXT (v)) ENGINE=MyISAM"
    yield "INSERT INTO myisam_key VALUES (5, 'five'), (2, NULL), (9, 'nine')"
    yield "DELETE FROM myisam_key WHERE id = 5"
    yield "CREATE TABLE m1 (id INT NOT NULL) ENGINE=MyISAM"
    yield "CREATE TABLE m2 (id INT NOT NULL) ENGINE=MyISAM"
    yield "INSERT INTO m1 VALUES (1)"
    yield "INSERT INTO m2 VALUES (2)"
    yield "CREATE TABLE a_merge (id INT NOT NULL) ENGINE=MERGE UNION=(m1, m2) INSERT_METHOD=LAST"
    yield "CREATE TABLE nowhere (id INT) ENGINE=BLACKHOLE"
    yield "INSERT INTO nowhere VALUES (1)"


@data_set(Flavour.MARIADB)
def sequences(_facts: ServerFacts) -> Iterator[str]:
    """Counters of their own, used by tables, run dry, backwards and round."""
    yield "CREATE SEQUENCE s START WITH 100 INCREMENT BY 7 CACHE 10"
    yield "DO NEXTVAL(s), NEXTVAL(s)"
    yield "CREATE SEQUENCE `odd ``s` START WITH -1 INCREMENT BY -3 MINVALUE -1000 NOCACHE"
    yield "DO NEXTVAL(`odd ``s`)"
    yield "CREATE SEQUENCE untouched"
    yield "CREATE SEQUENCE round_and_round MINVALUE 1 MAXVALUE 3 CYCLE NOCACHE"
    yield "DO NEXTVAL(round_and_round), NEXTVAL(round_and_round), NEXTVAL(round_and_round), NEXTVAL(round_and_round)"
    yield "CREATE SEQUENCE dry MINVALUE 1 MAXVALUE 2 NOCACHE"
    yield "DO NEXTVAL(dry), NEXTVAL(dry)"
    yield "CREATE TABLE t (id BIGINT DEFAULT (NEXT VALUE FOR s) PRIMARY KEY, v INT)"
    yield "INSERT INTO t (v) VALUES (1), (2)"
    yield "CREATE VIEW v AS SELECT id FROM t"


@data_set(Flavour.MARIADB)
def history(_facts: ServerFacts) -> Iterator[str]:
    """System-versioned tables with what they were before; the time is the session's own, so that AS OF is exact."""
    explicit = (
        "s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, "
        "PERIOD FOR SYSTEM_TIME (s, e)"
    )
    hidden = explicit.replace("ROW START", "ROW START INVISIBLE").replace("ROW END", "ROW END INVISIBLE")
    tables = {
        "implicit": "(id INT PRIMARY KEY, v VARCHAR(20)) WITH SYSTEM VERSIONING",
        "explicit": f"(id INT PRIMARY KEY, v VARCHAR(20), {explicit}) WITH SYSTEM VERSIONING",
        "hidden": f"(id INT PRIMARY KEY, v VARCHAR(20), {hidden}) WITH SYSTEM VERSIONING",
        "keyless": "(id INT, v VARCHAR(20)) WITH SYSTEM VERSIONING",
        "Implicit": f"(id INT PRIMARY KEY, v VARCHAR(20), {explicit.replace('s, e', 'S, E')}) WITH SYSTEM VERSIONING",
        "partly": "(id INT PRIMARY KEY, v VARCHAR(20), w INT WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING",
        "parts": "(id INT PRIMARY KEY, v VARCHAR(20)) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME "
        "(PARTITION p0 HISTORY, PARTITION pn CURRENT)",
    }
    for name, declared in tables.items():
        yield f"CREATE TABLE {name} {declared}"
        for number, statement in enumerate((
            "INSERT INTO {} (id, v) VALUES (1, 'a'), (2, 'b\\t'), (3, NULL)",
            "UPDATE {} SET v = 'changed' WHERE id < 3",
            "DELETE FROM {} WHERE id = 2",
            "UPDATE {} SET v = CONCAT(v, '!') WHERE id = 1",
            "INSERT INTO {} (id, v) VALUES (2, 'again')",
        )):  # fmt: skip
            yield f"SET SESSION timestamp = {1_700_000_000 + 100 * number}.{number}50001"
            yield statement.format(name)
        yield "SET SESSION timestamp = DEFAULT"
    yield "CREATE TABLE periods (id INT, a DATE, b DATE, PERIOD FOR p (a, b), PRIMARY KEY (id, p WITHOUT OVERLAPS))"
    yield "INSERT INTO periods VALUES (1, '2024-01-01', '2024-02-01'), (1, '2024-02-01', '2025-01-01')"
