"""Who can write in the repository and has no key, or a disk that rots, has nothing deleted that else would stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError
from chom_pipelines.inventory.models import Server
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import MANIFEST, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.pins import pin, unpin
from chom_pipelines.repository.repository import Repository
from chom_pipelines.retention import pruning
from chom_pipelines.retention.decisions import Plan
from chom_pipelines.retention.planning import Planned, planned
from chom_pipelines.retention.pruning import prune
from chom_pipelines_tests.repository.chains import published
from chom_pipelines_tests.repository.samples import AES, KEY, a_manifest, a_proof
from chom_pipelines_tests.repository.streaming import fill

NOW = datetime(2026, 11, 28, 5, 30, tzinfo=UTC)
SERVER = Server.model_validate({"name": "chom", "socket": "/s", "user": "u"})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(LocalStore(tmp_path / "repository"))
    found.create()
    return found


def taken(repository: Repository, days: float, *, clock: timedelta = timedelta(0), proved: bool = True) -> BackupEntry:
    """A full backup of so many days ago; by the server's `clock`, where that is not this machine's."""
    moment = NOW - timedelta(days=days)
    with repository.stream("chom").begin(Kind.FULL, moment) as draft:
        manifest = a_manifest(backup=draft.id, objects=(fill(draft, KEY),), key=AES.wrap(KEY))
        times = {"started": moment, "as_of": moment + clock, "finished": moment}
        entry = draft.publish(manifest.model_copy(update=times), KEY)
    if proved:
        entry.add_proof(a_proof(backup=entry.id, started=moment), KEY)
    return entry


def plan(repository: Repository) -> Plan:
    return planned(repository, SERVER, AES, NOW).plan


def going(repository: Repository) -> list[str]:
    return [each.id for each in plan(repository).goes]


def spoil(entry: BackupEntry, how: str) -> None:
    if how == "a proof that nobody sealed":
        entry.folder.write("proofs/20261128T000000.000000Z.json", b"{}")
    elif how == "no object":
        (entry.folder / "data").delete_all()
    else:
        entry.folder.replace(MANIFEST, b"{}")


SPOILED = ["a proof that nobody sealed", "no object", "no manifest to speak of"]


@pytest.mark.parametrize("how", SPOILED)
def test_what_was_spoiled_stays_and_nothing_goes_for_it(repository: Repository, how: str) -> None:
    old, before, newest = (taken(repository, days) for days in (50, 40, 1))
    assert going(repository) == [old.id]
    spoil(before, how)
    assert going(repository) == []  # the window begins with the older one now
    assert before.id in {each.id for each in plan(repository).stays}
    assert newest.id in {each.id for each in plan(repository).stays}


@pytest.mark.parametrize("how", SPOILED)
def test_where_the_newest_was_spoiled_nothing_goes(repository: Repository, how: str) -> None:
    old, _, newest = (taken(repository, days) for days in (50, 40, 1))
    spoil(newest, how)
    assert going(repository) == []
    assert f"{newest.id}, cannot be read or believed" in plan(repository).nothing_because
    assert [each.id for each in plan(repository).refused] == [old.id]


def test_a_clock_that_was_days_ahead_deletes_nothing(repository: Repository) -> None:
    taken(repository, 50)
    taken(repository, 40)
    newest = taken(repository, 1, clock=timedelta(days=-40))
    assert going(repository) == []
    assert "clock" in plan(repository).nothing_because
    assert newest.id in plan(repository).nothing_because


def test_an_incremental_backup_without_a_manifest_that_can_be_read_keeps_what_is_older(repository: Repository) -> None:
    old = taken(repository, 50)
    taken(repository, 40)
    taken(repository, 1)
    repository.stream("chom").folder.write(f"incremental_20261109_000000/{MANIFEST}", b"garbage")
    assert going(repository) == []
    (why,) = (each.why for each in plan(repository).stays if each.id == old.id)
    assert why == "incremental_20261109_000000 may build on it, as its manifest cannot be read"


def test_one_that_is_older_than_all_keeps_nothing_from_being_deleted(repository: Repository) -> None:
    old = taken(repository, 50)
    taken(repository, 40)
    taken(repository, 1)
    repository.stream("chom").folder.write(f"incremental_20200101_000000/{MANIFEST}", b"garbage")
    applied = prune(repository, SERVER, AES, NOW)
    assert ({each.id for each in applied.gone}, applied.problem) == ({old.id}, None)


@pytest.mark.parametrize("content", [b"", b"[" * 200_000, b"[]", b'{"reason": 7}', None])
def test_whatever_stands_for_a_pin_is_one(repository: Repository, content: bytes | None) -> None:
    old = taken(repository, 50)
    taken(repository, 40)
    taken(repository, 1)
    if content is None:
        old.folder.write("pinned.json/x", b"")
    else:
        old.folder.write("pinned.json", content)
    assert going(repository) == []
    assert not prune(repository, SERVER, AES, NOW).gone


def test_who_has_not_the_key_deletes_nothing(repository: Repository) -> None:
    for days in (50, 40, 1):
        taken(repository, days)
    without = planned(repository, SERVER, None, NOW).plan
    assert without.goes == ()
    assert "cannot be read or believed" in without.nothing_because


def test_where_there_is_nothing_nothing_is_made(repository: Repository, tmp_path: Path) -> None:
    assert prune(repository, SERVER, AES, NOW).plan.nothing_because == "there is no full backup"
    assert list((tmp_path / "repository").iterdir()) == []


def test_a_name_that_is_none_of_a_backup_stays(repository: Repository) -> None:
    taken(repository, 1)
    repository.stream("chom").folder.write("copy of full/manifest.json", b"{}")
    (stays,) = (each for each in plan(repository).stays if each.id == "copy of full")
    assert stays.why == "its name is none of a backup"


def test_a_segment_of_the_log_among_backups_is_told(repository: Repository) -> None:
    taken(repository, 1)
    repository.stream("chom").folder.write(f"binlog_mysql-bin.000001_000000000004/{MANIFEST}", b"{}")
    assert "binlog_mysql-bin.000001_000000000004" in {each.id for each in plan(repository).stays}


def test_a_chain_goes_from_its_end_and_stays_for_its_end(repository: Repository) -> None:
    full = published(repository)
    first = published(repository, full)
    last = published(repository, first)
    taken(repository, 40)
    taken(repository, 1)
    assert going(repository) == [full.id, first.id, last.id]
    pin(last, "the audit", NOW)
    assert going(repository) == []
    assert {each.why for each in plan(repository).stays if each.id == full.id} == {f"{first.id} builds on it"}
    unpin(last)
    applied = prune(repository, SERVER, AES, NOW)
    assert ({each.id for each in applied.gone}, applied.problem) == ({full.id, first.id, last.id}, None)


def test_what_is_pinned_after_the_plan_was_made_stays(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    old = taken(repository, 50)
    taken(repository, 40)
    taken(repository, 1)

    def planned_and_pinned(*arguments: object) -> Planned:
        found = planned(*arguments)  # type: ignore[arg-type]
        old.folder.write("pinned.json", b'{"reason": "in time"}')
        return found

    monkeypatch.setattr(pruning, "planned", planned_and_pinned)
    applied = prune(repository, SERVER, AES, NOW)
    assert applied.gone == frozenset()
    assert f"{old.id} is pinned" in str(applied.problem)
    assert old.folder.exists(MANIFEST)


def test_what_is_no_backup_cannot_be_pinned(repository: Repository) -> None:
    entry = replace(taken(repository, 1), id="full_20200101_000000")
    with pytest.raises(DamagedError):
        pin(entry, "the audit", NOW)
    assert entry.folder.below() == []
