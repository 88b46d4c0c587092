"""The forger of `test_forger.py` at physical backups, and at the chains of incremental ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chom_pipelines.errors import ChomError
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.data_files import restore_files_into_directory
from chom_pipelines.restores.rows_of_files import rows_of_files
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.logical.taking import NAME, Backups, filled
from chom_pipelines_tests.physical.files_data import REQUEST, take_files
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.proofs.forgeries import (
    IN_THE_MANIFEST,
    IN_THE_OBJECTS,
    IN_THE_PROOFS,
    KEYRING,
    SAME_NAME,
    THEIRS,
    Place,
    deleted_definitions,
    downgraded,
    edited_definitions,
    edited_guide,
    edited_load,
    flipped,
    swapped_between_definitions,
)
from chom_pipelines_tests.proofs.readers import answered, verified
from chom_pipelines_tests.servers import private_server

OF_ROWS = (edited_load, edited_definitions, deleted_definitions, swapped_between_definitions)
"""Manipulations of what only a backup of rows has."""


@dataclass(frozen=True)
class Scene:
    """A repository with two full physical backups and one that builds on the second, and others of a forger's."""

    repository: Path
    forged: dict[str, BackupEntry]


@dataclass(frozen=True)
class FilePlace(Place):
    """A copy of it: where a backup of rows has tables, one of files has parts of the stream."""

    def table(self, name: str, backup: Path | None = None) -> Path:
        """The first part for one of the two names, the second one for the other."""
        number = ("debts", "credits").index(name)
        return (backup or self.newest) / "data" / f"part.{number:05}{self._suffix}"

    @property
    def _suffix(self) -> str:
        (first,) = (self.newest / "data").glob("part.00000*")
        return "".join(first.suffixes[1:])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    kept = Backups(tmp_path_factory.mktemp("kept"), KEYRING)
    kept = replace(kept, policy=kept.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1}))
    with private_server(Flavour.MARIADB) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            session.execute("CREATE TABLE shop.large (id INT PRIMARY KEY, data LONGBLOB)")
            filled(session, "shop.large", 40, "n, REPEAT(SHA2(n, 512), 8192)")
            server.outlast_its_start()
            verify(take_files(kept, server), Level.BASIC, KEYRING, unreported)
            verify(take_files(kept, server), Level.BASIC, KEYRING, unreported)
            forged = {}
            for name, keyring in (("plain", None), ("theirs", THEIRS), ("same name", SAME_NAME)):
                forged[name] = take_files(Backups(tmp_path_factory.mktemp("forged"), keyring, kept.policy), server)
            session.execute("UPDATE shop.large SET data = REVERSE(data) WHERE id < 5")
            take_files(Backups(path_of(kept.repository).parent, KEYRING, kept.policy), server, kind=Kind.INCREMENTAL)
        yield Scene(path_of(kept.repository), forged)


@pytest.fixture
def chained(scene: Scene, tmp_path: Path) -> FilePlace:
    """With the incremental backup, which is the newest."""
    shutil.copytree(scene.repository, tmp_path / "repository")
    return FilePlace(tmp_path / "repository", scene.forged)


@pytest.fixture
def place(chained: FilePlace) -> FilePlace:
    """Without it."""
    shutil.rmtree(chained.newest)
    return chained


def refusal(entry: BackupEntry, tmp_path: Path) -> str:
    """Why it is restored neither into a directory, of which nothing stays, nor as rows."""
    with pytest.raises(ChomError) as refused:
        restore_files_into_directory(entry, KEYRING, tmp_path / "data", REQUEST, unreported)
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(("data", "chom-scratch-"))]
    return refused.value.what


@pytest.mark.parametrize(
    "forge",
    [each for each in (*IN_THE_MANIFEST, *IN_THE_PROOFS) if each not in OF_ROWS],
    ids=lambda each: each.__name__,
)
def test_a_forged_manifest_or_proof_is_named_by_whatever_reads_it(
    place: FilePlace, tmp_path: Path, forge: Callable[[Place], str]
) -> None:
    named = forge(place)
    entry = place.repository.find(NAME, "latest")
    listed = opened(entry, KEYRING)
    problems = [listed.problem, *(record.problem for record in listed.proofs)]
    assert named in "\n".join(map(str, problems))
    assert named in refusal(entry, tmp_path)
    assert named in answered(place)
    assert named in verified(entry)


@pytest.mark.parametrize(
    "forge", [each for each in IN_THE_OBJECTS if each not in OF_ROWS], ids=lambda each: each.__name__
)
def test_a_forged_part_is_named_by_whatever_reads_it(
    place: FilePlace, tmp_path: Path, forge: Callable[[Place], str]
) -> None:
    named = forge(place)
    entry = place.repository.find(NAME, "latest")
    assert named in refusal(entry, tmp_path)
    assert named in verified(entry)
    assert named in answered(place)


@pytest.mark.parametrize("forge", [downgraded, flipped], ids=lambda each: each.__name__)
def test_no_rows_are_taken_from_forged_files(place: FilePlace, forge: Callable[[Place], str]) -> None:
    named = forge(place)
    entry = place.repository.find(NAME, "latest")
    with (
        pytest.raises(ChomError) as refused,
        rows_of_files(entry, KEYRING, lambda _: RestoreRequest(threads=2), unreported, databases=None),
    ):
        pytest.fail("forged files were served")
    assert named in refused.value.what


def test_a_guide_that_was_forged_for_a_restore_by_hand_is_named(place: FilePlace) -> None:
    named = edited_guide(place)
    assert named in verified(place.repository.find(NAME, "latest"))
    assert named in answered(place)


def swapped_parent(place: Place) -> None:
    """In place of the full backup that the incremental one builds on stands the other one, as it is."""
    fulls = [path_of(each) for each in place.repository.backups(NAME)][:2]
    shutil.rmtree(fulls[1])
    shutil.copytree(fulls[0], fulls[1])


def flipped_parent(place: Place) -> None:
    parts = sorted((path_of(place.repository.backups(NAME)[1]) / "data").iterdir())
    data = bytearray(parts[0].read_bytes())
    data[len(data) // 2] ^= 1
    parts[0].write_bytes(data)


def lost_parent(place: Place) -> None:
    shutil.rmtree(path_of(place.repository.backups(NAME)[1]))


def downgraded_parent(place: Place) -> None:
    parent = path_of(place.repository.backups(NAME)[1])
    shutil.rmtree(parent)
    shutil.copytree(path_of(place.forged["plain"]), parent)


@pytest.mark.parametrize(
    "forge", [swapped_parent, flipped_parent, lost_parent, downgraded_parent], ids=lambda each: each.__name__
)
def test_what_an_incremental_backup_builds_on_is_read_and_believed_as_itself(
    chained: FilePlace, tmp_path: Path, forge: Callable[[Place], None]
) -> None:
    entry, parent = chained.repository.find(NAME, "latest"), chained.repository.backups(NAME)[1].id
    forge(chained)
    assert parent in refusal(entry, tmp_path)
    assert parent in verified(entry)


def test_an_incremental_backup_under_the_id_of_a_full_one_is_named(chained: FilePlace, tmp_path: Path) -> None:
    full = path_of(chained.repository.backups(NAME)[1])
    incremental = chained.newest
    shutil.rmtree(full)
    shutil.copytree(incremental, full)
    shutil.rmtree(incremental)
    entry = chained.repository.find(NAME, full.name)
    assert "the manifest is of the backup" in refusal(entry, tmp_path)
    assert "the manifest is of the backup" in verified(entry)
