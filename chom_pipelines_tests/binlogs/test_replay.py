"""Both routes of a replay bring a restored backup to exactly where it was to go, and say where they fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chom_pipelines.binlogs.choosing import way_to
from chom_pipelines.binlogs.recovering import Recoverer, Route
from chom_pipelines.binlogs.recovery import Recovery, prepared
from chom_pipelines.binlogs.spool import Spool
from chom_pipelines.binlogs.stopping import BeforePlace, Target
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups


@dataclass(frozen=True)
class Moment:
    """What the oracle has noted: where the server stood, and what its tables held then."""

    place: BeforePlace
    gtid: str
    sums: tuple[object, ...]


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Archive, list[Moment]]]:
    """A server with a full backup, an archive, and moments of which everything is known."""
    with archived_server(request.param) as server:
        archived = Archive(server, Backups(tmp_path_factory.mktemp("archive")))
        archived.work()
        archived.backups.take(server, "shop")
        moments = [_noted(archived)]
        for number in range(12):
            archived.work(
                f"INSERT INTO shop.t (s) VALUES (REPEAT('{number}', 100)), (UUID())",
                f"UPDATE shop.t SET s = CONCAT(s, '{number}') WHERE id % 3 = {number % 3}",
            )
            if number % 4 == 1:
                archived.work(f"ALTER TABLE shop.t ADD COLUMN c{number} INT DEFAULT {number}")
            if number % 3 == 2:
                archived.work("FLUSH BINARY LOGS")
            moments.append(_noted(archived))
        archived.archive()
        yield archived, moments


def _noted(archived: Archive) -> Moment:
    with archived.server.connect() as session:
        (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
        gtid = session.value(f"SELECT @@global.{archived.server.facts.gtid_variable}").replace("\n", "")
        return Moment(BeforePlace(file, int(position)), gtid, sums(session))


def sums(session: Session) -> tuple[object, ...]:
    """What the tables of the shop hold, by the server itself."""
    columns = [row[0] for row in session.rows("SHOW COLUMNS FROM shop.t")]
    return (*columns, *session.rows("CHECKSUM TABLE shop.t"))


def recovered(archived: Archive, target: Target, route: Route, directory: Path) -> tuple[Recovery, tuple[object, ...]]:
    """Recover on a private server; what was done, and what is there."""
    found = archived.recoverable()
    way = way_to(target, found)
    history = next(each for each in found.histories if each.name == way.history)
    spool = Spool(directory)
    recovery = prepared(way, target, history, spool, keyring=archived.keyring, report=lambda _: None)
    entry = BackupEntry(NAME, archived.backups.repository.stream(NAME).folder, way.full.id)
    contents = Contents.of(entry, archived.keyring)
    recoverer = Recoverer(contents, recovery, directory, route, accounts=True, databases=None, report=unreported)
    with scratch_server(archived.server.flavour, options=recoverer.options) as server:
        recoverer.fill(server)
        with Session(server.endpoint) as session:
            return recovery, sums(session)


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("which", [0, 1, 5, 6, 9, 12])
def test_every_noted_place_is_reached_exactly(
    written: tuple[Archive, list[Moment]], which: int, route: Route, tmp_path: Path
) -> None:
    archived, moments = written
    _, found = recovered(archived, moments[which].place, route, tmp_path)
    assert found == moments[which].sums
