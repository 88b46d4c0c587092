"""What writers do to a server while an oracle watches: all that makes a replay hard, at once, in random order."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chom_pipelines.errors import ServerError
from chom_pipelines.server.connection import Session, error_number
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.servers import PrivateServer

_RETRIED = {1205, 1213}
"""Lock wait and deadlock: the transaction is rolled back, as applications do."""

_PAUSE_SECONDS = 0.4

_SCHEMA = """
CREATE DATABASE orc CHARACTER SET utf8mb4
CREATE DATABASE `or-other`
CREATE TABLE orc.parents (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100), n INT DEFAULT 0)
CREATE TABLE orc.children (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, s TEXT, FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE ON UPDATE CASCADE)
CREATE TABLE orc.audit (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(200), at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6))
CREATE TRIGGER orc.parents_ai AFTER INSERT ON orc.parents FOR EACH ROW INSERT INTO orc.audit (what) VALUES (CONCAT('new ', NEW.id))
CREATE TRIGGER orc.parents_bu BEFORE UPDATE ON orc.parents FOR EACH ROW SET NEW.n = OLD.n + 1
CREATE TABLE orc.bulk (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(1000), b LONGBLOB)
CREATE TABLE orc.plain (a INT, f FLOAT, d DOUBLE, s VARCHAR(200))
CREATE TABLE orc.said (id INT AUTO_INCREMENT PRIMARY KEY, r DOUBLE, s VARCHAR(200), ts TIMESTAMP NULL, dt DATETIME(6) NULL)
CREATE TABLE orc.loaded (a INT, s VARCHAR(100))
CREATE TABLE orc.prepared (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100))
CREATE TABLE orc.old (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100)) ENGINE = MyISAM
CREATE TABLE orc.ticks (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100))
CREATE TABLE orc.sj (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100)) CHARACTER SET sjis
CREATE TABLE orc.gb (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100)) CHARACTER SET gbk
CREATE TABLE orc.u16 (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100), c CHAR(20) CHARACTER SET ucs2) CHARACTER SET utf16
CREATE TABLE orc.types (id INT AUTO_INCREMENT PRIMARY KEY, b BIT(12), e ENUM('a','b','ß'), st SET('x','y','z'), y YEAR, t TIME(6), dc DECIMAL(30,10), bin VARBINARY(300), g GEOMETRY, twice INT GENERATED ALWAYS AS (y * 2) VIRTUAL, kept INT GENERATED ALWAYS AS (y + 1) STORED)
CREATE TABLE orc.doc (id INT PRIMARY KEY, j JSON)
CREATE VIEW orc.seen AS SELECT id, name FROM orc.parents
CREATE PROCEDURE orc.sell(IN k INT) MODIFIES SQL DATA BEGIN INSERT INTO orc.said (r, s) VALUES (RAND(), CONCAT('sold ', k)); UPDATE orc.said SET s = CONCAT(LEFT(s, 150), '!') WHERE id % 7 = k % 7; END
CREATE EVENT orc.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO orc.ticks (s) VALUES (UUID())
"""
_MARIADB = """
ALTER TABLE orc.said ADD hidden INT INVISIBLE DEFAULT 3
CREATE SEQUENCE orc.numbers CACHE 5
CREATE TABLE orc.aria (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100)) ENGINE = Aria
CREATE TABLE orc.kept (id INT PRIMARY KEY, s VARCHAR(100)) WITH SYSTEM VERSIONING
"""
_MYSQL = "ALTER TABLE orc.said ADD hidden INT DEFAULT 3 INVISIBLE"


@dataclass
class Writer:
    """A session that writes by one random sequence of its own."""

    server: PrivateServer
    random: random.Random
    gate: Gate
    directory: Path
    session: Session
    done: int = 0

    @property
    def is_mariadb(self) -> bool:
        return self.server.flavour is Flavour.MARIADB

    def run(self, *statements: str | bytes) -> None:
        """Execute statements; between two of them the writer may be stopped."""
        for statement in statements:
            with self.gate.passed():
                self._execute(statement)

    def run_in_one(self, *statements: str) -> None:
        """Execute statements between which nobody is stopped."""
        with self.gate.passed():
            for statement in statements:
                self._execute(statement)

    def _execute(self, statement: str | bytes) -> None:
        if isinstance(statement, bytes):
            self.session.statement(statement)
        else:
            self.session.execute(statement)

    def any(self, top: int) -> int:
        return self.random.randrange(top)


@dataclass
class Gate:
    """Lets statements through, or none."""

    _changed: threading.Condition = field(default_factory=threading.Condition)
    _within: int = 0
    _is_closed: bool = False

    @contextmanager
    def passed(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed)
            self._within += 1
        try:
            yield
        finally:
            with self._changed:
                self._within -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """No statement runs; transactions may be open."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._within)
        try:
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()


