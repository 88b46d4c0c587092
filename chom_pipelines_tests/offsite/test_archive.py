"""The archive of months: what a restore has proved, read back from there, and kept for as long as was said."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.errors import ConfigurationError, DamagedError, NothingToArchiveError
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.offsite import archive
from chom_pipelines.offsite.archive import archive_month, bounds, delete_month, due_months, month_before
from chom_pipelines.offsite.copies import push
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.pins import pin
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.rotation import rotate
from chom_pipelines_tests.offsite.made import SERVER, back_up, is_whole
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import AES, KEY, a_proof

HOURS_OF_A_DAY = 24


@pytest.fixture(autouse=True)
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which backups were verified: these have no SQL that a real verification asks for, so their objects are read."""
    found: list[str] = []

    def verify(entry: BackupEntry, level: Level, *_: object, **__: object) -> Proof:
        found.append(f"{level.value} {entry.id}")
        proof = a_proof(backup=entry.id, started=datetime.now(UTC)).model_copy(update={"level": level})
        try:
            is_whole(entry)
        except DamagedError as error:
            proof = proof.model_copy(update={"outcome": Outcome.FAILED, "reason": error.what, "failures": ("one",)})
        if level is Level.FULL:  # which takes a server
            return proof.model_copy(update={"outcome": Outcome.NOT_VERIFIED, "reason": "there is no server program"})
        entry.add_proof(proof, KEY)
        return proof

    monkeypatch.setattr(archive, "verify", verify)
    return found


def restored(entry: BackupEntry) -> BackupEntry:
    """As if a restore had proved it."""
    entry.add_proof(a_proof(backup=entry.id), KEY)
    return entry


def test_the_last_backup_of_the_month_that_was_restored_is_archived_and_read_back(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    server = inventory.server()
    restored(back_up(source))
    last = restored(back_up(source, 20 * HOURS_OF_A_DAY))
    restored(back_up(source, 40 * HOURS_OF_A_DAY))
    found = archive_month(inventory, server, "2026-01", unreported)
    assert (found.entry.id, found.already, found.proof.outcome) == (last.id, False, Outcome.PASSED)
    assert second.months(SERVER) == ["2026-01"]
    (there,) = Repository(second.store, month="2026-01").backups(SERVER)
    assert there.folder.where().endswith(f"chom/archive/2026-01/{last.id}")
    assert [record.proof.level.value for record in there.proofs(AES) if record.proof] == ["basic"]
    again = archive_month(inventory, server, "2026-01", unreported)
    assert (again.entry, again.already) == (there, True)


def test_what_was_deleted_here_is_archived_from_the_second_copy(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    entry = back_up(source)
    push(inventory, inventory.server(), unreported)
    restored(second.find(SERVER, entry.id))
    shutil.rmtree(path_of(source))
    assert archive_month(inventory, inventory.server(), "2026-01", unreported).entry.id == entry.id


def test_what_no_restore_proves_is_not_archived(
    source: Repository, inventory: Inventory, second: Repository, verified: list[str]
) -> None:
    entry = back_up(source)
    with pytest.raises(NothingToArchiveError, match="there is no server program"):
        archive_month(inventory, inventory.server(), "2026-01", unreported)
    assert verified == [f"full {entry.id}"]
    assert second.months(SERVER) == []
    with pytest.raises(NothingToArchiveError, match="no full backup of chom of 2026-02 can be archived"):
        archive_month(inventory, inventory.server(), "2026-02", unreported)


def test_an_archived_copy_that_was_damaged_since_fails(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    restored(back_up(source))
    found = archive_month(inventory, inventory.server(), "2026-01", unreported)
    name = found.entry.manifest(AES).objects[0].path
    found.entry.folder.replace(name, b"x" * len(found.entry.folder.read(name)))
    with pytest.raises(DamagedError, match="1 failure"):
        archive_month(inventory, inventory.server(), "2026-01", unreported)
    assert second.months(SERVER) == ["2026-01"]


def test_months_beyond_the_newest_go_and_only_sound_ones_count(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    server = inventory.server()
    for number in range(3):
        restored(back_up(source, number * 31 * HOURS_OF_A_DAY))
    for month in ("2026-01", "2026-02", "2026-03"):
        archive_month(inventory, server, month, unreported)
    assert due_months(second, server, AES) == ["2026-01"]
    entry = second.archived(SERVER, "2026-03").entries()[0]
    (path_of(entry) / "manifest.json").write_text("{}")
    assert due_months(second, server, AES) == []
    delete_month(second, SERVER, "2026-01")
    assert second.months(SERVER) == ["2026-02", "2026-03"]


def test_what_somebody_plants_in_the_archive_deletes_nothing(
    source: Repository, inventory: Inventory, second: Repository, tmp_path: Path
) -> None:
    server = inventory.server()
    for number, month in enumerate(("2026-01", "2026-02")):
        restored(back_up(source, number * 31 * HOURS_OF_A_DAY))
        archive_month(inventory, server, month, unreported)
    months = tmp_path / "second" / SERVER / "archive"
    for planted in ("2026-03", "2098-01", "2099-01"):
        shutil.copytree(months / "2026-01", months / planted)
    (months / "no month").mkdir()
    assert due_months(second, server, AES) == []
    with pytest.raises(DamagedError, match="is no backup of 2026-03"):
        archive_month(inventory, server, "2026-03", unreported)
    second.archived(SERVER, "2026-04").copy_of("full_20260401_120000")  # which was begun, and came to nothing
    assert due_months(second, server, AES) == []
    assert rotate(second, AES).failures == {}


def test_where_the_last_has_rotted_since_it_was_restored_the_one_before_is_archived(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    before, last = restored(back_up(source)), restored(back_up(source, HOURS_OF_A_DAY))
    name = last.manifest(AES).objects[0].path
    (path_of(last) / name).write_bytes(b"x" * len(last.folder.read(name)))
    found = archive_month(inventory, inventory.server(), "2026-01", unreported)
    assert found.entry.id == before.id
    assert [entry.id for entry in second.archived(SERVER, "2026-01").entries()] == [before.id]
    assert second.archived(SERVER, "2026-01").folder.folders() == [before.id]


def test_a_pin_does_not_follow_into_the_archive(source: Repository, inventory: Inventory, second: Repository) -> None:
    pin(restored(back_up(source)), "legal hold", datetime.now(UTC))
    archive_month(inventory, inventory.server(), "2026-01", unreported)
    delete_month(second, SERVER, "2026-01")
    assert second.months(SERVER) == []


def test_archived_months_follow_a_rotation_of_keys(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    restored(back_up(source))
    found = archive_month(inventory, inventory.server(), "2026-01", unreported)
    ring = AES.generate("new", AES.kind("aes"))
    assert rotate(second, ring).rewrapped == 1
    assert found.entry.manifest(ring).key_name == "new"


def test_months_are_those_of_utc() -> None:
    assert bounds("2026-12") == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert month_before(datetime(2026, 3, 1, 7, tzinfo=UTC)) == "2026-02"
    assert month_before(datetime(2026, 3, 31, 23, tzinfo=UTC) + timedelta(hours=1)) == "2026-03"
    for bad in ("2026-13", "2026-1", "../x", "latest"):
        with pytest.raises(ConfigurationError, match="is no month"):
            bounds(bad)
