"""Tables that workers read, and the tasks that tell them so."""

from __future__ import annotations

from typing import Any

from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.queries import reading
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.taking import filled
from chom_pipelines_tests.servers import PrivateServer

Message = dict[str, Any]


def three_tables(server: PrivateServer) -> str:
    """Return a fresh database that holds the tables plain, of 20,000 rows, little, of three, and nothing."""
    name = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(name)}")
        session.execute("CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(200) NOT NULL)")
        filled(session, "plain", 20_000, "n, REPEAT('x', 150)")
        session.execute("CREATE TABLE little (id INT PRIMARY KEY, v TEXT)")
        session.execute("INSERT INTO little VALUES (1, 'a\\tb'), (2, NULL), (3, '')")
        session.execute("CREATE TABLE nothing (id INT PRIMARY KEY)")
    return name


def table(server: PrivateServer, database: str, name: str) -> TableInfo:
    with server.connect() as session:
        found = Catalog(session, server.facts, (database,)).tables()
    return next(each for each in found if each.name == name)


def a_task(info: TableInfo, part: Range | None = None, name: str = "data/t.0000") -> Message:
    return {
        "name": name,
        "table": info.label,
        "reading": reading(info, part or Range(), 1 << 24).to_json(),
        "losses": None,
    }
