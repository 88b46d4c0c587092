"""A restore that compares reads back what it loaded, and finds what nothing else would."""

from __future__ import annotations

import dataclasses

import pytest

from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import unreported
from chom_pipelines.restores.restoring import restore_contents, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer


def test_rows_that_are_equal_are_said_to_be_compared(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    request = RestoreRequest(rename={database: copy}, threads=2, compare=True)
    result = restore_into_server(backups.take(server, database), None, server.root, request, unreported)
    assert result.compared
    assert result.equal
    assert "compare" in result.phases
    assert not [each for each in result.warnings if "rows" in each]


def test_a_row_that_is_not_what_was_dumped_ends_it_and_names_the_table(server: PrivateServer, backups: Backups) -> None:
    database, copy = library(server), server.fresh_database()
    whole = Contents.of(backups.take(server, database), None)
    changed = dataclasses.replace(
        whole,
        logical=whole.logical.model_copy(
            update={
                "tables": tuple(
                    table.model_copy(
                        update={"parts": tuple(part.model_copy(update={"digest": "0" * 64}) for part in table.parts)}
                    )
                    if table.name == "notes"
                    else table
                    for table in whole.logical.tables
                )
            }
        ),
    )
    manifest = whole.manifest.model_copy(update={"payload": changed.logical})
    changed = dataclasses.replace(changed, manifest=manifest)
    request = RestoreRequest(rename={database: copy}, threads=2, compare=True)
    with pytest.raises(RestoreFailedError, match=rf"table {copy}\.notes: rows .* differ"):
        restore_contents(changed, server.root, request, unreported)
    with server.connect() as session:
        assert session.value(f"SELECT COUNT(*) FROM {quote(copy)}._chom_restore_in_progress") == 3


def test_where_no_table_was_compared_nothing_is_called_equal(server: PrivateServer, backups: Backups) -> None:
    database, copy = server.fresh_database(), server.fresh_database()
    request = RestoreRequest(rename={database: copy}, threads=1, compare=True)
    result = restore_into_server(backups.take(server, database), None, server.root, request, unreported)
    assert not result.equal
