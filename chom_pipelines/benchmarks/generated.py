"""Data for a benchmark, made by the server itself: a shop of a Laravel application, of any size, always the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chom_pipelines.errors import BenchmarkRefusedError
from chom_pipelines.progress import Report, counted
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.identifiers import quote

DATABASE = "shop"

_WORDS = "amber basil cedar delta ember fjord grove hazel ivory jolly karma lemon maple noble ocean pearl quartz river"
_SHORTEST_PIECE = 20
"""Bytes of three words and a number, with spaces."""

_LONGEST_ROW = 50_000
"""Bytes: `CONCAT` of more pieces than that has takes the server longer than the restores that are measured."""

_CHUNK = 100_000
"""Rows of one INSERT: they are all in the server's undo log at once."""


@dataclass(frozen=True)
class Shape:
    """A kind of table: its columns, keys and foreign keys, and what row number `n` holds.

    `rows` is how many it has beside the other shapes at scale 1; `bytes` of text has one of them. In `values` {users}
    and {orders} stand for how many there are of those, and {w3}, {hash}, {when} and the like for `expressions`.
    """

    name: str
    rows: int
    bytes: int
    columns: str
    keys: tuple[str, ...]
    values: str
    parents: tuple[tuple[str, str], ...] = ()
    """Each a column and the shape whose id it is."""


SHAPES = (
    Shape(
        "users",
        300_000,
        184,
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL, "
        "email VARCHAR(255) NOT NULL, email_verified_at TIMESTAMP NULL, password VARCHAR(255) NOT NULL, "
        "remember_token VARCHAR(100) NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL",
        ("UNIQUE KEY users_email_unique (email)",),
        "n, CONCAT({w3}, ' ', {w5}), CONCAT({w7}, '.', n, '@example.com'), IF(n % 7 = 0, NULL, {when}), "
        "CONCAT('$2y$10$', LEFT(CONCAT({hash}, {hash1}), 53)), IF(n % 3 = 0, NULL, {hash3}), {when}, {when}",
    ),
    Shape(
        "orders",
        700_000,
        90,
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL, "
        "number VARCHAR(32) NOT NULL, status ENUM('pending','paid','shipped','cancelled') NOT NULL, "
        "total DECIMAL(10,2) NOT NULL, currency CHAR(3) NOT NULL, notes VARCHAR(255) NULL, "
        "created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL",
        ("KEY orders_user (user_id)", "KEY orders_status (status, created_at)"),
        "n, 1 + n * 7919 % {users}, CONCAT('ORD-', LPAD(n, 10, '0')), 1 + n * 31 % 4, n * 17 % 100000 / 100, 'EUR', "
        "IF(n % 4, NULL, CONCAT_WS(' ', {w3}, {w5}, {w7}, {w11}, {w13})), {when}, {when}",
        (("user_id", "users"),),
    ),
    Shape(
        "order_items",
        1_600_000,
        54,
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL, "
        "product_id BIGINT UNSIGNED NOT NULL, sku VARCHAR(32) NOT NULL, name VARCHAR(255) NOT NULL, "
        "quantity INT NOT NULL, price DECIMAL(10,2) NOT NULL",
        ("KEY items_order (order_id)", "KEY items_product (product_id)"),
        "n, 1 + n * 6007 % {orders}, 1 + n * 13 % 20000, CONCAT('SKU-', n * 13 % 20000), "
        "CONCAT_WS(' ', {w3}, {w5}, {w11}), 1 + n % 5, n * 19 % 50000 / 100",
        (("order_id", "orders"),),
    ),
    Shape(
        "events",
        700_000,
        231,
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL, "
        "type VARCHAR(64) NOT NULL, payload TEXT NOT NULL, weight DOUBLE NOT NULL, created_at DATETIME(3) NOT NULL",
        ("KEY events_user (user_id, created_at)",),
        "n, 1 + n * 4001 % {users}, ELT(1 + n % 4, 'login', 'view', 'cart', 'checkout'), JSON_OBJECT("
        "'session', {hash}, 'path', CONCAT_WS('/', {w3}, {w5}, n), 'agent', CONCAT('Mozilla/5.0 ', {w7}, {w11}, "
        "{w13}), 'text', CONCAT_WS(' ', {w3}, {w7}, {w5}, {w13}, {w11}, {w3}, {w17})), SQRT(n), {when}",
        (("user_id", "users"),),
    ),
)


@dataclass(frozen=True)
class Made:
    """A table that is to be made: of which shape, called how, with how many rows, and its parents' tables and rows."""

    shape: Shape
    name: str
    rows: int
    parents: dict[str, tuple[str, int]]
    filler: int = 0
    """Bytes of text that each row has beside what its shape has, in a column `details`."""

    @property
    def bytes(self) -> int:
        """Of text, that a row has."""
        return self.shape.bytes + self.filler


