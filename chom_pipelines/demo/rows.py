r"""The sample database's rows, made by the server itself in a few seconds, and the same ones each time.

`seq` runs through MariaDB's SEQUENCE engine; hashes of it look like chance. Texts hold line breaks, tabs, backslashes,
quotes and four-byte characters, and binary columns hold any byte: what careless dumps get wrong.
"""

from chom_pipelines.demo.shop import DATABASE, PROGRAMS, TABLES
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote

_SIZES = {"users": 30_000, "products": 3_000, "orders": 80_000, "reviews": 30_000, "sessions": 8_000, "cached": 2_000}
_NOW = "TIMESTAMP '2026-01-01 00:00:00'"

_ROWS = (
    """
    INSERT INTO migrations
    SELECT seq, CONCAT('2025_', LPAD(seq, 2, '0'), '_01_000000_step_', seq), 1 + seq DIV 8 FROM seq_1_to_24
    """,
    """
    INSERT INTO users SELECT seq, UNHEX(MD5(CONCAT('user', seq))),
        CONCAT_WS(' ', ELT(1 + seq % 6, 'Ana', 'Björn', 'Chloé', 'Дмитрий', '恵美', 'O''Neill'), LEFT(SHA1(seq), 8)),
        CONCAT('user', seq, '@example.com'),
        IF(seq % 9, {now} - INTERVAL seq * 7 MINUTE, NULL), CONCAT('$2y$12$', REPEAT(MD5(seq), 2)),
        IF(seq % 3, JSON_OBJECT('locale', ELT(1 + seq % 4, 'de', 'en', 'fr', 'ja'), 'newsletter', seq % 2), NULL),
        {now} - INTERVAL seq * 11 MINUTE, {now} - INTERVAL seq * 5 MINUTE
    FROM seq_1_to_{users}
    """,
    "INSERT INTO password_reset_tokens SELECT email, SHA2(email, 256), {now} FROM users WHERE id % 60 = 0",
    """
    INSERT INTO sessions SELECT SHA1(CONCAT('session', seq)), 1 + seq % {users},
        CONCAT_WS('.', 10, seq % 256, seq DIV 256, 7), 'Mozilla/5.0 (X11; Linux x86_64)',
        TO_BASE64(REPEAT(MD5(seq), 8)), UNIX_TIMESTAMP({now}) - seq % 3600
    FROM seq_1_to_{sessions}
    """,
    """
    INSERT INTO cache
    SELECT CONCAT('shop_cache:', seq), UNHEX(REPEAT(SHA2(seq, 512), 1 + seq % 20)), 2000000000 + seq
    FROM seq_1_to_{cached}
    """,
    """
    INSERT INTO jobs SELECT seq, 'default', JSON_OBJECT('uuid', MD5(seq), 'job', 'App\\\\Jobs\\\\SendReceipt'), seq % 3,
        NULL, UNIX_TIMESTAMP({now}), UNIX_TIMESTAMP({now})
    FROM seq_1_to_200
    """,
    """
    INSERT INTO categories
    SELECT seq, IF(seq > 8, 1 + seq % 8, NULL), CONCAT('category-', seq), CONCAT('Category ', seq) FROM seq_1_to_40
    """,
    """
    INSERT INTO products SELECT seq, 1 + seq % 40, UPPER(LEFT(MD5(CONCAT('sku', seq)), 12)),
        CONCAT(ELT(1 + seq % 5, 'Lamp', 'Chair', 'Kettle ☕', 'Desk', 'Rug 🧶'), ' no. ', seq),
        CONCAT('First line\\nsecond\\tline with a \\\\ and a "quote"\\r\\n', REPEAT(MD5(seq), 1 + seq % 12)),
        JSON_OBJECT('colour', ELT(1 + seq % 3, 'red', 'green', 'blue'), 'in', JSON_ARRAY(seq % 7, NULL, TRUE)),
        1 + CRC32(seq) % 300 + 0.99, 0.1 + CRC32(seq) % 9000 / 7, 0, 0
    FROM seq_1_to_{products}
    """,
    # every order has 1 to 5 items, at the price of the product
    """
    CREATE TEMPORARY TABLE bought AS
    SELECT o.seq AS order_id, 1 + CRC32(CONCAT(o.seq, '/', i.seq)) % {products} AS product_id,
        1 + (o.seq + i.seq) % 3 AS quantity
    FROM seq_1_to_{orders} o JOIN seq_1_to_5 i ON i.seq <= 1 + CRC32(o.seq) % 5 ORDER BY o.seq, i.seq
    """,
    """
    INSERT INTO orders (id, user_id, status, total, placed_at)
    SELECT order_id, 1 + CRC32(CONCAT('by', order_id)) % {users},
        ELT(1 + order_id % 3, 'paid', 'shipped', 'cancelled'), SUM(quantity * price),
        {now} - INTERVAL ({orders} - order_id) * 97 SECOND + INTERVAL order_id % 1000 * 1000 MICROSECOND
    FROM bought JOIN products ON products.id = product_id GROUP BY order_id
    """,
    """
    INSERT INTO order_items (order_id, product_id, quantity, unit_price)
    SELECT order_id, product_id, quantity, price FROM bought JOIN products ON products.id = product_id ORDER BY order_id
    """,
    """
    UPDATE products JOIN (SELECT product_id, SUM(quantity) AS sold FROM bought GROUP BY product_id) sales
    ON sales.product_id = products.id SET stocked = sold + 100000, stock = 100000
    """,
    "DROP TEMPORARY TABLE bought",
    """
    INSERT INTO reviews SELECT seq, 1 + CRC32(seq) % {products}, 1 + CRC32(-seq) % {users}, 1 + CRC32(seq) % 5,
        CONCAT(ELT(1 + seq % 3, 'Très bien 👍 ', 'See C:\\\\temp\\\\photo ', 'Meh…\\n\\nWould not buy. '), SHA1(seq)),
        {now} - INTERVAL seq * 3 MINUTE
    FROM seq_1_to_{reviews}
    """,
)


def create_shop(session: Session, *, one_in: int = 1) -> None:
    """Create the sample database and fill it; the session has it in use afterwards.

    The tables that grow with a shop get one row in `one_in`.

    Raises ServerError where the server has one already.
    """
    session.execute(f"CREATE DATABASE {quote(DATABASE)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    session.execute(f"USE {quote(DATABASE)}")
    for statement in (*TABLES, *PROGRAMS):
        session.execute(statement)
    sizes = {name: rows // one_in for name, rows in _SIZES.items()}
    for statement in _ROWS:
        session.execute(statement.format(now=_NOW, **sizes))