def create(server: PrivateServer) -> None:
    """Make the tables."""
    with server.connect() as session:
        for statement in (_SCHEMA + (_MARIADB if server.flavour is Flavour.MARIADB else _MYSQL)).strip().splitlines():
            if statement:
                session.execute(statement)


def sell(w: Writer) -> None:
    """A transaction over three tables, with a trigger, savepoints, and a cascade."""
    w.run("BEGIN", f"INSERT INTO orc.parents (name) VALUES (UUID()), (REPEAT('ü', {w.any(50)}))")
    w.run(
        "INSERT INTO orc.children (parent, s) SELECT id, UUID() FROM orc.parents ORDER BY id DESC LIMIT 3",
        "SAVEPOINT a",
    )
    w.run(f"UPDATE orc.parents SET name = CONCAT('x', LEFT(name, 60)) WHERE id % 11 = {w.any(11)}")
    if w.any(3) == 0:
        w.run("ROLLBACK TO a")
    if w.any(2) == 0:
        w.run(f"DELETE FROM orc.parents WHERE id % 17 = {w.any(17)} ORDER BY id LIMIT 4")
    if w.any(4) == 0:
        w.run(f"UPDATE orc.parents SET id = -id WHERE id > 0 AND id % 23 = {w.any(23)} ORDER BY id LIMIT 1")
    w.run("ROLLBACK" if w.any(6) == 0 else "COMMIT")


def define(w: Writer) -> None:
    """DDL, with rows in between."""
    one, other = f"orc.d{w.any(4)}", f"`or-other`.d{w.any(4)}"
    w.run(f"DROP TABLE IF EXISTS {one}, {other}")
    w.run(f"CREATE TABLE {one} (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50)) COMMENT 'ö; --'")
    w.run(
        f"INSERT INTO {one} (s) VALUES (UUID()), ('b')", f"ALTER TABLE {one} ADD c{w.done} INT DEFAULT {w.done} FIRST"
    )
    w.run(
        "SET SESSION time_zone = 'America/New_York'",
        f"ALTER TABLE {one} ADD ts TIMESTAMP DEFAULT '2026-07-01 00:30:00'",
    )
    w.run("SET SESSION time_zone = '+00:00'")
    w.run(f"INSERT INTO {one} (s) SELECT s FROM {one}", f"RENAME TABLE {one} TO {other}")
    if w.any(2):
        w.run(f"TRUNCATE TABLE {other}", f"INSERT INTO {other} (s) VALUES ('after')")
    w.run(
        f"CREATE TABLE {one} AS SELECT * FROM {other}", "CREATE OR REPLACE VIEW orc.seen AS SELECT id FROM orc.parents"
    )
    if w.any(3) == 0:
        w.run(f"DROP TABLE {one}")
    if w.any(3) == 0:
        w.run("CREATE DATABASE IF NOT EXISTS orc_new", "CREATE TABLE IF NOT EXISTS orc_new.t (id INT PRIMARY KEY)")
        w.run(f"REPLACE INTO orc_new.t VALUES ({w.any(50)})")
    elif w.any(3) == 0:
        w.run("DROP DATABASE IF EXISTS orc_new")
    w.run("DROP TRIGGER IF EXISTS orc.children_ad")
    if w.any(2):
        w.run(
            "CREATE TRIGGER orc.children_ad AFTER DELETE ON orc.children FOR EACH ROW "
            "INSERT INTO orc.audit (what) VALUES (CONCAT('gone ', OLD.id))"
        )


