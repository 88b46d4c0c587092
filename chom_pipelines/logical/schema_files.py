"""The SQL files of a backup: what creates its schema, and what loads its rows into it with the stock client. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chom_pipelines.logical.definitions import SCHEMA_FILES, Definition, written
from chom_pipelines.logical.rendering import load_statement
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.repository.payloads import Table
from chom_pipelines.server.identifiers import qualified

LOAD_FILE = "schema/load"
"""LOAD DATA statements for the stock client."""


def definition_files(definitions: Iterable[Definition]) -> dict[str, Iterator[bytes]]:
    """The lines of each file of definitions, by its name without suffix."""
    every = list(definitions)
    return {name: written([each for each in every if each.kind in kinds]) for name, kinds in SCHEMA_FILES.items()}


def load_statements(tables: list[TableInfo], dumped: tuple[Table, ...]) -> Iterator[bytes]:
    """What RESTORE.md feeds to the stock client in a directory with the decoded data."""
    yield (
        # no unique_checks=0: see loading.settings
        b"SET NAMES utf8mb4;\nSET time_zone='+00:00', foreign_key_checks=0,\n"
        b" sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';\n"
        b"/*M!100201 SET check_constraint_checks=0 */;\n"
    )
    for info, table in zip(tables, dumped, strict=True):
        name = qualified(table.database, table.name)
        if info.versioned:
            yield b"SET system_versioning_insert_history=1;\n"
        for part in table.parts:
            for path in part.objects:
                yield f"{load_statement(name, table.load, decoded_name(path))};\n".encode()
        if not table.transactional:
            yield b"COMMIT;\n"


def decoded_name(path: str) -> str:
    """The file that holds an object's or bundle member's text once it is decoded with stock tools."""
    inside = path.partition("#")[2]
    return f"data/{inside}" if inside else re.sub(r"\.tsv(\.[a-z0-9]+)*$", ".tsv", path)
