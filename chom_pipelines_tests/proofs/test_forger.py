"""Somebody who may write everywhere in the repository, and has no key: what that comes to, and what nobody can see.

Each manipulation is done to a copy of one repository, with two backups that were verified, and is named by what
restores, by what answers the checks, and by what verifies. "Threat model" in ARCHITECTURE.md says the same in words.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError, KeyUnavailableError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.data_keys import add_stream_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import NAME, Backups, filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.proofs.forgeries import (
    IN_THE_MANIFEST,
    IN_THE_OBJECTS,
    IN_THE_PROOFS,
    KEYRING,
    NOT_USED_BY_A_RESTORE,
    SAME_NAME,
    THEIRS,
    Place,
    Scene,
    flipped,
    plain_proof,
)
from chom_pipelines_tests.proofs.readers import answered, integrity, refusal, verified
from chom_pipelines_tests.repository.samples import NOON, a_manifest
from chom_pipelines_tests.restores.live import state
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module")
def scene(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with mariadb_server.scope() as server:
        folder = tmp_path_factory.mktemp("kept")
        kept = Backups(folder, KEYRING)
        kept = Backups(folder, KEYRING, kept.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1}))
        database = library(server)
        with server.connect() as session:
            session.execute(f"USE {quote(database)}")
            for table in ("debts", "credits"):
                session.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, t VARCHAR(250) NOT NULL)")
                filled(session, table, 6_000, "n, REPEAT(SHA2(n, 256), 3)")
                session.execute(f"ANALYZE TABLE {table}")
            verify(kept.take(server, database), Level.BASIC, KEYRING, unreported)
            session.execute("UPDATE debts SET t = REVERSE(t)")
            session.execute("COMMIT")
            verify(kept.take(server, database), Level.BASIC, KEYRING, unreported)
            session.execute("UPDATE debts SET t = 'paid'")
            session.execute("COMMIT")
            forged = {}
            for name, keyring in (("plain", None), ("theirs", THEIRS), ("same name", SAME_NAME)):
                forged[name] = Backups(tmp_path_factory.mktemp("forged"), keyring, kept.policy).take(server, database)
        yield Scene(server, path_of(kept.repository), forged, state(server.root, server.flavour))


@pytest.fixture
def place(scene: Scene, tmp_path: Path) -> Place:
    shutil.copytree(scene.repository, tmp_path / "repository")
    return Place(tmp_path / "repository", scene.forged)


@pytest.mark.parametrize("forge", [*IN_THE_MANIFEST, *IN_THE_PROOFS], ids=lambda forge: forge.__name__)
def test_a_forged_manifest_or_proof_is_named_by_whatever_reads_it(
    scene: Scene, place: Place, forge: Callable[[Place], str]
) -> None:
    named = forge(place)
    entry = place.repository.find(NAME, "latest")
    listed = opened(entry, KEYRING)
    assert listed.outcome is not Outcome.PASSED
    problems = [listed.problem, *(record.problem for record in listed.proofs)]
    assert named in "\n".join(map(str, problems))
    assert named in refusal(scene, entry)
    assert named in answered(place)
    assert named in verified(entry)
    assert named in answered(place)


@pytest.mark.parametrize("forge", IN_THE_OBJECTS, ids=lambda forge: forge.__name__)
def test_a_forged_object_is_named_by_whatever_reads_it(
    scene: Scene, place: Place, forge: Callable[[Place], str]
) -> None:
    named = forge(place)
    entry = place.repository.find(NAME, "latest")
    assert named in refusal(scene, entry)
    assert named in verified(entry)
    assert named in answered(place)


@pytest.mark.parametrize("forge", NOT_USED_BY_A_RESTORE, ids=lambda forge: forge.__name__)
def test_what_is_forged_for_a_restore_by_hand_is_named(place: Place, forge: Callable[[Place], str]) -> None:
    named = forge(place)
    assert named in verified(place.repository.find(NAME, "latest"))
    assert named in answered(place)


def test_a_sound_backup_beside_a_forged_proof_is_restored_where_that_is_said(scene: Scene, place: Place) -> None:
    plain_proof(place)
    entry = place.repository.find(NAME, "latest")
    (database,) = entry.manifest(KEYRING).logical.databases
    with scene.server.scope() as server:
        rename = {database: server.fresh_database()}
        request = RestoreRequest(rename=rename, threads=2, despite_failed_proof=True)
        assert restore_into_server(entry, KEYRING, server.root, request, unreported).tables == 5


def test_a_backup_that_was_moved_to_another_server_is_named(scene: Scene, place: Place) -> None:
    shutil.copytree(place.newest, place.root / "other" / "backups" / place.newest.name)
    entry = place.repository.find("other", "latest")
    named = f"of the server '{NAME}'"
    assert named in refusal(scene, entry)
    assert named in integrity(place, "other").reason
    assert named in verified(entry)


@pytest.mark.parametrize("theirs", [True, False], ids=["foreign", "of another stream"])
def test_a_key_of_a_stream_that_was_replaced_opens_nothing(tmp_path: Path, *, theirs: bool) -> None:
    repository = Repository(LocalStore(tmp_path))
    stream, other = repository.stream("chom"), repository.stream("other")
    source, key = add_stream_key(stream.folder, KEYRING)
    with stream.begin(Kind.FULL, NOON) as draft:
        entry = draft.publish(a_manifest(key=source), key)
    assert entry.manifest(KEYRING).key == source
    planted, _ = add_stream_key(other.folder, THEIRS if theirs else KEYRING)
    shutil.copy(
        Path(other.folder.where(f"keys/{planted.stream_key}.json")),
        Path(stream.folder.where(f"keys/{source.stream_key}.json")),
    )
    problem = entry.problem(KEYRING)
    assert isinstance(problem, KeyUnavailableError if theirs else DamagedError)


def test_who_lost_the_proofs_is_told_that_there_is_none(place: Place) -> None:
    shutil.rmtree(place.newest / "proofs")
    assert "nothing was read back yet" in answered(place)


def test_a_deleted_proof_that_failed_is_not_missed_but_its_reason_is_found_again(scene: Scene, place: Place) -> None:
    entry = place.repository.find(NAME, "latest")
    passed, named = place.proof, flipped(place)
    assert named in verified(entry)
    (failed,) = set(passed.parent.iterdir()) - {passed}
    failed.unlink()
    assert integrity(place).outcome is Outcome.PASSED  # of the older proof's age
    assert named in "".join(integrity(place, reading=True).failures)
    assert named in refusal(scene, entry)
    assert named in verified(entry)


def test_a_backup_that_is_gone_cannot_be_missed(place: Place) -> None:
    older = place.older.name
    shutil.rmtree(place.newest)
    assert integrity(place).outcome is Outcome.PASSED
    assert place.repository.find(NAME, "latest").id == older


def test_a_whole_repository_of_an_earlier_day_cannot_be_told_from_that_day(scene: Scene, place: Place) -> None:
    entry = place.repository.find(NAME, "latest")
    verify(entry, Level.BASIC, KEYRING, unreported)
    shutil.rmtree(place.root)
    shutil.copytree(scene.repository, place.root)
    assert opened(entry, KEYRING).outcome is Outcome.PASSED
    assert verify(entry, Level.BASIC, KEYRING, unreported).outcome is Outcome.PASSED


def test_who_has_only_the_public_half_of_an_rsa_key_can_forge_a_backup(tmp_path: Path) -> None:
    ring = Keyring().generate("rsa", KeyKind.RSA)
    public, key = ring.without_private(), DataKey.generate()
    with Repository(LocalStore(tmp_path)).stream("chom").begin(Kind.FULL, NOON) as draft:
        entry = draft.publish(a_manifest(key=public.wrap(key)), key)
    assert entry.problem(ring) is None
