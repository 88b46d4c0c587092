"""Random column types, and values of each, from the edges as often as from the middle. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chom_pipelines_tests.differential import texts

_REALS = (
    "0", "-0e0", "5e-324", "1e-45", "1.17549435e-38", "3.402823466e38", "1.7976931348623157e308", "1e0/3", "1e30",
    "1.719426439093941e-9", "-1.1551457405870449e-26",
)  # fmt: skip
_DAYS = (
    "0000-00-00", "2024-00-10", "2024-05-00", "2023-02-31", "1000-01-01", "9999-12-31", "0001-01-01", "2024-02-29",
)  # fmt: skip
_TIMES = ("00:00:00", "23:59:59", "12:34:56.789012", "23:59:59.999999")

Value = Callable[[Random], str]
"""Makes SQL of a value."""


@dataclass(frozen=True)
class Kind:
    """A type as it is declared, and what makes its values; `family` says what may be done with it."""

    declared: str
    value: Value
    family: str
    long: bool = False
    """A key of it needs a length."""
    charset: str = ""


def some_kind(random: Random, *, mariadb: bool) -> Kind:
    """Any type of the server's."""
    makers = [
        *(_integer, _integer, _decimal, _real, _real, _bit, _year, _moment, _moment),
        *(_text, _text, _text, _long_text, _bytes, _long_bytes, _choice, _json, _geometry),
        _of_mariadb if mariadb else _of_mysql,
    ]
    return random.choice(makers)(random)


def integer_kind(random: Random) -> Kind:
    """An integer, as most keys are."""
    return _integer(random)


def _one_of(*values: str) -> Value:
    return lambda random: random.choice(values)


