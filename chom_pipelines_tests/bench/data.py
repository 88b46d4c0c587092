"""A shop of a Laravel application, made by the server itself: at scale 1 3.3 million rows and 420 MB of SQL."""

from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote

_WORDS = "amber basil cedar delta ember fjord grove hazel ivory jolly karma lemon maple noble ocean pearl quartz river"

_TABLES = """
CREATE TABLE users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL, email VARCHAR(255) NOT NULL,
  email_verified_at TIMESTAMP NULL, password VARCHAR(255) NOT NULL, remember_token VARCHAR(100) NULL,
  created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, UNIQUE KEY users_email_unique (email)) ENGINE=InnoDB;
CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL, number VARCHAR(32) NOT NULL,
  status ENUM('pending','paid','shipped','cancelled') NOT NULL, total DECIMAL(10,2) NOT NULL, currency CHAR(3) NOT NULL,
  notes VARCHAR(255) NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL,
  KEY orders_user (user_id), KEY orders_status (status, created_at)) ENGINE=InnoDB;
CREATE TABLE order_items (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL,
  product_id BIGINT UNSIGNED NOT NULL, sku VARCHAR(32) NOT NULL, name VARCHAR(255) NOT NULL, quantity INT NOT NULL,
  price DECIMAL(10,2) NOT NULL, KEY items_order (order_id), KEY items_product (product_id)) ENGINE=InnoDB;
CREATE TABLE events (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL, type VARCHAR(64) NOT NULL,
  payload TEXT NOT NULL, weight DOUBLE NOT NULL, created_at DATETIME(3) NOT NULL,
  KEY events_user (user_id, created_at)) ENGINE=InnoDB
"""

_COUNTER = "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"

_ROWS = {
    "users": (
        300_000,
        (
            "n, CONCAT({w3}, ' ', {w5}), CONCAT({w7}, '.', n, '@example.com'), IF(n % 7 = 0, NULL, {when}), "
            "CONCAT('$2y$10$', LEFT(CONCAT({hash}, {hash1}), 53)), IF(n % 3 = 0, NULL, {hash3}), {when}, {when}"
        ),
    ),
    "orders": (
        700_000,
        (
            "n, 1 + n * 7919 % 300000, CONCAT('ORD-', LPAD(n, 10, '0')), 1 + n * 31 % 4, n * 17 % 100000 / 100, 'EUR', "
            "IF(n % 4, NULL, CONCAT_WS(' ', {w3}, {w5}, {w7}, {w11}, {w13})), {when}, {when}"
        ),
    ),
    "order_items": (
        1_600_000,
        (
            "n, 1 + n * 6007 % 700000, 1 + n * 13 % 20000, CONCAT('SKU-', n * 13 % 20000), "
            "CONCAT_WS(' ', {w3}, {w5}, {w11}), 1 + n % 5, n * 19 % 50000 / 100"
        ),
    ),
    "events": (
        700_000,
        (
            "n, 1 + n * 4001 % 300000, ELT(1 + n % 4, 'login', 'view', 'cart', 'checkout'), JSON_OBJECT("
            "'session', {hash}, 'path', CONCAT_WS('/', {w3}, {w5}, n), 'agent', CONCAT('Mozilla/5.0 ', {w7}, {w11}, "
            "{w13}), 'text', CONCAT_WS(' ', {w3}, {w7}, {w5}, {w13}, {w11}, {w3}, {w17})), SQRT(n), {when}"
        ),
    ),
}


def fill(session: Session, database: str, scale: float, copies: int) -> None:
    """Create the database anew and fill it; the same rows every time and on both flavours.

    The copies of every table have its primary key only, since the secondary ones would take minutes.
    """
    session.execute(f"DROP DATABASE IF EXISTS {quote(database)}")
    session.execute(f"CREATE DATABASE {quote(database)} CHARACTER SET utf8mb4")
    session.execute(f"USE {quote(database)}")
    session.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_mode = ''")
    for statement in _TABLES.split(";"):
        session.execute(statement)
    session.execute("CREATE TEMPORARY TABLE thousand (n INT PRIMARY KEY)")
    session.execute(f"INSERT INTO thousand VALUES {', '.join(f'({number})' for number in range(1000))}")
    session.execute("CREATE TEMPORARY TABLE thousands AS SELECT n FROM thousand")
    names = {f"w{step}": _word(step) for step in (3, 5, 7, 11, 13, 17)}
    names |= {"hash": _hash("n"), "hash1": _hash("n + 1"), "hash3": _hash("n * 3")}
    names["when"] = "TIMESTAMP'2026-01-01 00:00:00' + INTERVAL n * 37 % 20000000 SECOND"
    for table, (rows, columns) in _ROWS.items():
        wanted = int(rows * scale)
        for start in range(0, wanted, 100_000):
            end = min(start + 100_000, wanted)
            session.execute(
                f"INSERT INTO {table} SELECT {columns.format(**names)} FROM "
                f"(SELECT {start} + t.n * 1000 + o.n + 1 AS n FROM thousands t CROSS JOIN thousand o "
                f"WHERE t.n < {-(-(end - start) // 1000)}) numbers WHERE n <= {end} ORDER BY n",
            )
    names_of_tables = list(_ROWS)
    for copy in range(1, copies + 1):
        for table in _ROWS:
            names_of_tables.append(f"{table}_{copy}")
            session.execute(f"CREATE TABLE {names_of_tables[-1]} ({_COUNTER}) AS SELECT * FROM {table}")
    session.execute(f"ANALYZE TABLE {', '.join(names_of_tables)}")


def _hash(number: str) -> str:
    return f"LEFT(SHA2({number}, 256), 32)"


def _word(step: int) -> str:
    words = ", ".join(f"'{word}'" for word in _WORDS.split())
    return f"ELT(1 + (n * {step} + n DIV {step * 7}) % {len(_WORDS.split())}, {words})"
