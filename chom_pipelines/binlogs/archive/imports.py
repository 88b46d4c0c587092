"""Which tables got their files by IMPORT TABLESPACE since some place of the binary log."""

from __future__ import annotations

from collections.abc import Iterator

from chom_pipelines.binlogs.archive.client import read_log
from chom_pipelines.binlogs.archive.heads import head_if_known
from chom_pipelines.binlogs.archive.server_logs import server_logs
from chom_pipelines.binlogs.format.lexemes import Dialect, Reader
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.statements import Does, Statement
from chom_pipelines.errors import BinlogMissingError
from chom_pipelines.physical.parents import Log
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour, ServerFacts


def imported_tables(endpoint: Endpoint, facts: ServerFacts, since: Position, until: Position) -> tuple[str, ...]:
    """Their names as statements have them, in the order of the log; it is read through the server.

    Raises BinlogMissingError where a file in between was purged; what `read_log` raises, BinlogDamagedError.
    """
    with Session(endpoint) as session:
        files = [log.file for log in server_logs(session, facts)]
    gone = {since.file, until.file} - set(files)
    if gone:
        what = f"{endpoint.where}: {', '.join(sorted(gone))} was purged, so that what was imported is not known"
        raise BinlogMissingError(what, "take a full backup")
    wanted = files[files.index(since.file) : files.index(until.file) + 1]
    found = (
        label
        for file in wanted
        for label in _of_file(endpoint, facts.flavour, file, since.position if file == since.file else 0)
    )
    return tuple(dict.fromkeys(found))


def _of_file(endpoint: Endpoint, flavour: Flavour, file: str, since: int) -> Iterator[str]:
    scanner = Scanner(f"{endpoint.where}: {file}")
    for piece in read_log(endpoint, flavour, file):
        for transaction in scanner.feed(piece):
            if transaction.end > since:
                for statement in transaction.statements:
                    if imports(statement, flavour):
                        yield ", ".join(".".join(table) for table in statement.tables) or statement.text
    scanner.finish()


def imports(statement: Statement, flavour: Flavour) -> bool:
    """Whether it puts other files in place of a table's, or of its partitions'. Pure."""
    if statement.does is not Does.ALTER or statement.object != "table":
        return False
    words = {each.word for each in Reader.of(statement.text, Dialect(flavour, 0)).rest()}
    return {"IMPORT", "TABLESPACE"} <= words


LOG = Log(head_if_known, imported_tables)
"""For physical backups."""
