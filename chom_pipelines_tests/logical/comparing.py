"""What is in a database, told by the server and its own tools and not by the code that is tested.

The server's dump is lossy for FLOAT and for dates that it calls invalid, and CHECKSUM TABLE tells a difference but not
which: therefore both, and a SELECT that spells every value out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from chom_pipelines.server.connection import Endpoint, Row, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import literal, qualified, quote
from chom_pipelines.server.programs import client_program

_DUMPERS = {Flavour.MARIADB: "mariadb-dump", Flavour.MYSQL: "mysqldump"}
_OPTIONS = {
    Flavour.MARIADB: ("--dump-history",),
    Flavour.MYSQL: ("--set-gtid-purged=OFF", "--column-statistics=0"),
}


def table_kinds(session: Session, database: str) -> dict[str, str]:
    """BASE TABLE, SYSTEM VERSIONED or SEQUENCE by name."""
    rows = session.rows(f"SHOW FULL TABLES FROM {quote(database)}")
    return {str(name): str(kind) for name, kind in rows if kind != "VIEW"}


def checksums(session: Session, database: str) -> dict[str, object]:
    """CHECKSUM TABLE of every table."""
    names = [name for name, kind in table_kinds(session, database).items() if kind != "SEQUENCE"]
    return {name: session.rows(f"CHECKSUM TABLE {qualified(database, name)} EXTENDED")[0][1] for name in names}


def exact_rows(session: Session, database: str) -> dict[str, list[Row]]:
    """Every value of every column, generated and hidden ones too, in a form that loses nothing; sorted, by table."""
    return {name: _rows_of(session, database, name, kind) for name, kind in table_kinds(session, database).items()}


def _rows_of(session: Session, database: str, table: str, kind: str) -> list[Row]:
    columns = session.rows(
        "SELECT COLUMN_NAME, DATA_TYPE, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE "
        f"BINARY TABLE_SCHEMA = {literal(database)} AND BINARY TABLE_NAME = {literal(table)} ORDER BY ORDINAL_POSITION",
    )
    values = [_exact(str(name), str(data_type).lower()) for name, data_type, _ in columns]
    history = ""
    if kind == "SYSTEM VERSIONED":
        history = " FOR SYSTEM_TIME ALL"
        if "ROW START" not in {generated for *_, generated in columns}:
            values += ["row_start", "row_end"]
    rows = session.rows(f"SELECT {', '.join(values)} FROM {qualified(database, table)}{history}")
    return sorted(rows, key=repr)


def _exact(name: str, kind: str) -> str:
    column = quote(name)
    if kind in {"float", "double"}:
        return f"CAST(CAST({column} AS DOUBLE) AS CHAR)"
    if kind in {"enum", "set", "bit"}:
        return f"{column} + 0"
    if kind == "vector":
        return f"HEX({column})"
    if kind == "json":
        return f"HEX(CAST({column} AS CHAR))"
    if kind in {
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "date",
        "time",
        "datetime",
        "timestamp",
    }:
        return f"CONCAT({column})"
    return f"HEX(CAST({column} AS BINARY))"


def stock_dump(flavour: Flavour, endpoint: Endpoint, database: str) -> str:
    """The dump of rows and definitions that the server's own tool makes, with whatever errors it has.

    MySQL names a character set beside a collation, which implies it, only where the CREATE TABLE had done so.
    """
    program = client_program(flavour).path.with_name(_DUMPERS[flavour])
    command: Sequence[str] = [
        *(str(program), "--no-defaults", f"--socket={endpoint.socket}", "--user=root", "--force", "--skip-comments"),
        *("--skip-lock-tables", "--skip-extended-insert", "--hex-blob", *_OPTIONS[flavour]),
        *("--routines", "--events", "--triggers"),
    ]
    done = subprocess.run([*command, "--databases", database], check=False, capture_output=True)
    assert f"USE {quote(database)};".encode() in done.stdout, done.stderr.decode()
    dumped = (done.stdout + b"\n-- errors\n" + done.stderr).decode(errors="backslashreplace")
    return re.sub(r" CHARACTER SET \w+ COLLATE ", " COLLATE ", dumped)
