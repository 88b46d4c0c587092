"""How long restores took is kept beside their backups, and tells of others; what cannot be believed does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import RESTORES, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import Amounts, Into, Timing, Way
from chom_pipelines.restores.measured import keep_measured, own_rates, way_here
from chom_pipelines.restores.predicting import Origin
from chom_pipelines.server.claimed_directories import MEMORY
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest, a_proof

WAY = Way(flavour="mariadb", method=Method.LOGICAL, into=Into.DIRECTORY, on="ext4", machine="2 cores of x", threads=2)
TIMINGS = [
    Timing(way=WAY, amounts=Amounts(bytes=size, tables=1), phases={"data": size / 10**7}) for size in (10**8, 10**9)
]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path))


@pytest.fixture
def entry(repository: Repository) -> BackupEntry:
    with repository.stream("chom").begin(Kind.FULL, NOON) as draft:
        return draft.publish(a_manifest(key=AES.wrap(KEY)), KEY)


def test_what_verifications_and_restores_took_is_known_of_a_server(repository: Repository, entry: BackupEntry) -> None:
    assert own_rates(repository, "chom", AES) == ()
    assert keep_measured(entry, AES, NOON, TIMINGS) == ""
    entry.add_proof(a_proof().model_copy(update={"restored": TIMINGS[0]}), KEY)
    found = own_rates(repository, "chom", AES)
    assert [(each.origin, each.timing) for each in found] == [
        (Origin.VERIFICATION, TIMINGS[0]),
        *((Origin.RESTORE, each) for each in TIMINGS),
    ]
    assert {each.backup for each in found} == {entry.id}
    assert own_rates(repository, "chom", None) == ()  # nothing can be believed without the key


def test_a_record_that_was_edited_or_copied_tells_nothing(repository: Repository, entry: BackupEntry) -> None:
    keep_measured(entry, AES, NOON, TIMINGS)
    first, second = sorted((path_of(entry) / RESTORES).iterdir())
    first.write_bytes(first.read_bytes().replace(b"100000000", b"900000000"))
    second.rename(second.with_name("20300101T000000.000000Z.json"))
    assert own_rates(repository, "chom", AES) == ()


def test_a_record_that_cannot_be_kept_is_told_and_harms_nothing(entry: BackupEntry) -> None:
    (path_of(entry) / RESTORES).write_text("in the way")
    assert "is not recorded" in keep_measured(entry, AES, NOON, TIMINGS)


def test_a_way_names_what_its_time_depends_on(tmp_path: Path) -> None:
    manifest = a_manifest()
    here = way_here(manifest, Into.DIRECTORY, tmp_path / "not there yet")
    assert here.on == way_here(manifest, Into.DIRECTORY, tmp_path).on
    assert way_here(manifest, Into.PRIVATE, MEMORY).said == "into a private server in memory"
    endpoint = Endpoint(name="chom", user="u", password="secret", host="db", port=3306)
    running = way_here(manifest, Into.SERVER, endpoint, 3)
    assert (running.said, running.threads) == ("into the server at chom (db:3306)", 3)
    assert f"{here.threads} core" in here.machine
