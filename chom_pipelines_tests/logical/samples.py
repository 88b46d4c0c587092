"""A small database with one of everything that a restore has to put in order."""

from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.servers import PrivateServer

TABLES = ("authors", "books", "notes")


def library(server: PrivateServer) -> str:
    """Tables with foreign keys, a view, a routine, a trigger and an event; return the database's name."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        for statement in _STATEMENTS:
            session.execute(statement)
    return database


def contents(session: Session, database: str) -> dict[str, object]:
    """What the tests compare: rows, keys, and the names of everything else."""
    name = quote(database)
    return {
        "books": session.rows(f"SELECT * FROM {name}.books ORDER BY id"),
        "authors": session.rows(f"SELECT * FROM {name}.authors ORDER BY id"),
        "shelf": session.rows(f"SELECT * FROM {name}.shelf ORDER BY 1, 2"),
        "keys": session.rows(
            "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s "
            "ORDER BY 1, 2, SEQ_IN_INDEX",
            (database,),
        ),
        "foreign keys": session.rows(
            "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s",
            (database,),
        ),
        "triggers": [row[0] for row in session.rows(f"SHOW TRIGGERS FROM {name}")],
        "events": [row[1] for row in session.rows(f"SHOW EVENTS FROM {name}")],
    }


_STATEMENTS = (
    "CREATE TABLE authors (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, UNIQUE KEY by_name (name))",
    (
        "CREATE TABLE books (id INT AUTO_INCREMENT PRIMARY KEY, author_id INT NOT NULL, title VARCHAR(200) NOT NULL, "
        "summary TEXT, KEY by_author (author_id), KEY by_title (title), FULLTEXT KEY words (title), "
        "CONSTRAINT written_by FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE)"
    ),
    "CREATE TABLE notes (text VARCHAR(100))",
    "INSERT INTO authors (name) VALUES ('Ada'), ('Bo\\tb'), ('Cy\\\\')",
    "INSERT INTO books (author_id, title, summary) VALUES (1, 'One', NULL), (2, 'Two', 'a\\nb'), (3, 'Three', '')",
    "INSERT INTO notes VALUES ('first'), (NULL), ('NULL')",
    "CREATE VIEW shelf AS SELECT b.title, a.name FROM books b JOIN authors a ON a.id = b.author_id",
    "CREATE FUNCTION shelf_size() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM books)",
    "CREATE TRIGGER on_book BEFORE INSERT ON books FOR EACH ROW SET NEW.title = TRIM(NEW.title)",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM notes",
)