def grant(w: Writer) -> None:
    """Accounts and what they may, and events of the scheduler."""
    user = f"'oracle_{w.any(3)}'@'%'"
    w.run(f"DROP USER IF EXISTS {user}", f"CREATE USER {user} IDENTIFIED BY 'It''s {w.done}'")
    w.run(f"GRANT SELECT, INSERT ON orc.* TO {user}", f"GRANT UPDATE (s) ON orc.said TO {user}")
    if w.any(2):
        w.run(f"REVOKE INSERT ON orc.* FROM {user}", f"ALTER USER {user} IDENTIFIED BY 'other {w.done}'")
    event = f"orc.e{w.any(3)}"
    state = ("ENABLE", "DISABLE")[w.any(2)]
    w.run(f"DROP EVENT IF EXISTS {event}")
    w.run(f"CREATE EVENT {event} ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' {state} DO SET @a = {w.done}")
    if w.any(2):
        w.run(f"ALTER EVENT {event} {('ENABLE', 'DISABLE')[w.any(2)]}")
    w.run(
        f"CREATE EVENT IF NOT EXISTS orc.once{w.any(3)} ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND "
        "DO INSERT INTO orc.ticks (s) VALUES ('once')"
    )
    w.run("DROP FUNCTION IF EXISTS orc.f")
    w.run(f"CREATE FUNCTION orc.f (a INT) RETURNS INT DETERMINISTIC RETURN a + {w.any(9)}")


def grow(w: Writer) -> None:
    """Transactions of many megabytes, and a row that is larger than a packet."""
    w.run("BEGIN", "INSERT INTO orc.bulk (s) VALUES (REPEAT('a', 900))")
    for _ in range(13):
        w.run(
            "INSERT INTO orc.bulk (s) SELECT CONCAT(LEFT(UUID(), 8), RIGHT(s, 800)) FROM orc.bulk WHERE b IS NULL LIMIT 5000"
        )
    w.run(
        "COMMIT",
        "BEGIN",
        f"INSERT INTO orc.bulk (b) VALUES (REPEAT(UNHEX(SHA2(UUID(), 512)), {270_000 + w.any(50_000)}))",
    )
    w.run("UPDATE orc.bulk SET b = CONCAT('x', b) WHERE b IS NOT NULL", "COMMIT")
    w.run(
        "DO SLEEP(1)",
        "DELETE FROM orc.bulk WHERE b IS NOT NULL ORDER BY id LIMIT 1",
        "DELETE FROM orc.bulk WHERE b IS NULL",
    )


def say(w: Writer) -> None:
    """Statements as text: variables, RAND(), temporary tables over a rotation, procedures, zones, modes."""
    w.run(f"SET SESSION binlog_format = '{('STATEMENT', 'MIXED')[w.any(2)]}'")
    w.run(f"SET @u = CONCAT('ä', {w.any(100)}), @v = {w.any(100)} / 7.0, @w = NULL, @x = _latin1 x'E4'")
    w.run(
        "INSERT INTO orc.said (r, s, dt) VALUES (RAND(), CONCAT(@u, @v, IFNULL(@w, '')), NOW(6)), (RAND(), @x, NOW(3))"
    )
    zone = ("Europe/Berlin", "America/New_York", "+05:45", "SYSTEM", "UTC")[w.any(5)]
    w.run(
        f"SET SESSION time_zone = '{zone}'", "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'"
    )
    w.run("""INSERT INTO orc.said ("s", ts) VALUES ('a\\' || '%', '2026-10-25 02:30:00'), ('b', NOW())""")
    w.run(
        "SET SESSION sql_mode = DEFAULT",
        f"CALL orc.sell({w.any(50)})",
        "INSERT INTO orc.said (s) VALUES (LAST_INSERT_ID())",
    )
    w.run("CREATE TEMPORARY TABLE orc.tmp (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100))")
    w.run("INSERT INTO orc.tmp (s) VALUES ('t1'), (@v)", "DO SLEEP(0.3)")
    if w.any(2):
        w.run("FLUSH BINARY LOGS")
    w.run("INSERT INTO orc.said (s) SELECT CONCAT(s, id) FROM orc.tmp", "DROP TEMPORARY TABLE orc.tmp")
    w.run(
        "SET SESSION time_zone = '+00:00', lc_time_names = 'de_DE'",
        "INSERT INTO orc.said (s) VALUES (DATE_FORMAT('2026-05-01', '%M'))",
    )
    w.run(
        "SET SESSION insert_id = 1 + (SELECT MAX(id) + 3 FROM orc.said)", "INSERT INTO orc.said (s) VALUES ('skipped')"
    )
    w.run("SET SESSION binlog_format = 'ROW', lc_time_names = 'en_US'", "INSERT INTO orc.said (ts) VALUES (NOW())")
    w.run("SET SESSION time_zone = 'Europe/Berlin'", "INSERT INTO orc.said (ts) VALUES ('2026-03-29 03:30:00')")
    w.run("SET SESSION time_zone = '+00:00'")


