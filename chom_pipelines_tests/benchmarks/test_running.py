"""What is found out before anything is measured, and what is said of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.benchmarks.copies import read_state
from chom_pipelines.benchmarks.programs import at_home_in
from chom_pipelines.benchmarks.sources import Wishes, known_of, source_of
from chom_pipelines.errors import BenchmarkRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


def test_a_server_that_is_down_is_measured_by_its_backup_and_its_sizes_are_notknown_of(
    backups: Backups, server: PrivateServer
) -> None:
    database = library(server)
    entry = backups.take(server, database)
    gone = backups.inventory(server, database).model_copy(update={"port": 1})
    known = known_of(backups.repository, gone, None)
    assert (known.flavour, known.rows, known.newest) == (server.flavour, entry, entry)
    assert (known.sizes, known.facts) == (None, None)
    assert [each.what for each in known.unmeasured] == ["the sizes of the server's tables"]
    with source_of(known, Wishes(), None, unreported) as (private, databases, origin, share):
        assert (databases, origin, share) == ((database,), entry.id, 1.0)
        with Session(private.endpoint) as session, server.connect() as source:
            original, copy = read_state(source, databases), read_state(session, databases)
            assert {name: state.checksum for name, state in copy.items()} == {
                name: state.checksum for name, state in original.items()
            }


def test_a_newest_backup_that_is_damaged_is_named_and_an_older_one_is_used(
    backups: Backups, mariadb: PrivateServer
) -> None:
    database = library(mariadb)
    older, newer = backups.take(mariadb, database), backups.take(mariadb, database)
    (path_of(newer) / "manifest.json").write_text("{}")
    known = known_of(backups.repository, backups.inventory(mariadb, database), None)
    assert known.rows == older
    assert [each.what for each in known.unmeasured] == [f"the backup {newer.id}"]


def test_without_any_backup_nothing_is_begun(backups: Backups, mariadb: PrivateServer) -> None:
    backups.repository.create()
    known = known_of(backups.repository, backups.inventory(mariadb), None)
    assert (known.flavour, known.rows, known.unmeasured) == (Flavour.MARIADB, None, [])
    with pytest.raises(BenchmarkRefusedError, match="no full backup"), source_of(known, Wishes(), None, unreported):
        pass


def test_other_programs_get_no_secret_and_no_file_of_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOM_DB_PASSWORD", "secret")
    found = at_home_in(tmp_path)
    assert found["HOME"] == str(tmp_path)
    assert "secret" not in found.values()
