"""The archive of a binary log is proved: every segment read and scanned again, once, and the chain of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chom_pipelines.binlogs.format import open_transaction
from chom_pipelines.binlogs.format.statements import Does, understand
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import ArchiveProof, verify_archive
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level, Means, Subject
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer

KEYRING = Keyring().generate("first", KeyKind.AES_256)


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


@pytest.fixture(params=[KEYRING, None], ids=["encrypted", "plain"])
def archived(server: PrivateServer, tmp_path: Path, request: pytest.FixtureRequest) -> Archive:
    kept = Backups(tmp_path, request.param)
    policy = kept.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1})
    found = Archive.from_here(server, Backups(tmp_path, request.param, policy))
    found.work(
        "INSERT INTO shop.t (s) WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
        "SELECT UUID() FROM n",
        "FLUSH BINARY LOGS",
        "DELETE FROM shop.t WHERE id > 10",
        "CREATE OR REPLACE VIEW shop.v AS SELECT 1",
    )
    found.archive()
    return found


def proved(archived: Archive, *, again: bool = False) -> ArchiveProof:
    found = verify_archive(archived.backups.repository, NAME, archived.keyring, unreported, again=again)
    assert found
    return found


def test_every_segment_is_proved_by_what_is_read_and_found_in_it(archived: Archive) -> None:
    found = proved(archived)
    assert found.outcome is Outcome.PASSED, found
    assert (found.skipped, found.oldest, found.chain.gaps) == (0, None, ())
    history = archived.history
    assert [each.proof.backup for each in found.segments] == [each.id for each in history.segments]
    for segment, each in zip(history.segments, found.segments, strict=True):
        assert each.proof.level is Level.BASIC
        assert each.proof.count(Subject.OBJECTS, Means.READ) == 2
        assert each.proof.count(Subject.TRANSACTIONS, Means.READ) == segment.transactions
        (record,) = history.entry(segment).proofs(archived.keyring)
        assert record.proof == each.proof


def test_what_was_proved_is_not_read_again_unless_asked(archived: Archive) -> None:
    first = proved(archived)
    archived.work()
    archived.archive()
    second = proved(archived)
    assert second.skipped == len(first.segments)
    assert len(second.segments) == 1
    assert second.oldest == min(each.proof.started for each in first.segments)
    third = proved(archived, again=True)
    assert (third.skipped, len(third.segments)) == (0, len(first.segments) + 1)
    assert third.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"text": "DROP TABLE t IDENTIFIED BY '***'", "object": "server", "tables": (("d", "t"),)}, Outcome.PASSED),
        ({"does": Does.OTHER, "temporary": True}, Outcome.PASSED),
        ({"database": "elsewhere"}, Outcome.FAILED),
    ],
)
def test_an_index_in_the_words_of_another_version_is_that_of_its_log(
    archived: Archive, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], outcome: Outcome
) -> None:
    archived.work("CREATE OR REPLACE VIEW shop.v AS SELECT 2")
    with monkeypatch.context() as patch:
        patch.setattr(open_transaction, "understand", lambda *words: replace(understand(*words), **changes))
        written = archived.archive().new
    found = {each.proof.backup: each.proof for each in proved(archived).segments}
    assert [found[each.id].outcome for each in written] == [outcome] * len(written)


def test_where_nothing_is_archived_nothing_is_proved(server: PrivateServer, tmp_path: Path) -> None:
    empty = Archive(server, Backups(tmp_path))
    empty.backups.repository.create()
    assert verify_archive(empty.backups.repository, NAME, None, unreported) is None
