"""Values that backup tools have lost before: of every type, charset and key."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.fidelity import DataSets, binary, numbered

data_set = DataSets()

AWKWARD = (
    b"", b" ", b"NULL", b"null", b"\\N", b"\\", b"\\\\", b"\\t", b"\t", b"\n", b"\r\n", b"\0", b"\x1a", b"\b", b"'",
    b'"', b"a\\", b"a\\\tb\\\nc", b"trailing  ", b"\\N\t\\N", b"%s %d", "größe 💾 ".encode(), b"--", b";", b"$$;;",
)  # fmt: skip
"""Texts that formats with separators, escapes and a word for NULL get wrong."""

_TEXTS = [binary(text, "utf8mb4") for text in AWKWARD]
_BLOBS = [*(binary(text) for text in AWKWARD), binary(bytes(range(256))[:50])]
_SHORT = [binary(text[:8]) for text in AWKWARD]
_POINTS = ["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POINT(9 10)')", "ST_GeomFromText('POINT(92 9.1)')"]
_LINES = ["ST_GeomFromText('LINESTRING(0 0,9 10,92 13)')"]
_POLYGONS = ["ST_GeomFromText('POLYGON((0 0,9 0,9 9,0 9,0 0))')"]
_JSONS = [
    "'null'", "'{}'", "'[]'",
    r"""'{"a": "tab\\t newline\\n backslash\\\\ quote\\" nul\\u0000", "b": [1, 2.5e300, null]}'""",
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
