"""What is said of copies is what can be restored from them."""

from __future__ import annotations

from pathlib import Path

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.offsite.copies import lacking, push
from chom_pipelines.offsite.standing import Standing, standing_of
from chom_pipelines.offsite.verdicts import complete, protected
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.repository.data_keys import add_stream_key
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.findings import failed, passed, warning
from chom_pipelines_tests.offsite.made import SERVER, back_up
from chom_pipelines_tests.repository.chains import published
from chom_pipelines_tests.repository.samples import AES


def standing(inventory: Inventory) -> Standing:
    found = standing_of(inventory, inventory.server())
    assert found is not None
    return found


def test_a_backup_is_there_when_all_that_it_builds_on_is(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    full = published(source)
    child = published(source, full)
    push(inventory, inventory.server(), unreported)
    assert [standing(inventory).has("backups", each.id) for each in (full, child)] == [True, True]
    second.find(SERVER, full.id).folder.delete(MANIFEST)
    assert [standing(inventory).has("backups", each.id) for each in (full, child)] == [False, False]


def test_what_is_there_alone_is_told(source: Repository, inventory: Inventory) -> None:
    first, second = back_up(source), back_up(source, 1)
    push(inventory, inventory.server(), unreported)
    source.stream(SERVER).remove(first)
    assert standing(inventory).only_there == (first.id,)
    assert standing(inventory).has("backups", second.id)


def test_where_it_cannot_be_asked_nothing_is_claimed(source: Repository, inventory: Inventory, tmp_path: Path) -> None:
    entry = back_up(source)
    push(inventory, inventory.server(), unreported)
    (tmp_path / "second" / SERVER / "backups").rename(tmp_path / "gone")
    (tmp_path / "second" / SERVER / "backups").symlink_to(tmp_path / "gone")
    found = standing(inventory)
    assert found.problem is not None
    assert found.has("backups", entry.id) is None


def test_the_check_fails_for_a_key_of_a_stream_that_is_missing(
    source: Repository, inventory: Inventory, second: Repository
) -> None:
    server = inventory.server()
    key, _ = add_stream_key(source.binlogs(SERVER, "11").folder, AES)
    done = push(inventory, server, unreported)
    assert complete(done, lacking(inventory, server)).outcome is Outcome.PASSED
    second.binlogs(SERVER, "11").folder.delete(f"keys/{key.stream_key}.json")
    verdict = complete(done, lacking(inventory, server))
    assert (verdict.outcome, verdict.failures) == (
        Outcome.NOT_VERIFIED,
        (f"binlogs/11/keys/{key.stream_key}.json",),
    )
    assert complete(done, None).outcome is Outcome.NOT_VERIFIED


def test_what_could_be_deleted_is_not_verified_to_be_protected() -> None:
    assert protected(passed("offsite", "locked")).outcome is Outcome.PASSED
    assert protected(warning("offsite", "versions", "lock it")).outcome is Outcome.NOT_VERIFIED
    assert protected(failed("offsite", "no", "lock it")).outcome is Outcome.FAILED
