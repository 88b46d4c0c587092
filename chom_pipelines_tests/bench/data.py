"""A shop of a Laravel application, made by the server itself: at scale 1 3.3 million rows and 420 MB of SQL."""

from chom_pipelines.benchmarks.generated import SHAPES, Made, insert, prepare_numbers
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote

_COUNTER = "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"


def fill(session: Session, database: str, scale: float, copies: int) -> None:
    """Create the database anew and fill it; the same rows every time and on both flavours.

    The copies of every table have its primary key only, since the secondary ones would take minutes.
    """
    session.execute(f"DROP DATABASE IF EXISTS {quote(database)}")
    session.execute(f"CREATE DATABASE {quote(database)} CHARACTER SET utf8mb4")
    session.execute(f"USE {quote(database)}")
    prepare_numbers(session)
    for shape in SHAPES:
        session.execute(f"CREATE TABLE {shape.name} ({shape.columns}, {', '.join(shape.keys)}) ENGINE=InnoDB")
        for _ in insert(session, Made(shape, shape.name, int(shape.rows * scale), {})):
            pass
    names_of_tables = [shape.name for shape in SHAPES]
    for copy in range(1, copies + 1):
        for shape in SHAPES:
            names_of_tables.append(f"{shape.name}_{copy}")
            session.execute(f"CREATE TABLE {names_of_tables[-1]} ({_COUNTER}) AS SELECT * FROM {shape.name}")
    session.execute(f"ANALYZE TABLE {', '.join(names_of_tables)}")
