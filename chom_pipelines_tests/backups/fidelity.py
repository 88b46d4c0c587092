"""Data that backup tools have lost before: every type, every odd name, every kind of definition, as one database each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.identifiers import quote

Statements = Callable[[ServerFacts], Iterable[str | bytes]]

BOTH = (Flavour.MARIADB, Flavour.MYSQL)


@dataclass(frozen=True)
class DataSet:
    """A database of this name and the statements that fill it."""

    name: str
    statements: Statements
    flavours: tuple[Flavour, ...]
    database: str
    others: tuple[str, ...] = ()

    def build(self, session: Session, facts: ServerFacts) -> None:
        """Create it; the session is root's and its sql_mode takes every value."""
        session.execute(f"CREATE DATABASE {quote(self.database)}")
        session.execute(f"USE {quote(self.database)}")
        session.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0")
        for statement in self.statements(facts):
            session.statement(statement if isinstance(statement, bytes) else statement.encode())


DATA_SETS: list[DataSet] = []


def data_set(
    *flavours: Flavour,
    database: str | None = None,
    others: tuple[str, ...] = (),
) -> Callable[[Statements], Statements]:
    """Register a function that yields a database's statements; `others` are databases that it creates besides."""

    def register(statements: Statements) -> Statements:
        name = getattr(statements, "__name__", "")
        DATA_SETS.append(DataSet(name, statements, flavours or BOTH, database or name, others))
        return statements

    return register


def binary(data: bytes, charset: str = "binary") -> str:
    """A literal of exactly these bytes."""
    return f"_{charset} X'{data.hex()}'"


AWKWARD = (
    b"", b" ", b"NULL", b"null", b"\\N", b"\\", b"\\\\", b"\\t", b"\t", b"\n", b"\r\n", b"\0", b"\x1a", b"\b", b"'", b'"',
    b"a\\", b"a\\\tb\\\nc", b"trailing  ", b"\\N\t\\N", b"%s %d", "größe 💾 ".encode(), b"--", b";", b"$$;;",
)  # fmt: skip
"""Texts that formats with separators, escapes and a word for NULL get wrong."""

_TEXTS = [binary(text, "utf8mb4") for text in AWKWARD]
_BLOBS = [*(binary(text) for text in AWKWARD), binary(bytes(range(256))[:50])]
_SHORT = [binary(text[:8]) for text in AWKWARD]
_POINTS = ["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POINT(9 10)')", "ST_GeomFromText('POINT(92 9.1)')"]
_LINES = ["ST_GeomFromText('LINESTRING(0 0,9 10,92 13)')"]
_POLYGONS = ["ST_GeomFromText('POLYGON((0 0,9 0,9 9,0 9,0 0))')"]
_JSONS = [
    "'null'", "'{}'", "'[]'", r"""'{"a": "tab\\t newline\\n backslash\\\\ quote\\" nul\\u0000", "b": [1, 2.5e300, null]}'""",
    "'\"größe 💾\"'", "'1.7976931348623157e308'", "'18446744073709551615'", "'\"\\\\\\\\N\"'",
]  # fmt: skip

