"""The sample database's definitions: a shop as Laravel makes one, and every other kind of object a backup carries."""

DATABASE = "shop"

TABLES = (
    """
    CREATE TABLE migrations (
        id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        migration VARCHAR(255) NOT NULL,
        batch INT NOT NULL
    )
    """,
    """
    CREATE TABLE users (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        uuid BINARY(16) NOT NULL UNIQUE,
        name VARCHAR(255) NOT NULL,
        email VARCHAR(255) NOT NULL UNIQUE,
        email_verified_at TIMESTAMP NULL,
        password VARCHAR(255) NOT NULL,
        preferences JSON NULL,
        created_at TIMESTAMP NULL,
        updated_at TIMESTAMP NULL
    )
    """,
    """
    CREATE TABLE password_reset_tokens (
        email VARCHAR(255) NOT NULL PRIMARY KEY,
        token VARCHAR(255) NOT NULL,
        created_at TIMESTAMP NULL
    )
    """,
    """
    CREATE TABLE sessions (
        id VARCHAR(255) NOT NULL PRIMARY KEY,
        user_id BIGINT UNSIGNED NULL,
        ip_address VARCHAR(45) NULL,
        user_agent TEXT NULL,
        payload LONGTEXT NOT NULL,
        last_activity INT NOT NULL,
        KEY sessions_user_id_index (user_id),
        KEY sessions_last_activity_index (last_activity)
    )
    """,
    """
    CREATE TABLE cache (
        `key` VARCHAR(255) NOT NULL PRIMARY KEY,
        value MEDIUMBLOB NOT NULL,
        expiration INT NOT NULL
    )
    """,
    """
    CREATE TABLE jobs (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        queue VARCHAR(255) NOT NULL,
        payload LONGTEXT NOT NULL,
        attempts TINYINT UNSIGNED NOT NULL,
        reserved_at INT UNSIGNED NULL,
        available_at INT UNSIGNED NOT NULL,
        created_at INT UNSIGNED NOT NULL,
        KEY jobs_queue_index (queue)
    )
    """,
    """
    CREATE TABLE categories (
        id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        parent_id INT UNSIGNED NULL,
        slug VARCHAR(100) NOT NULL UNIQUE,
        name VARCHAR(100) NOT NULL,
        CONSTRAINT categories_parent_id_foreign FOREIGN KEY (parent_id) REFERENCES categories (id)
    )
    """,
    """
    CREATE TABLE products (
        id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        category_id INT UNSIGNED NOT NULL,
        sku CHAR(12) CHARACTER SET ascii NOT NULL UNIQUE,
        name VARCHAR(255) NOT NULL,
        description TEXT NOT NULL,
        attributes JSON NOT NULL,
        price DECIMAL(10, 2) NOT NULL,
        weight_grams FLOAT NOT NULL,
        stocked INT UNSIGNED NOT NULL COMMENT 'ever bought in',
        stock INT UNSIGNED NOT NULL COMMENT 'stocked, less what was sold',
        KEY products_category_id_foreign (category_id),
        CONSTRAINT products_category_id_foreign FOREIGN KEY (category_id) REFERENCES categories (id)
    )
    """,
    """
    CREATE TABLE orders (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        user_id BIGINT UNSIGNED NOT NULL,
        status ENUM ('pending', 'paid', 'shipped', 'cancelled') NOT NULL,
        total DECIMAL(12, 2) NOT NULL,
        placed_at DATETIME(3) NOT NULL,
        placed_on DATE AS (DATE(placed_at)) STORED,
        KEY orders_user_id_foreign (user_id),
        KEY orders_status_placed_at_index (status, placed_at),
        KEY orders_placed_on_index (placed_on),
        CONSTRAINT orders_user_id_foreign FOREIGN KEY (user_id) REFERENCES users (id)
    )
    """,
    """
    CREATE TABLE order_items (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        order_id BIGINT UNSIGNED NOT NULL,
        product_id INT UNSIGNED NOT NULL,
        quantity SMALLINT UNSIGNED NOT NULL,
        unit_price DECIMAL(10, 2) NOT NULL,
        KEY order_items_order_id_foreign (order_id),
        KEY order_items_product_id_foreign (product_id),
        CONSTRAINT order_items_order_id_foreign FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
        CONSTRAINT order_items_product_id_foreign FOREIGN KEY (product_id) REFERENCES products (id)
    )
    """,
    """
    CREATE TABLE order_events (
        order_id BIGINT UNSIGNED NOT NULL,
        status VARCHAR(20) NOT NULL,
        happened_at DATETIME(3) NOT NULL,
        KEY order_events_order_id_index (order_id)
    ) COMMENT 'written by a trigger; it has no primary key'
    """,
    """
    CREATE TABLE reviews (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        product_id INT UNSIGNED NOT NULL,
        user_id BIGINT UNSIGNED NOT NULL,
        stars TINYINT NOT NULL,
        body TEXT NOT NULL,
        created_at TIMESTAMP NULL,
        KEY reviews_product_id_foreign (product_id),
        KEY reviews_user_id_foreign (user_id),
        FULLTEXT KEY reviews_body_fulltext (body),
        CONSTRAINT reviews_product_id_foreign FOREIGN KEY (product_id) REFERENCES products (id),
        CONSTRAINT reviews_user_id_foreign FOREIGN KEY (user_id) REFERENCES users (id),
        CONSTRAINT reviews_stars CHECK (stars BETWEEN 1 AND 5)
    )
    """,
)

PROGRAMS = (
    "CREATE SEQUENCE invoice_numbers START WITH 100000 CACHE 100",
    """
    CREATE VIEW revenue_by_day AS
    SELECT placed_on AS day, COUNT(*) AS orders, SUM(total) AS revenue
    FROM orders WHERE status <> 'cancelled' GROUP BY placed_on
    """,
    "CREATE FUNCTION with_tax(net DECIMAL(12, 2)) RETURNS DECIMAL(12, 2) DETERMINISTIC RETURN net * 1.19",
    """
    CREATE PROCEDURE cancel_order(IN cancelled BIGINT UNSIGNED)
    BEGIN
        UPDATE orders SET status = 'cancelled' WHERE id = cancelled;
    END
    """,
    """
    CREATE TRIGGER orders_status AFTER INSERT ON orders FOR EACH ROW
    INSERT INTO order_events VALUES (NEW.id, NEW.status, NEW.placed_at)
    """,
    """
    CREATE EVENT expire_sessions ON SCHEDULE EVERY 1 HOUR DO
    DELETE FROM sessions WHERE last_activity < UNIX_TIMESTAMP() - 7200
    """,
)