def load(w: Writer) -> None:
    """LOAD DATA LOCAL, as rows and as text."""
    path = w.directory / f"rows{w.done}"
    path.write_text("".join(f"{number}\t{w.any(10**9)}\n" for number in range(100 + w.any(400))))
    for form in ("ROW", "STATEMENT"):
        w.run(f"SET SESSION binlog_format = '{form}'")
        w.run(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE orc.loaded (a, @s) SET s = CONCAT('{form}', @s)")
    w.run("SET SESSION binlog_format = 'ROW'", f"DELETE FROM orc.loaded WHERE a % 3 = {w.any(3)}")
    path.unlink()


def prepare(w: Writer) -> None:
    """XA: prepared here and committed there, often in another file, or rolled back, or not yet."""
    name = f"'x{w.done}','\\'b'"
    w.run(f"XA START {name}", "INSERT INTO orc.prepared (s) VALUES (UUID()), (UUID())", f"XA END {name}")
    if w.any(3) == 0:
        w.run(f"XA COMMIT {name} ONE PHASE")
        return
    w.run(f"XA PREPARE {name}")
    with w.gate.passed():
        w.session.close()
        w.session = w.server.connect()
    if w.any(4) == 0:
        w.run("FLUSH BINARY LOGS")
    w.run("DO SLEEP(0.1)")
    for attempt in range(50):
        try:
            w.run(f"XA {('ROLLBACK', 'COMMIT')[w.any(3) > 0]} {name}")
        except ServerError:  # the old session has not ended yet
            if attempt == 49:
                raise
            w.run("DO SLEEP(0.02)")
        else:
            break


def write_old(w: Writer) -> None:
    """Tables that know no transactions."""
    w.run(f"SET SESSION binlog_format = '{('ROW', 'STATEMENT')[w.any(2)]}'")
    w.run(
        f"INSERT INTO orc.old (s) VALUES ('{w.done}'), ('x')",
        f"UPDATE orc.old SET s = CONCAT(LEFT(s, 90), 'y') WHERE id % 5 = {w.any(5)}",
    )
    if w.is_mariadb:
        w.run("INSERT INTO orc.aria (s) SELECT s FROM orc.old ORDER BY id DESC LIMIT 3")
        w.run_in_one(  # in between the row of the table without transactions would be there, and in no log yet
            "BEGIN",
            "INSERT INTO orc.plain VALUES (1, 1.1, 2.2, 'gone')",
            "INSERT INTO orc.aria (s) VALUES ('stays')",
            "ROLLBACK",
        )
    w.run("DELETE FROM orc.old WHERE id % 3 = 0", "SET SESSION binlog_format = 'ROW'")


def spell(w: Writer) -> None:
    """Unusual character sets, as text and as rows; bytes of all values."""
    for charset, table, text in (("sjis", "sj", "ソ表能"), ("gbk", "gb", "誠縗"), ("utf8mb4", "u16", "😀ü")):
        for form in ("STATEMENT", "ROW"):
            w.run(f"SET SESSION binlog_format = '{form}'", f"SET NAMES {charset}")
            w.run(
                f"INSERT INTO orc.{table} (s) VALUES ('".encode()
                + text.encode(charset.replace("utf8mb4", "utf-8"))
                + b"')"
            )
    w.run("SET NAMES utf8mb4", "UPDATE orc.u16 SET c = 'ñ' WHERE id % 2 = 0")
    garbage = w.random.randbytes(200).replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0")
    for form in ("STATEMENT", "ROW"):
        w.run(
            f"SET SESSION binlog_format = '{form}'",
            b"INSERT INTO orc.types (bin, y) VALUES (_binary'" + garbage + b"', 2026)",
        )
    w.run(
        f"INSERT INTO orc.types (b, e, st, y, t, dc, g) VALUES (b'101', 'ß', 'x,z', {1990 + w.any(50)}, "
        f"'-12:00:00.123456', {w.any(10**9)}.0000000007, ST_GeomFromText('POINT({w.any(90)} 2)'))"
    )
    w.run(
        f"INSERT INTO orc.plain VALUES ({w.any(9)}, 0.1 * {w.any(100)}, SQRT({w.any(100)}), UUID())",
        "DELETE FROM orc.plain WHERE a = 3 LIMIT 1",
    )


def trim(w: Writer) -> None:
    """Rows that are not logged whole, and compressed transactions."""
    w.run(f"SET SESSION binlog_row_image = '{('MINIMAL', 'NOBLOB', 'FULL')[w.any(3)]}'")
    document = f"JSON_OBJECT('a', {w.any(99)}, 'b', JSON_ARRAY(1, 2), 'c', REPEAT('z', 300))"
    w.run(f"REPLACE INTO orc.doc VALUES ({w.any(5)}, {document})", f"UPDATE orc.plain SET s = 'p' WHERE a = {w.any(9)}")
    if w.is_mariadb:
        w.run(
            "DO NEXTVAL(orc.numbers)",
            f"REPLACE INTO orc.kept VALUES ({w.any(5)}, UUID())",
            f"SET GLOBAL log_bin_compress = {w.any(2)}",
        )
        w.run(
            f"SET @@session.gtid_domain_id = {(0, 7)[w.any(2)]}",
            "INSERT INTO orc.audit (what) VALUES (NEXTVAL(orc.numbers))",
        )
        w.run(
            f"UPDATE orc.kept SET s = 'b' WHERE id = {w.any(5)}",
            f"DELETE FROM orc.kept WHERE id = {w.any(5)}",
            "SET @@session.gtid_domain_id = 0",
        )
    else:
        w.run(
            "SET SESSION binlog_row_value_options = 'PARTIAL_JSON'",
            f"SET SESSION binlog_transaction_compression = {w.any(2)}",
        )
    w.run(
        f"UPDATE orc.doc SET j = JSON_REMOVE(JSON_SET(j, '$.a', {w.any(99)}, '$.n{w.any(9)}', 'ö'), '$.b[0]') WHERE id < {w.any(6)}"
    )
    w.run(f"UPDATE orc.types SET bin = 'k', y = 2000 WHERE id % 4 = {w.any(4)}")


def rotate(w: Writer) -> None:
    """A new file, in the middle of what others do."""
    w.run("DO SLEEP(0.7)", "FLUSH BINARY LOGS")


FIRST = (sell, sell, spell)
"""Writers that a backup goes along with."""
THEN = (*FIRST, say, define, grant, grow, load, write_old, trim, rotate)
AT_LAST = (prepare,)
"""MariaDB's log cannot be replayed by the clients any more when an XA transaction has been prepared."""


@dataclass
class Workload:
    """Writers that run until the end of a block; `check` raises the first error of one of them."""

    server: PrivateServer
    seed: int
    gate: Gate = field(default_factory=Gate)
    _errors: list[BaseException] = field(default_factory=list)

    @contextmanager
    def running(self, steps: tuple[Callable[[Writer], None], ...]) -> Iterator[None]:
        """Have a writer repeat each of these."""
        ended = threading.Event()
        with tempfile.TemporaryDirectory() as directory:
            threads = [
                threading.Thread(target=self._write, args=(step, index, Path(directory), ended))
                for index, step in enumerate(steps)
            ]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
        self.check()

    def check(self) -> None:
        """Raise where a writer has failed: then this is no test of anything."""
        if self._errors:
            raise self._errors[0]

    def _write(self, step: Callable[[Writer], None], index: int, directory: Path, ended: threading.Event) -> None:
        w = Writer(
            self.server,
            random.Random(f"{self.seed} {index}"),
            self.gate,
            directory,
            self.server.connect(),
        )
        try:
            # who waits keeps the oracle waiting: also for the lock of a table that a stopped writer has
            w.session.execute("SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
            while not ended.is_set():
                try:
                    step(w)
                except ServerError as error:
                    if error_number(error) not in _RETRIED:
                        raise
                    w.run("ROLLBACK")
                w.done += 1
                ended.wait(w.random.random() * _PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001  (told by check)
            self._errors.append(error)
        finally:
            w.session.close()