def planned(size: int, tables: int, rows: int | None = None) -> list[Made]:
    """So many tables, each with its share of `size` bytes of text; four and four belong together by foreign keys.

    With `rows` each has its share of those, too, and they are as long as it takes. Raises BenchmarkRefusedError where
    they would be shorter than a shop's rows are.
    """
    longest = max(shape.bytes for shape in SHAPES)
    if rows is not None and size // max(rows, 1) < longest:
        what = f"{rows:,} rows are too many for {size:,} bytes: a row has {longest} bytes or more"
        raise BenchmarkRefusedError(what, "ask for fewer rows, or more data")
    if rows is not None and not tables <= rows:
        raise BenchmarkRefusedError(
            f"{rows:,} rows are too few for {tables:,} tables", "ask for more rows, or fewer tables"
        )
    if rows is not None and size // rows > _LONGEST_ROW:
        what = f"{rows:,} rows of {size // rows:,} bytes each are longer than {_LONGEST_ROW:,}"
        raise BenchmarkRefusedError(what, "ask for more rows, or less data")
    made: list[Made] = []
    family: dict[str, tuple[str, int]] = {}
    for number in range(tables):
        shape, group = SHAPES[number % len(SHAPES)], number // len(SHAPES)
        if number % len(SHAPES) == 0:
            family = {}
        name = shape.name if group == 0 else f"{shape.name}_{group + 1}"
        if rows is None:
            each = Made(shape, name, max(size // tables // shape.bytes, 1), dict(family))
        else:
            each = Made(shape, name, max(rows // tables, 1), dict(family), size // rows - shape.bytes)
        made.append(each)
        family[shape.name] = (name, each.rows)
    return made


def fill(endpoint: Endpoint, plan: Sequence[Made], threads: int, report: Report) -> None:
    """Create the database and fill its tables, `threads` at a time; keys come when the rows of one are in.

    Raises the server's errors.
    """
    size = sum(made.rows * made.bytes for made in plan)
    lock, told = threading.Lock(), counted(report, size, "generate")

    def progress(count: int) -> None:
        with lock:
            told(count)

    with Session(endpoint) as session:
        session.execute(f"CREATE DATABASE {quote(DATABASE)} CHARACTER SET utf8mb4")
    with ThreadPoolExecutor(threads, "generate") as pool:
        for _ in pool.map(lambda made: _make(endpoint, made, progress), plan):
            pass
    with Session(endpoint) as session:
        session.execute(f"USE {quote(DATABASE)}")
        session.execute("SET SESSION foreign_key_checks = 0")  # each row has its parent
        for made in plan:
            for key in _foreign_keys(made):
                session.execute(f"ALTER TABLE {quote(made.name)} ADD {key}")
        session.execute(f"ANALYZE TABLE {', '.join(quote(made.name) for made in plan)}")


def _make(endpoint: Endpoint, made: Made, progress: Callable[[int], None]) -> None:
    with Session(endpoint) as session:
        session.execute(f"USE {quote(DATABASE)}")
        prepare_numbers(session)
        more = ", details MEDIUMTEXT NOT NULL" if made.filler else ""
        session.execute(f"CREATE TABLE {quote(made.name)} ({made.shape.columns}{more}) ENGINE=InnoDB")
        for rows in insert(session, made):
            progress(rows * made.bytes)
        session.execute(f"ALTER TABLE {quote(made.name)} {', '.join(f'ADD {key}' for key in made.shape.keys)}")


def _foreign_keys(made: Made) -> Iterator[str]:
    for column, parent in made.shape.parents:
        if parent in made.parents:
            name = quote(f"{made.name}_{column}_foreign")
            yield f"CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {quote(made.parents[parent][0])} (id)"


def prepare_numbers(session: Session) -> None:
    """Have what `insert` counts with."""
    session.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_mode = ''")
    session.execute("CREATE TEMPORARY TABLE thousand (n INT PRIMARY KEY)")
    session.execute(f"INSERT INTO thousand VALUES {', '.join(f'({number})' for number in range(1000))}")
    session.execute("CREATE TEMPORARY TABLE thousands AS SELECT n FROM thousand")


def insert(session: Session, made: Made) -> Iterator[int]:
    """Fill the empty table; tell how many rows each statement has inserted.

    Where it has no parents, there are as many of those as at scale 1.
    """
    counts = {name: rows for name, (_, rows) in made.parents.items()}
    more = f", {_text(made.filler)}" if made.filler else ""
    names = {each.name: str(counts.get(each.name, each.rows)) for each in SHAPES} | _expressions()
    for start in range(0, made.rows, _CHUNK):
        end = min(start + _CHUNK, made.rows)
        session.execute(
            f"INSERT INTO {quote(made.name)} SELECT {made.shape.values.format(**names)}{more} FROM "
            f"(SELECT {start} + t.n * 1000 + o.n + 1 AS n FROM thousands t CROSS JOIN thousand o "
            f"WHERE t.n < {-(-(end - start) // 1000)}) numbers WHERE n <= {end} ORDER BY n",
        )
        yield end - start


def _expressions() -> dict[str, str]:
    hashed: Callable[[str], str] = "LEFT(SHA2({}, 256), 32)".format
    found = {f"w{step}": _word(step) for step in (3, 5, 7, 11, 13, 17)}
    found |= {"hash": hashed("n"), "hash1": hashed("n + 1"), "hash3": hashed("n * 3")}
    return found | {"when": "TIMESTAMP'2026-01-01 00:00:00' + INTERVAL n * 37 % 20000000 SECOND"}


def _text(length: int) -> str:
    """Words and numbers: they compress about as well as what people write.

    Nothing in it comes again after some rows: of a codec with a larger window that would make another one's better.
    """
    count = length // _SHORTEST_PIECE + 1
    pieces = [
        f"{_drawn(f'n * {3 * count} + {3 * number}')}, {_drawn(f'n * {3 * count} + {3 * number + 1}')}, "
        f"{_drawn(f'n * {3 * count} + {3 * number + 2}')}, CRC32(n * {count} + {number})"
        for number in range(count)
    ]
    return f"LEFT(CONCAT_WS(' ', {', '.join(pieces)}), {length})"


def _drawn(number: str) -> str:
    """A word that looks as if it were drawn by lot."""
    words = ", ".join(f"'{word}'" for word in _WORDS.split())
    return f"ELT(1 + CRC32({number}) % {len(_WORDS.split())}, {words})"


def _word(step: int) -> str:
    words = ", ".join(f"'{word}'" for word in _WORDS.split())
    return f"ELT(1 + (n * {step} + n DIV {step * 7}) % {len(_WORDS.split())}, {words})"
