"""What is known of backups without reading them: where clocks were wrong, and where not all can be opened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chom_pipelines.backups.assessment import answers
from chom_pipelines.backups.verdicts import INTEGRITY
from chom_pipelines.cli.backup_output import proved
from chom_pipelines.errors import KeyUnavailableError, StoreUnreachableError
from chom_pipelines.inventory.models import Encryption, Inventory, RepositoryConfig, Server
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.listing import opened, opened_all
from chom_pipelines.repository.manifest import seal
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import Folder
from chom_pipelines.restores.failed_proofs import failed_proof
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.chains import OTHERS, published
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_proof

DAY = timedelta(days=1)
PASSED, FAILED, OPEN = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_VERIFIED


def prove(entry: BackupEntry, outcome: Outcome, started: datetime, begun: int | None = None) -> None:
    """Keep a basic proof beside it."""
    update: dict[str, object] = {"level": Level.BASIC, "scratch": None, "outcome": outcome}
    if outcome is FAILED:
        update |= {"reason": "data/a is not what it was", "failures": ("data/a is not what it was",)}
    entry.add_proof(a_proof(backup=entry.id, started=started).model_copy(update=update), KEY, begun)


def everywhere(entry: BackupEntry, root: Path) -> set[Outcome]:
    """What is known of the newest backup to the listing, to a restore, and to the check in Dagster."""
    AES.save(root.with_name("keys.json"))
    encryption = Encryption(keys=SecretReference(file=root.with_name("keys.json")))
    server = Server(name="chom", socket=Path("/nowhere"), user="nobody")
    inventory = Inventory(repository=RepositoryConfig(path=root, encryption=encryption), servers=(server,))
    checked = answers(inventory, server, datetime.now(UTC))[INTEGRITY].outcome
    listed = opened(entry, AES).outcome
    assert (failed_proof(entry, AES, RestoreRequest()) is not None) is (listed is FAILED)
    return {checked, listed}


def test_a_failure_stands_though_what_it_builds_on_cannot_be_opened(repository: Repository) -> None:
    full = published(repository, ring=OTHERS)
    first = published(repository, full, of_parent=OTHERS)
    last = published(repository, first)
    prove(first, PASSED, NOON)
    chain = (full, first, last)
    found = opened_all(chain, AES)
    assert [each.outcome for each in found] == [OPEN, OPEN, OPEN]
    assert proved(found[1]) == "not verified: no key"
    prove(first, FAILED, NOON)
    for found in (opened_all(chain, AES), [opened(each, AES) for each in chain]):
        assert [each.outcome for each in found] == [OPEN, FAILED, FAILED]
        assert all(isinstance(each.problem, KeyUnavailableError) for each in found)
        assert {each.reason for each in found[1:]} == {"data/a is not what it was"}
        assert "basic FAILED" in proved(found[1])
        assert f"basic of {first.id} FAILED" in proved(found[2])
        refused = failed_proof(last, AES, RestoreRequest())
        assert refused
        assert f"{first.id}, on which {last.id} builds, failed its basic verification" in refused.what


def test_a_parent_that_is_another_one_is_damage_though_its_key_is_not_there(repository: Repository) -> None:
    full = published(repository)
    last = published(repository, full)
    manifest = full.manifest(AES).model_copy(update={"key": OTHERS.wrap(KEY), "warnings": ()})
    (path_of(full) / "manifest.json").write_bytes(seal(manifest, KEY.mac))
    assert [each.outcome for each in opened_all((full, last), AES)] == [OPEN, FAILED]


def test_parents_that_lead_in_a_circle_are_damage(repository: Repository) -> None:
    first = published(repository, published(repository))
    last = published(repository, first)
    manifest = first.manifest(AES).model_copy(update={"parent": last.id})
    (path_of(first) / "manifest.json").write_bytes(seal(manifest, KEY.mac))
    assert [each.outcome for each in opened_all((first, last), AES)] == [FAILED, FAILED]


def test_what_fails_of_a_chain_is_not_hidden_by_the_date_of_what_builds_on_it(
    repository: Repository, root: Path
) -> None:
    full = published(repository)
    last = published(repository, full)
    prove(last, PASSED, NOON + DAY)
    prove(full, FAILED, NOON)
    assert everywhere(last, root) == {FAILED}


@pytest.mark.parametrize("date", [NOON + DAY, datetime.now(UTC) + DAY], ids=["was ahead", "is ahead"])
def test_a_failure_is_not_hidden_by_an_earlier_pass_of_a_later_date(
    repository: Repository, root: Path, date: datetime
) -> None:
    entry = published(repository)
    prove(entry, PASSED, date)
    prove(entry, FAILED, NOON)
    assert everywhere(entry, root) == {FAILED}
    prove(entry, PASSED, datetime.now(UTC) - timedelta(minutes=1))
    assert everywhere(entry, root) == {PASSED}


def test_a_pass_whose_time_is_still_to_come_proves_nothing(repository: Repository, root: Path) -> None:
    entry = published(repository)
    prove(entry, PASSED, datetime.now(UTC) + DAY)
    assert everywhere(entry, root) == {OPEN}
    found = opened(entry, AES)
    assert "still to come" in found.reason
    assert proved(found) == "basic not verified in the future"
    prove(entry, PASSED, datetime.now(UTC) + timedelta(minutes=1))  # as far as clocks may differ
    assert everywhere(entry, root) == {PASSED}


def test_a_failure_that_is_still_to_come_stands_until_a_later_pass(repository: Repository, root: Path) -> None:
    entry = published(repository)
    prove(entry, FAILED, datetime.now(UTC) + DAY)
    assert everywhere(entry, root) == {FAILED}
    prove(entry, PASSED, datetime.now(UTC))
    assert everywhere(entry, root) == {PASSED}


@pytest.mark.parametrize("off", [timedelta(), timedelta(minutes=4), -timedelta(minutes=4)], ids=str)
def test_a_pass_that_took_long_does_not_hide_a_failure_that_was_found_meanwhile(
    repository: Repository, root: Path, off: timedelta
) -> None:
    entry, now = published(repository), datetime.now(UTC)
    prove(entry, PASSED, now - timedelta(hours=3))
    begun = entry.next_number(KEY)
    prove(entry, FAILED, now - timedelta(hours=1) + off)
    prove(entry, PASSED, now - timedelta(hours=1), begun)
    assert everywhere(entry, root) == {FAILED}
    prove(entry, PASSED, now)
    assert everywhere(entry, root) == {PASSED}


def test_of_two_that_are_kept_at_the_same_moment_the_failure_stands(repository: Repository, root: Path) -> None:
    entry, now = published(repository), datetime.now(UTC)
    failed = entry.next_number(KEY)
    prove(entry, PASSED, now)
    path_of(entry).joinpath("proofs").rename(path_of(entry) / "aside")  # which the other has not seen yet
    prove(entry, FAILED, now - timedelta(minutes=1), failed)
    for each in (path_of(entry) / "aside").iterdir():
        each.rename(path_of(entry) / "proofs" / each.name)
    (path_of(entry) / "aside").rmdir()
    assert everywhere(entry, root) == {FAILED}


def test_what_fails_of_a_parent_does_not_speak_for_what_has_failed_itself(repository: Repository, root: Path) -> None:
    full = published(repository)
    last = published(repository, full)
    prove(last, FAILED, NOON)
    proof = a_proof(backup=full.id, started=datetime.now(UTC))
    failed = {"outcome": FAILED, "reason": "CHECK TABLE: Corrupt", "failures": ("CHECK TABLE: Corrupt",)}
    full.add_proof(proof.model_copy(update=failed), KEY)
    assert everywhere(last, root) == {FAILED}


def test_a_record_that_cannot_be_read_now_is_no_damage(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = published(repository)
    prove(entry, PASSED, datetime.now(UTC))
    read = Folder.read

    def unreachable(self: Folder, name: str) -> bytes:
        if name.startswith("proofs/"):
            raise StoreUnreachableError("SlowDown", "wait")
        return read(self, name)

    monkeypatch.setattr(Folder, "read", unreachable)
    assert opened(entry, AES).outcome is OPEN
    assert opened(entry, AES).reason == "SlowDown"
    with pytest.raises(StoreUnreachableError):
        failed_proof(entry, AES, RestoreRequest())


def test_what_was_compared_in_the_future_tells_nothing_even_of_what_failed(repository: Repository, root: Path) -> None:
    entry = published(repository)
    ahead = a_proof(backup=entry.id, started=datetime.now(UTC) + 400 * DAY)
    entry.add_proof(ahead.model_copy(update={"outcome": FAILED, "reason": "differs", "failures": ("differs",)}), KEY)
    assert FAILED in everywhere(entry, root)
    assert PASSED not in everywhere(entry, root)