def _integer(random: Random) -> Kind:
    name, bits = random.choice([("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64)])
    suffix = random.choice(["", "", "", " UNSIGNED", " UNSIGNED ZEROFILL"])
    low, high = (0, 2**bits - 1) if suffix else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def value(random: Random) -> str:
        return str(random.choice([low, high, 0, 1, random.randint(low, high), random.randint(0, 99)]))

    return Kind(name + suffix, value, "number")


def _decimal(random: Random) -> Kind:
    digits = random.randint(1, 65)
    scale = random.randint(0, min(digits, 30))
    suffix = random.choice(["", "", " UNSIGNED", " ZEROFILL"])

    def value(random: Random) -> str:
        whole = (
            "9" * (digits - scale) if random.random() < 0.3 else str(random.randrange(10 ** min(digits - scale, 18)))
        )
        part = "." + "".join(random.choice("0019") for _ in range(scale)) if scale else ""
        return f"{'' if suffix else random.choice(['', '-'])}{whole or '0'}{part}"

    return Kind(f"DECIMAL({digits},{scale}){suffix}", value, "number")


def _real(random: Random) -> Kind:
    name, form, widest = random.choice([("FLOAT", "<f", 7), ("DOUBLE", "<d", 15)])
    if random.random() < 0.25:
        digits = random.randint(1, widest + 8)
        name += f"({digits},{random.randint(0, min(digits, 30))})"
    suffix = random.choice(["", "", "", " UNSIGNED"])

    def value(random: Random) -> str:
        number = struct.unpack(form, random.randbytes(struct.calcsize(form)))[0]
        if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124  (not a number)
            number = 0.1
        edges = [
            "0",
            "-0e0",
            "5e-324",
            "1e-45",
            "1.17549435e-38",
            "3.402823466e38",
            "1.7976931348623157e308",
            "1e0/3",
            "1e30",
        ]
        return random.choice([repr(number), repr(number), random.choice(edges), repr(random.uniform(-1e6, 1e6))])

    return Kind(name + suffix, value, "number")


def _bit(random: Random) -> Kind:
    width = random.choice([1, 7, 8, 9, 33, 64])
    return Kind(f"BIT({width})", lambda random: f"b'{random.getrandbits(width):b}'", "bit")


def _year(_: Random) -> Kind:
    return Kind("YEAR", _one_of("0", "1901", "2155", "2024", "70"), "number")


def _moment(random: Random) -> Kind:
    name = random.choice(["DATE", "TIME", "DATETIME", "TIMESTAMP"])
    places = random.choice([0, 0, 3, 6])
    declared = name if name == "DATE" or not places else f"{name}({places})"

    def value(random: Random) -> str:
        usual = f"20{random.randrange(10, 38)}-0{random.randint(1, 9)}-1{random.randrange(10)}"
        day = random.choice([random.choice(_DAYS), usual])
        if name == "DATE":
            return f"'{day}'"
        if name == "TIME":
            spans = ["-838:59:59", "838:59:59", "-00:00:00.000001", *_TIMES]
            return f"'{random.choice(spans)}'"
        return f"'{random.choice([day, '1970-01-01', '2038-01-19'])} {random.choice([*_TIMES, '03:14:07'])}'"

    return Kind(declared, value, "moment")


def _charset(random: Random) -> str:
    return random.choice(list(texts.CODECS))


def _text(random: Random) -> Kind:
    charset, length = _charset(random), random.choice([1, 3, 10, 60, 255])
    collation = random.choice(["", "", f" COLLATE {charset}_bin"])
    name = random.choice(["CHAR", "VARCHAR", "VARCHAR"])
    declared = f"{name}({length}) CHARACTER SET {charset}{collation}"
    return Kind(declared, lambda random: texts.text(random, charset, length), "text", charset=charset)


def _long_text(random: Random) -> Kind:
    charset = _charset(random)
    name, most = random.choice([("TINYTEXT", 60), ("TEXT", 3000), ("MEDIUMTEXT", 3000), ("LONGTEXT", 3000)])

    def value(random: Random) -> str:
        if most > 99 and random.random() < 0.004:  # more than a server is asked to escape
            return f"REPEAT({texts.text(random, charset, 9)}, 300000)"
        short = texts.text(random, charset, most)
        return short if random.random() < 0.8 or most < 99 else f"REPEAT({short}, {random.choice([40, 400])})"

    return Kind(f"{name} CHARACTER SET {charset}", value, "text", long=True, charset=charset)


def _bytes(random: Random) -> Kind:
    length = random.choice([1, 4, 16, 60])
    return Kind(
        f"{random.choice(['BINARY', 'VARBINARY'])}({length})", lambda random: texts.data(random, length), "bytes"
    )


def _long_bytes(random: Random) -> Kind:
    name = random.choice(["TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"])
    return Kind(name, lambda random: texts.data(random, 255), "bytes", long=True)


def _choice(random: Random) -> Kind:
    members = random.choice(["'a','B','c d'", "'','0','2','1'", "'\t','\n','x y','é'", "'it''s','NULL','\\\\'"])
    name, charset = random.choice(["ENUM", "SET"]), random.choice(["latin1", "utf8mb4", "ucs2", "sjis"])
    members = members if charset != "sjis" else "'a','B'"
    highest = members.count(",") + 1 if name == "ENUM" else 2 ** (members.count(",") + 1) - 1
    return Kind(f"{name}({members}) CHARACTER SET {charset}", lambda random: str(random.randint(0, highest)), "choice")


def _json(_: Random) -> Kind:
    documents = [
        "{}", "[]", "null", '"a"', "12345678901234567890", "-0.0", "1e300", '{"a": 1, "b": [true, null]}',
        '["\\u0000\\n"]', '{"a": {"a": "12 pcs"}}', '"größe 💾"', "[1.5, 0.1, 1e-7]", '{"": "", "a\\\\tb": "\\\\\\\\"}',
    ]  # fmt: skip
    return Kind(
        "JSON", lambda random: f"CONVERT(X'{random.choice(documents).encode().hex()}' USING utf8mb4)", "json", long=True
    )


def _geometry(random: Random) -> Kind:
    shapes = {
        "POINT": ["POINT(1 2)", "POINT(9 10)", "POINT(-0.1 1e-300)", "POINT(92 9.1)"],
        "LINESTRING": ["LINESTRING(0 0,9 10,92 13)"],
        "POLYGON": ["POLYGON((0 0,9 0,9 9,0 9,0 0))"],
        "MULTIPOINT": ["MULTIPOINT(0 0,9 10)"],
        "GEOMETRYCOLLECTION": ["GEOMETRYCOLLECTION(POINT(9 10))"],
    }
    name = random.choice(["GEOMETRY", *shapes])
    known = [text for each, found in shapes.items() if name in {each, "GEOMETRY"} for text in found]
    values = [f"ST_GeomFromText('{text}')" for text in known]
    return Kind(name, lambda random: random.choice([*values, *values, "''", "NULL"]), "geometry", long=True)


def _of_mariadb(random: Random) -> Kind:
    return random.choice(
        [
            Kind("UUID", lambda random: f"'{random.getrandbits(128):032x}'", "other"),
            Kind("INET4", _one_of("'0.0.0.0'", "'9.10.92.13'", "'255.255.255.255'"), "other"),
            Kind("INET6", _one_of("'::'", "'095c:0a5c:4e09::1'", "'::ffff:9.10.92.13'"), "other"),
            Kind(
                "TEXT COMPRESSED CHARACTER SET utf8mb4",
                lambda random: texts.text(random, "utf8mb4", 3000),
                "compressed",
            ),
            Kind("BLOB COMPRESSED", lambda random: texts.data(random, 255), "compressed"),
        ]
    )


def _of_mysql(random: Random) -> Kind:
    size = random.choice([1, 3])
    return Kind(
        f"VECTOR({size})",
        lambda random: f"X'{random.choice([b'095c0a3f', b'00000080', b'0000803f']).decode() * size}'",
        "other",
    )
