"""What an incremental backup builds on: one backup, of which nothing was changed."""

from __future__ import annotations

import pytest

from chom_pipelines.errors import DamagedError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.incomplete import State, mark
from chom_pipelines.repository.layout import INCOMPLETE, MANIFEST
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest, seal
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.chains import FILES, published
from chom_pipelines_tests.repository.samples import AES, KEY, RSA, SOURCE, a_manifest


def edited(manifest: Manifest, **changes: object) -> Manifest:
    return manifest.model_copy(update={"payload": manifest.physical.model_copy(update=changes)})


@pytest.mark.parametrize(
    "changes",
    [{"parts": ("data/a",)}, {"files": 1}, {"tables": 0}, {"page_size": 4096}, {"stream": "tar"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_parent_of_which_anything_was_changed_is_another_one(
    repository: Repository, changes: dict[str, object]
) -> None:
    full = published(repository)
    last = published(repository, full)
    manifest = full.manifest(AES)
    (path_of(full) / "manifest.json").write_bytes(seal(edited(manifest, **changes), KEY.mac))
    for problem in (last.problem(AES), opened(last, AES).problem):
        assert isinstance(problem, DamagedError)
        assert f"{last.id}: {full.id} is not the backup after which it was taken" in problem.what


def test_a_parent_of_another_server_is_another_one_and_one_of_a_new_key_the_same(repository: Repository) -> None:
    manifest = published(repository).manifest(AES)
    moved = manifest.model_copy(update={"source": SOURCE.model_copy(update={"hostname": "another"})})
    assert moved.fingerprint != manifest.fingerprint
    assert manifest.model_copy(update={"key": RSA.wrap(KEY)}).fingerprint == manifest.fingerprint


@pytest.mark.parametrize(
    "parent", ["itself", "later", "full_20260102_120000/.", "../backups", "binlog_b.000001_000000000004"]
)
def test_a_backup_builds_on_an_earlier_one_alone(repository: Repository, parent: str) -> None:
    last = published(repository, published(repository))
    named = {"itself": last.id, "later": "full_20270101_000000"}.get(parent, parent)
    manifest = last.manifest(AES).model_copy(update={"parent": named})
    (path_of(last) / "manifest.json").write_bytes(seal(manifest, KEY.mac))
    found = opened(last, AES)
    assert found.outcome is Outcome.FAILED
    assert f"'{named}' is no id of an earlier backup" in found.reason


def test_a_fingerprint_stays_what_it_is_in_later_versions() -> None:
    assert (
        a_manifest().model_copy(update={"payload": FILES}).fingerprint
        == "23e0178c42200deb7ed9a1245375d146afe1407d24e5e71c488c435dd9fa7d64"
    )


def test_what_a_killed_run_is_about_to_publish_keeps_what_it_builds_on(repository: Repository) -> None:
    full = published(repository)
    last = published(repository, full)
    last.folder.replace(INCOMPLETE, mark(State.PUBLISHING, last.folder.read(MANIFEST)))
    last.folder.delete(MANIFEST)
    with pytest.raises(RepositoryError, match=f"{last.id} builds on {full.id}"):
        repository.stream("chom").remove(full)
    assert opened(last, AES).problem is None


def test_a_parent_that_is_gone_is_told_as_that(repository: Repository) -> None:
    full = published(repository)
    last = published(repository, full)
    full.folder.delete_all()
    for problem in (last.problem(AES), opened(last, AES).problem):
        assert isinstance(problem, DamagedError)
        assert f"its parent {full.id} is not there" in problem.what
