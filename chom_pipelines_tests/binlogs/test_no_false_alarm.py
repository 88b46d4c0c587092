"""What happens to servers on ordinary days breaks no chain, fails no proof, and costs no window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import ArchiveProof, verify_archive
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer, private_server

KEYRING = Keyring().generate("first", KeyKind.AES_256)

_IN_USE = 21
"""Where a file says that it was not closed; the server never sends that."""


class PowerCutError(Exception):
    """The server is killed."""


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    found: Flavour = request.param
    return found


@contextmanager
def started(flavour: Flavour, data: Path, options: Sequence[str] = ()) -> Iterator[PrivateServer]:
    """Start a server on a data directory, which is made where it is not there."""
    if not data.exists():
        create_datadir(server_program(flavour), (), data)
    with private_server(flavour, options, data) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE IF NOT EXISTS shop")
            session.execute("CREATE TABLE IF NOT EXISTS shop.t (id INT AUTO_INCREMENT PRIMARY KEY, s TEXT)")
        yield server


def proved(archived: Archive, mended: int = 0) -> ArchiveProof:
    """The archive's proof, which passes; `mended`: how often the log was begun anew, and a full backup taken then."""
    found = verify_archive(archived.backups.repository, NAME, KEYRING, unreported)
    assert found
    assert found.outcome is Outcome.PASSED, found
    assert (found.chain.gaps, found.chain.mended) == ((), mended)
    return found


def test_restarts_and_crashes_leave_no_gap(flavour: Flavour, tmp_path: Path) -> None:
    backups, data = Backups(tmp_path, KEYRING), tmp_path / "data"
    with started(flavour, data) as server:
        archived = Archive(server, backups)
        archived.work()
        backups.take(server, "shop")
        archived.archive(close=False)
    for ends_well in (True, False, True):
        with suppress(PowerCutError), started(flavour, data) as server:
            archived = Archive(server, backups)
            archived.work()
            done = archived.archive()
            assert done.began_anew == ""
            archived.work()
            if not ends_well:
                raise PowerCutError
    with started(flavour, data) as server:
        archived = Archive(server, backups)
        archived.archive()
        proved(archived)
        (interval,) = archived.recoverable().windows.intervals
        assert interval.last == archived.history.last
        for segment in archived.history.segments:
            stored, on_disk = archived.stored(archived.history, segment), archived.on_disk(segment.file)
            assert stored == on_disk[:_IN_USE] + b"\0" + on_disk[_IN_USE + 1 :]


def test_idle_rotations_and_events_that_another_clock_stamped_are_no_damage(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path, KEYRING))
        archived.archive()
        archived.backups.take(server, "shop")
        for _ in range(3):  # idle: files with no transaction
            archived.archive()
        idle = archived.history.segments[-2:]
        assert [each.transactions for each in idle] == [0, 0]
        archived.work("SET timestamp = 1000000000", "INSERT INTO shop.t (s) VALUES ('from long ago')")
        archived.work("SET timestamp = UNIX_TIMESTAMP() - 3600", "INSERT INTO shop.t (s) VALUES ('late')", "DO 1")
        archived.archive()
        other = "SET SESSION server_id = 77" if server.facts.is_mariadb else "DO 1"
        archived.work(other, "INSERT INTO shop.t (s) VALUES ('of another server')")
        archived.archive()
        archived.work()
        archived.archive()
        proved(archived)
        (interval,) = archived.recoverable().windows.intervals
        assert interval.last == archived.history.last


def test_two_servers_of_one_id_are_told_apart_by_their_uuids(tmp_path: Path) -> None:
    backups = Backups(tmp_path, KEYRING)
    with archived_server(Flavour.MYSQL) as server:
        Archive(server, backups).work()
        Archive(server, backups).archive()
    with archived_server(Flavour.MYSQL) as server:
        archived = Archive(server, backups)
        archived.work()
        full = backups.take(server, "shop")
        done = archived.archive()
    assert "is another one" in done.began_anew
    assert [each.name for each in archived.histories()] == ["12", "12.2"]
    proved(archived, mended=1)
    last = archived.recoverable().windows.intervals[-1]
    assert [each.id for each in last.fulls] == [full.id]
    assert last.last
    assert last.last.history == "12.2"


def test_a_server_that_was_restored_with_a_new_uuid_begins_a_history_and_breaks_none(tmp_path: Path) -> None:
    backups, data = Backups(tmp_path, KEYRING), tmp_path / "data"
    with started(Flavour.MYSQL, data) as server:
        archived = Archive(server, backups)
        archived.work()
        backups.take(server, "shop")
        archived.archive()
    (data / "auto.cnf").unlink()
    with started(Flavour.MYSQL, data) as server:
        archived = Archive(server, backups)
        archived.work()
        assert "is another one" in archived.archive().began_anew
        found = archived.recoverable()
        assert len(found.windows.unreachable) == 1, "a full backup of the new one is needed"
        backups.take(server, "shop")
        archived.work()
        archived.archive()
        proved(archived, mended=1)
        assert [each.last.history for each in archived.recoverable().windows.intervals if each.last] == ["12", "12.2"]


def test_a_change_of_the_method_of_compression_or_of_the_key_is_no_damage(flavour: Flavour, tmp_path: Path) -> None:
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path, KEYRING))
        archived.work()
        archived.backups.take(server, "shop")
        archived.archive()
        later = KEYRING.generate("second", KeyKind.RSA)
        archived = Archive(server, replace(archived.backups, keyring=later))
        archived.work()
        archived.archive()
        found = verify_archive(archived.backups.repository, NAME, later, unreported)
        assert found
        assert (found.outcome, found.chain.gaps) == (Outcome.PASSED, ())
