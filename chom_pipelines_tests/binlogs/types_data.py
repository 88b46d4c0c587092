"""A column of every type that a table can have, with values that are stored in different widths."""

from __future__ import annotations

from chom_pipelines.server.facts import Flavour

_BOTH = {
    "TINYINT": ("-1", "127"),
    "SMALLINT UNSIGNED": ("0", "65535"),
    "MEDIUMINT": ("-8388608", "1"),
    "INT": ("1", "-2"),
    "BIGINT UNSIGNED": ("18446744073709551615", "0"),
    "BOOLEAN": ("TRUE", "FALSE"),
    "FLOAT": ("1.5", "-0.1"),
    "DOUBLE": ("1e300", "0"),
    "DECIMAL(1,0)": ("1", "-9"),
    "DECIMAL(10,2)": ("12345678.91", "-0.01"),
    "DECIMAL(65,30)": ("1.000000000000000000000000000001", "0"),
    "DECIMAL(18,9)": ("1", "2"),
    "BIT(1)": ("b'1'", "b'0'"),
    "BIT(9)": ("b'101010101'", "b'0'"),
    "BIT(64)": ("b'1'", "0"),
    "YEAR": ("2024", "1999"),
    "DATE": ("'2024-02-29'", "'1000-01-01'"),
    "TIME": ("'-838:59:59'", "'00:00:01'"),
    "TIME(3)": ("'10:11:12.123'", "'00:00:01'"),
    "TIME(6)": ("'-10:11:12.123456'", "'00:00:01'"),
    "DATETIME": ("'2024-02-29 10:00:00'", "'1000-01-01 00:00:00'"),
    "DATETIME(1)": ("'2024-02-29 10:00:00.1'", "'1000-01-01 00:00:00'"),
    "DATETIME(6)": ("'2024-02-29 10:00:00.123456'", "'1000-01-01 00:00:00'"),
    "TIMESTAMP NULL": ("'2024-02-29 10:00:00'", "'1990-01-01 00:00:00'"),
    "TIMESTAMP(4) NULL": ("'2024-02-29 10:00:00.1234'", "'1990-01-01 00:00:00'"),
    "CHAR(0)": ("''", "''"),
    "CHAR(1) CHARACTER SET latin1": ("'a'", "''"),
    "CHAR(60) CHARACTER SET utf8mb4": ("REPEAT('é', 60)", "''"),
    "CHAR(255) CHARACTER SET utf8mb4": ("REPEAT('é', 255)", "'x'"),
    "CHAR(255) CHARACTER SET latin1": ("REPEAT('x', 255)", "'x'"),
    "BINARY(16)": ("'0123456789abcdef'", "''"),
    "BINARY(255)": ("REPEAT('x', 255)", "''"),
    "VARCHAR(10) CHARACTER SET latin1": ("'abc'", "''"),
    "VARCHAR(63) CHARACTER SET utf8mb4": ("REPEAT('é', 63)", "''"),
    "VARCHAR(64) CHARACTER SET utf8mb4": ("REPEAT('é', 64)", "''"),
    "VARCHAR(255) CHARACTER SET latin1": ("REPEAT('x', 255)", "''"),
    "VARCHAR(256) CHARACTER SET latin1": ("REPEAT('x', 256)", "''"),
    "VARBINARY(3000)": ("REPEAT('x', 3000)", "''"),
    "TINYBLOB": ("REPEAT('x', 255)", "''"),
    "BLOB": ("REPEAT('x', 65535)", "''"),
    "MEDIUMBLOB": ("REPEAT('x', 70000)", "'x'"),
    "LONGBLOB": ("REPEAT('x', 70000)", "'x'"),
    "TINYTEXT": ("'x'", "''"),
    "TEXT": ("REPEAT('x', 3000)", "'x'"),
    "MEDIUMTEXT": ("REPEAT('x', 3000)", "'x'"),
    "LONGTEXT": ("REPEAT('x', 3000)", "'x'"),
    "ENUM('a', 'b')": ("'a'", "'b'"),
    f"ENUM({', '.join(repr(str(n)) for n in range(300))})": ("'299'", "'1'"),
    "SET('a', 'b', 'c')": ("'a,c'", "''"),
    f"SET({', '.join(repr(str(n)) for n in range(40))})": ("'1,39'", "''"),
    f"SET({', '.join(repr(str(n)) for n in range(64))})": ("'1,63'", "''"),
    "JSON": ("""'{"a": [1, 2, {"b": null}]}'""", "'1'"),
    "GEOMETRY": ("ST_GeomFromText('LINESTRING(0 0, 1 1, 2 2)')", "ST_GeomFromText('POINT(1 2)')"),
    "POINT": ("ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(0 0)')"),
}
_MARIADB = {
    "INET4": ("'10.0.0.1'", "'0.0.0.0'"),
    "INET6": ("'::1'", "'::'"),
    "UUID": ("'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"),
    "VARCHAR(100) COMPRESSED CHARACTER SET latin1": ("REPEAT('x', 100)", "''"),
    "VARCHAR(3000) COMPRESSED CHARACTER SET latin1": ("REPEAT('x', 3000)", "'x'"),
    "VARCHAR(255) COMPRESSED CHARACTER SET latin1": ("REPEAT('x', 255)", "'x'"),
    "TINYBLOB COMPRESSED": ("REPEAT('x', 200)", "'x'"),
    "BLOB COMPRESSED": ("REPEAT('x', 3000)", "'x'"),
    "MEDIUMTEXT COMPRESSED": ("REPEAT('x', 3000)", "''"),
    "LONGTEXT COMPRESSED": ("REPEAT('x', 70000)", "'x'"),
    "INT AS (1 + 1) PERSISTENT": (),
    "INT AS (1 + 1) VIRTUAL": (),
}
_MYSQL = {
    "VECTOR(3)": ("STRING_TO_VECTOR('[1,2,3]')", "STRING_TO_VECTOR('[1]')"),
    "VECTOR(1000)": ("STRING_TO_VECTOR('[1,2,3]')", "STRING_TO_VECTOR('[1]')"),
    "INT AS (1 + 1) STORED": (),
    "INT AS (1 + 1) VIRTUAL": (),
}


def every_type(flavour: Flavour) -> dict[str, tuple[str, ...]]:
    """Definitions of columns, each with two values; without values, the server makes them."""
    return _BOTH | (_MARIADB if flavour is Flavour.MARIADB else _MYSQL)