TYPES: dict[str, tuple[str, list[str]]] = {
    "tinyint": ("TINYINT", ["-128", "0", "127"]),
    "tinyint_unsigned": ("TINYINT UNSIGNED", ["0", "255"]),
    "smallint": ("SMALLINT", ["-32768", "32767"]),
    "mediumint": ("MEDIUMINT", ["-8388608", "8388607"]),
    "int": ("INT", ["-2147483648", "2147483647"]),
    "int_zerofill": ("INT(10) ZEROFILL", ["0", "42", "4294967295"]),
    "bigint": ("BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    "bigint_unsigned": ("BIGINT UNSIGNED", ["0", "18446744073709551615"]),
    "decimal": (
        "DECIMAL(65,30)",
        ["0", f"-{'9' * 35}.{'9' * 30}", f"{'9' * 35}.{'9' * 30}", "0." + "0" * 29 + "1", "-0.5"],
    ),
    "decimal_unsigned": ("DECIMAL(10,2) UNSIGNED ZEROFILL", ["0", "99999999.99"]),
    "float": ("FLOAT", ["0.1", "-0e0", "1e-45", "-3.402823466e38", "16777217", "1e0/3", "1.17549435e-38"]),
    "float_digits": ("FLOAT(7,4)", ["0.1", "-999.9999", "1e0/3"]),
    "double": (
        "DOUBLE",
        [
            "0.1",
            "-0e0",
            "5e-324",
            "1.7976931348623157e308",
            "-2.2250738585072014e-308",
            "1e0/3",
            "123456789012345678e0",
        ],
    ),
    "double_digits": ("DOUBLE(15,5)", ["0.1", "-9999999999.99999", "1e0/3"]),
    "double_wide": ("DOUBLE(255,30)", ["-1.8006194339274536e125", "1e0/3", "-1e-30"]),
    "bit1": ("BIT(1)", ["b'0'", "b'1'"]),
    "bit7": ("BIT(7)", ["9", "10", "92", "127"]),
    "bit64": ("BIT(64)", ["0", "0x095c0a00ff80275c", "0xffffffffffffffff", "9"]),
    "year": ("YEAR", ["0", "1901", "2155", "2000"]),
    "date": ("DATE", ["'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'0000-01-01'", "'9999-12-31'"]),
    "time": ("TIME", ["'-838:59:59'", "'838:59:59'", "'-00:00:01'", "'00:00:00'"]),
    "time_fraction": ("TIME(6)", ["'-838:59:58.999999'", "'-00:00:00.000001'", "'12:34:56.789012'"]),
    "datetime": ("DATETIME", ["'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2024-02-31 12:00:00'"]),
    "datetime_fraction": ("DATETIME(6)", ["'0000-00-00 00:00:00.000001'", "'2024-03-31 02:30:00.123456'"]),
    "timestamp": ("TIMESTAMP", ["'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"]),
    "timestamp_fraction": ("TIMESTAMP(6)", ["'1970-01-01 00:00:01.999999'", "'2024-10-27 01:30:00.000001'"]),
    "char": ("CHAR(30)", _TEXTS),
    "char_nothing": ("CHAR(0)", ["''"]),
    "varchar": ("VARCHAR(60)", _TEXTS),
    "binary": ("BINARY(8)", _SHORT),
    "varbinary": ("VARBINARY(60)", _BLOBS),
    "tinytext": ("TINYTEXT", _TEXTS),
    "text": ("TEXT", [*_TEXTS, "REPEAT('\\t', 65535)"]),
    "mediumtext": ("MEDIUMTEXT", [*_TEXTS, "REPEAT('line\\n', 60000)"]),
    "longtext": ("LONGTEXT", _TEXTS),
    "tinyblob": ("TINYBLOB", _BLOBS),
    "blob": ("BLOB", [*_BLOBS, "REPEAT(X'5c4e', 32767)"]),
    "mediumblob": ("MEDIUMBLOB", [*_BLOBS, "REPEAT(X'00ff095c0a', 60000)"]),
    "longblob": ("LONGBLOB", _BLOBS),
    "enum": ("ENUM('a','b c','ü','NULL')", ["'a'", "'b c'", "'ü'", "'NULL'", "0"]),
    "enum_odd": ("ENUM('','0','2','1','\\t','\\n','\\\\','a\\\\N','it''s','x,y','A','é')", [*map(str, range(13))]),
    "enum_alike": ("ENUM('a','A','a ')", ["1", "2"]),
    "set": ("SET('a','b','c d')", ["0", "1", "2", "3", "7"]),
    "set_odd": ("SET('','1','\\t','it''s','é','\\\\')", ["0", "1", "2", "4", "8", "16", "32", "63"]),
    "json": ("JSON", _JSONS),
    "geometry": ("GEOMETRY", [*_POINTS, *_LINES, *_POLYGONS, "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(9 10))')"]),
    "point": ("POINT", _POINTS),
    "linestring": ("LINESTRING", _LINES),
    "polygon": ("POLYGON", _POLYGONS),
    "multipoint": ("MULTIPOINT", ["ST_GeomFromText('MULTIPOINT(0 0,9 10)')"]),
    "multilinestring": ("MULTILINESTRING", ["ST_GeomFromText('MULTILINESTRING((9 10,92 13),(0 0,1 1))')"]),
    "multipolygon": ("MULTIPOLYGON", ["ST_GeomFromText('MULTIPOLYGON(((0 0,9 0,9 9,0 9,0 0)))')"]),
    "geometrycollection": ("GEOMETRYCOLLECTION", ["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(9 10))')"]),
}

_MARIADB_TYPES: dict[str, tuple[str, list[str]]] = {
    "uuid": ("UUID", ["'095c0a00-0000-1000-8000-095c0a27ff80'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    "inet4": ("INET4", ["'0.0.0.0'", "'9.10.92.13'", "'255.255.255.255'"]),
    "inet6": ("INET6", ["'::'", "'095c:0a5c:4e09::1'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'"]),
    "text_compressed": ("TEXT COMPRESSED", [*_TEXTS, "REPEAT('a\\t', 30000)"]),
    "blob_compressed": ("BLOB COMPRESSED", _BLOBS),
}
_MYSQL_TYPES: dict[str, tuple[str, list[str]]] = {
    "vector": (
        "VECTOR(3)",
        ["TO_VECTOR('[1,2,3]')", "TO_VECTOR('[-0.1,1.2e-38,3.4e38]')", "X'095c0a00095c0a00095c0a00'"],
    ),
}


def types(facts: ServerFacts) -> dict[str, tuple[str, list[str]]]:
    """The types of this server: declaration and literals by name."""
    if facts.is_mariadb:
        return TYPES | _MARIADB_TYPES
    return TYPES | _MYSQL_TYPES if facts.version >= (9, 0, 0) else TYPES


@data_set()
def every_type(facts: ServerFacts) -> Iterator[str]:
    """Each type on its own, with NULL and without, so that each is rendered in the cheapest way that it ever is."""
    for name, (declared, values) in types(facts).items():
        nullable = f"{declared} NULL"
        yield f"CREATE TABLE {quote(name)} (id INT PRIMARY KEY, v {nullable})"
        rows = ", ".join(f"({number}, {value})" for number, value in enumerate([*values, "NULL"]))
        yield f"INSERT INTO {quote(name)} VALUES {rows}"
        yield f"CREATE TABLE {quote(name + ' alone')} (v {declared} NOT NULL)"
        yield f"INSERT INTO {quote(name + ' alone')} VALUES {', '.join(f'({value})' for value in values)}"


@data_set()
def all_types_together(facts: ServerFacts) -> Iterator[str]:
    """One table with a column of each type, and the NULLs wandering through them."""
    known = types(facts)
    columns = ", ".join(f"{quote(name)} {declared} NULL" for name, (declared, _) in known.items())
    yield f"CREATE TABLE t (id INT PRIMARY KEY, {columns}) ROW_FORMAT=DYNAMIC"
    for row in range(24):
        values = ["NULL" if (row + at) % 5 == 0 else v[row % len(v)] for at, (_, v) in enumerate(known.values())]
        yield f"INSERT INTO t VALUES ({row}, {', '.join(values)})"


CHARACTER_SETS: dict[str, list[bytes]] = {
    "latin1": [bytes(range(128)), bytes(range(128, 256)), b"\xff\xfe", b"\\\xe9"],
    "ascii": [b"plain", b"\\\t\n"],
    "hebrew": [b"\xe0\xe1"],
    "koi8r": [b"\xc1\xc2\\"],
    "swe7": [b"[\\]"],
    "big5": [b"\xa5\x5c", b"\xa5\x5c\x5c", b"a"],
    "gbk": [b"\x81\x5c", b"\x81\x5cN", b"\xb0\xa1"],
    "sjis": [b"\x83\x5c", b"\x95\x5c\x95\x5c"],
    "cp932": [b"\x83\x5c", b"\x81\x5c"],
    "ujis": [b"\xa4\xa2"],
    "euckr": [b"\xb0\xa1"],
    "ucs2": ["Ċ封ऀ\t\n\\N".encode("utf-16-be"), b"\xd8\x00", b"\xdc\x00\x09\x0a\x5c\x5c", b"\0\\\0N"],
    "utf16": ["Ċ封💾\t\n\\".encode("utf-16-be")],
    "utf16le": ["Ċ封💾\t\n\\".encode("utf-16-le")],
    "utf32": ["Ċ封💾\t\n\\".encode("utf-32-be")],
    "utf8mb3": ["größe\t".encode()],
    "utf8mb4": ["größe 💾\\".encode(), b"\xf4\x8f\xbf\xbf"],
}
_MEMBERS = {"ucs2": "'a','Ċ','封','ऀ'", "utf16": "'a','Ċ','封'", "utf32": "'a','Ċ'", "big5": "'a','功','x'"}


@data_set()
def character_sets(_facts: ServerFacts) -> Iterator[str]:
    """Text whose bytes hold separators and escapes that are none, and half characters that a charset lets pass."""
    for charset, texts in CHARACTER_SETS.items():
        for null in ("NULL", "NOT NULL"):
            table = quote(f"{charset} {null}")
            members = _MEMBERS.get(charset, "'a','b'")
            yield (
                f"CREATE TABLE {table} (v VARCHAR(200) {null}, c CHAR(200) {null}, x TEXT {null}, "
                f"e ENUM({members}) {null}, s SET({members}) {null}) CHARACTER SET {charset}"
            )
            yield f"CREATE TABLE {quote(f'{charset} {null} short')} (v VARCHAR(200) {null}) CHARACTER SET {charset}"
            for number, text in enumerate(texts):
                value = binary(text, charset)
                yield f"INSERT INTO {table} VALUES ({value}, {value}, {value}, {number % 2 + 1}, {number % 4})"
                yield f"INSERT INTO {quote(f'{charset} {null} short')} VALUES ({value})"
            yield f"INSERT INTO {table} VALUES ('', '', '', 2, 3), ('a', 'b', 'c', 0, 0)"


@data_set()
def null_empty_and_text(_facts: ServerFacts) -> Iterator[str]:
    """NULL, the empty text and the texts that look like NULL are four different things."""
    for number, declared in enumerate(("VARCHAR(20)", "CHAR(20)", "TEXT", "BLOB", "VARBINARY(20)")):
        yield f"CREATE TABLE t{number} (id INT PRIMARY KEY, a {declared} NULL, b {declared} NULL)"
        values = ["NULL", "''", "'NULL'", "'\\\\N'", "'\\\\\\\\N'", "'\\\\'"]
        pairs = [f"({1 + a * len(values) + b}, {x}, {y})" for a, x in enumerate(values) for b, y in enumerate(values)]
        yield f"INSERT INTO t{number} VALUES {', '.join(pairs)}"
    yield "CREATE TABLE only_null (a VARCHAR(9) NULL)"
    yield "INSERT INTO only_null VALUES (NULL), ('\\\\N'), (''), ('NULL')"
    yield "CREATE TABLE empty_table (a INT PRIMARY KEY, b TEXT)"


@data_set()
def thousand_columns(_facts: ServerFacts) -> Iterator[str]:
    """As many columns as nobody should have."""
    kinds = ("INT", "VARCHAR(3) NULL", "TINYINT NOT NULL DEFAULT 7", "DATE NULL", "CHAR(1) NOT NULL DEFAULT '\\\\'")
    columns = ", ".join(f"c{number} {kinds[number % len(kinds)]}" for number in range(1, 1000))
    yield f"CREATE TABLE t (id INT PRIMARY KEY, {columns}) CHARACTER SET latin1 ROW_FORMAT=DYNAMIC"
    yield "INSERT INTO t (id) VALUES (1), (2), (3)"
    yield "INSERT INTO t (id, c1, c6, c9, c999) VALUES (4, 5, 'NUL', '\\t', '\\n')"


KEYS: dict[str, tuple[str, str]] = {
    "int": ("INT", "n - 30"),
    "bigint_unsigned": ("BIGINT UNSIGNED", "18446744073709551615 - CAST(n AS UNSIGNED) * 61489146912365"),
    "varchar_ci": ("VARCHAR(40) CHARACTER SET utf8mb4", "CONCAT(IF(n % 2, 'Ä', 'a\\\\'), n)"),
    "varchar_latin1": ("VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci", "CONCAT('ß''\\t', n)"),
    "varchar_ucs2": ("VARCHAR(40) CHARACTER SET ucs2", "CONCAT('Ċ', n)"),
    "char_bin": ("CHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CONCAT('ü', n)"),
    "binary16": ("BINARY(16)", "LEFT(UNHEX(SHA2(n, 256)), 16)"),
    "varbinary": ("VARBINARY(40)", "UNHEX(CONCAT('095c0a00', SHA2(n, 256)))"),
    "decimal": ("DECIMAL(30,5)", "n * 1234567890123.45678 - 99999999999999"),
    "date": ("DATE", "IF(n = 1, '0000-00-00', DATE '2024-01-01' + INTERVAL n DAY)"),
    "datetime": ("DATETIME(6)", "TIMESTAMP '2024-01-01 00:00:00.5' + INTERVAL n * 1001 MICROSECOND"),
    "timestamp": ("TIMESTAMP", "TIMESTAMP '2024-03-31 00:00:00' + INTERVAL n MINUTE"),
    "time": ("TIME(3)", "SEC_TO_TIME(n - 100.125)"),
    "year": ("YEAR", "1900 + n % 200 + 1"),
    "bit": ("BIT(20)", "n"),
    "double": ("DOUBLE", "n / 3"),
    "enum": ("ENUM('c','b','a')", "1 + n % 3"),
}
KEY_ROWS = 60


def numbered(rows: int) -> str:
    """A derived table with the column n, 1 to `rows`."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    return (
        f"(SELECT 1 + a.d + 10 * b.d + 100 * c.d AS n FROM ({digits}) a, ({digits}) b, ({digits}) c "
        f"HAVING n <= {rows}) numbers"
    )


@data_set()
def keys(facts: ServerFacts) -> Iterator[str]:
    """Primary keys of every type that has an order of its own, and tables without one."""
    for name, (declared, value) in KEYS.items():
        rest = "n INT NOT NULL, v VARCHAR(300) CHARACTER SET latin1"
        yield f"CREATE TABLE {quote(name)} (k {declared} NOT NULL PRIMARY KEY, {rest}) STATS_PERSISTENT=1"
        source = f"SELECT {value}, n, REPEAT('x', 300) FROM {numbered(KEY_ROWS)}"
        yield f"INSERT IGNORE INTO {quote(name)} {source}"
        yield f"CREATE TABLE {quote(name + ' composite')} (z INT, k {declared} NOT NULL, {rest}, PRIMARY KEY (k, n))"
        yield f"INSERT INTO {quote(name + ' composite')} SELECT -n, {value}, n, 'v' FROM {numbered(KEY_ROWS)}"
        yield f"ANALYZE TABLE {quote(name)}, {quote(name + ' composite')}"
    yield "CREATE TABLE no_key (a INT, b VARCHAR(9))"
    yield "INSERT INTO no_key VALUES (2, 'b'), (1, 'a'), (2, 'b'), (NULL, NULL), (NULL, NULL), (1, 'a')"
    yield "CREATE TABLE unique_only (a INT NOT NULL, b INT, UNIQUE (a), UNIQUE (b), KEY (b, a))"
    yield "INSERT INTO unique_only VALUES (3, NULL), (1, NULL), (2, 7)"
    yield "CREATE TABLE unique_nullable (a INT NULL UNIQUE, b INT)"
    yield "INSERT INTO unique_nullable VALUES (3, 1), (NULL, 2), (1, 3), (NULL, 4)"
    yield "CREATE TABLE covered (id INT PRIMARY KEY, a INT, KEY (a, id))"
    yield f"INSERT INTO covered SELECT n, n % 7 FROM {numbered(KEY_ROWS)}"
    yield "CREATE TABLE prefixed (t TEXT, b VARCHAR(200), PRIMARY KEY (t(10), b(5)))"
    yield f"INSERT INTO prefixed SELECT CONCAT(n, 'x'), CONCAT('\\t', n) FROM {numbered(KEY_ROWS)}"
    yield "CREATE TABLE wide_key (a CHAR(1), b CHAR(1), c INT, d INT, e DATE, f INT, PRIMARY KEY (d, c, b, a, e, f))"
    yield f"INSERT INTO wide_key SELECT 'a', 'b', -n, n % 3, '0000-00-00', n FROM {numbered(KEY_ROWS)}"
    if not facts.is_mariadb:
        yield "CREATE TABLE descending (k INT, v VARCHAR(300), PRIMARY KEY (k DESC))"
        yield f"INSERT INTO descending SELECT n, REPEAT('y', 300) FROM {numbered(KEY_ROWS)}"
        yield "CREATE TABLE functional (id INT PRIMARY KEY, a INT, KEY ((a + 1)), KEY ((CAST(a AS CHAR(9)))))"
        yield "INSERT INTO functional VALUES (1, 2), (2, 1)"


@data_set()
def columns_that_hide(facts: ServerFacts) -> Iterator[str]:
    """Generated columns hold no data of their own; invisible ones do, though SELECT * does not say so."""
    yield (
        "CREATE TABLE generated_columns (a INT GENERATED ALWAYS AS (c * 2) VIRTUAL, b INT AS (c + 1) STORED, "
        "c INT PRIMARY KEY, d VARCHAR(40) AS (CONCAT(e, '\\t')) STORED, e VARCHAR(20), KEY (a), UNIQUE (b))"
    )
    yield "INSERT INTO generated_columns (c, e) VALUES (1, 'one'), (2, NULL), (3, '\\\\')"
    yield (
        "CREATE TABLE defaults (id INT PRIMARY KEY, u VARCHAR(36) NOT NULL DEFAULT (UUID()), r DOUBLE DEFAULT (RAND()), "
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
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, disk_bytes BIGINT NOT NULL DEFAULT 0, deleted_at TIMESTAMP "
        "NULL, CONSTRAINT sites_user_id_foreign FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE, "
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
        "CREATE TABLE ranged (id INT, d DATE NOT NULL, v VARCHAR(300), PRIMARY KEY (id, d)) PARTITION BY RANGE COLUMNS (d) "
        "(PARTITION p0 VALUES LESS THAN ('2024-03-01'), PARTITION `p 1` VALUES LESS THAN (MAXVALUE))"
    )
    yield f"INSERT INTO ranged SELECT n, DATE '2024-01-01' + INTERVAL n % 100 DAY, REPEAT('v', 300) FROM {numbered(400)}"
    yield "CREATE TABLE hashed (id INT PRIMARY KEY, v INT, KEY (v)) PARTITION BY HASH (id) PARTITIONS 4"
    yield f"INSERT INTO hashed SELECT n, -n FROM {numbered(400)}"
    yield "CREATE TABLE listed (a INT, b INT) PARTITION BY LIST (a) (PARTITION x VALUES IN (1, 2), PARTITION y VALUES IN (3))"
    yield "INSERT INTO listed VALUES (3, 1), (1, 2), (2, 3), (1, 1)"
    yield (
        "CREATE TABLE sub (a INT, b INT, PRIMARY KEY (a, b)) PARTITION BY RANGE (a) SUBPARTITION BY KEY (b) SUBPARTITIONS 2 "
        "(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
    )
    yield f"INSERT INTO sub SELECT n % 20, n FROM {numbered(100)}"


@data_set()
def constraints(facts: ServerFacts) -> Iterator[str]:
    """Foreign keys in a circle, onto themselves and violated; checks, unique and full-text and spatial keys."""
    yield "CREATE TABLE a (id INT PRIMARY KEY, b INT, CONSTRAINT `a to b` FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE)"
    yield "CREATE TABLE b (id INT PRIMARY KEY, a INT, CONSTRAINT `b to a` FOREIGN KEY (a) REFERENCES a (id) ON DELETE SET NULL)"
    yield "INSERT INTO a VALUES (1, 2), (2, 1)"
    yield "INSERT INTO b VALUES (1, 2), (2, 1)"
    yield "CREATE TABLE tree (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES tree (id))"
    yield "INSERT INTO tree VALUES (1, 3), (2, NULL), (3, 2), (4, 999)"
    yield "CREATE TABLE checked (a INT CHECK (a > 0), b INT, CONSTRAINT `b; \"is\" 'odd'` CHECK (b % 2 = 1), CHECK (a < b))"
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


ODD_NAMES = (
    "with space", "with`backtick", "with.dot", "100% %s", "größe💾"[:5], "select", "select * from", "'quoted'", '"double"',
    "back\\slash", "tab\there", "new\nline", "a;b -- c", "$$", "x" * 64, "ü" * 64, "@v0", "#hash", "UPPER", "upper",
)  # fmt: skip
"""Identifiers that end up in statements, file names and patterns. They have no characters beyond U+FFFF: no server allows it."""


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
    yield "CREATE ALGORITHM=TEMPTABLE SQL SECURITY INVOKER VIEW a AS SELECT z.id, y.v AS `b` FROM z JOIN y ON z.id = y.id"
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
    yield "CREATE EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DO INSERT INTO t VALUES (2, '')"
    yield "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2024-01-01 00:00:00' DISABLE COMMENT 'e;' DO BEGIN SELECT 1; END"
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


@data_set()
def nothing(_facts: ServerFacts) -> Iterator[str]:
    """An empty database is a database too."""
    yield from ()
