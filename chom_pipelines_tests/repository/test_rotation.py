"""Another master key wraps every data key, and each backup can be read at every moment on the way there."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from chom_pipelines.errors import KeyUnavailableError
from chom_pipelines.repository.data_keys import add_stream_key, opened_key
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import MANIFEST
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.objects import read_object
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.rotation import needed_keys, rotate
from chom_pipelines_tests.repository.chains import published
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_proof
from chom_pipelines_tests.repository.streaming import back_up

_BACKUPS = 12
_KILLS = 20

ROTATING = """
import sys
from pathlib import Path
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.rotation import rotate
root, keys = map(Path, sys.argv[1:])
print("begins", flush=True)
rotate(Repository(LocalStore(root)), Keyring.load(keys))
"""


def rotated_ring(kind: KeyKind = KeyKind.AES_256) -> Keyring:
    return AES.generate("new", kind)


@pytest.mark.parametrize("kind", KeyKind)
def test_what_only_the_new_key_opens_then_is_all_as_it_was(repository: Repository, kind: KeyKind) -> None:
    entry = back_up(repository.stream("chom"), AES)
    entry.add_proof(a_proof("chom", entry.id), KEY)
    before = {each.name: entry.folder.read(each.name) for each in entry.folder.below()}
    fingerprint = entry.manifest(AES).fingerprint
    ring = rotated_ring(kind)
    found = rotate(repository, ring)
    assert (found.rewrapped, found.already, found.failures) == (1, 0, {})
    new_alone = Keyring(ring.active, (ring.keys[-1],))
    manifest = entry.manifest(new_alone)
    assert (manifest.key_name, manifest.fingerprint) == ("new", fingerprint)
    assert b"".join(read_object(entry.folder, manifest.objects[0], entry.data_key(new_alone))) == b"some rows"
    assert [record.problem for record in entry.proofs(new_alone)] == [None]
    after = {each.name: entry.folder.read(each.name) for each in entry.folder.below()}
    changed = [name for name in before if before[name] != after[name]]
    assert (changed, before.keys()) == ([MANIFEST], after.keys())
    lines = zip(before[MANIFEST].splitlines(), after[MANIFEST].splitlines(), strict=True)
    assert [old.partition(b":")[0].strip() for old, new in lines if old != new] == [b'"key"', b'"seal"']
    again = rotate(repository, ring)
    assert (again.rewrapped, again.already) == (0, 1)
    assert needed_keys(repository) == {"new": 1}


def test_a_chain_holds_and_keys_of_streams_are_wrapped_once(repository: Repository) -> None:
    full = published(repository)
    child = published(repository, full)
    log, streamed = repository.binlogs("chom", "11"), repository.streamed("chom", "12")
    key, data_key = add_stream_key(log.folder, AES)
    parts_key, parts_data_key = add_stream_key(streamed.folder, AES)
    ring = rotated_ring()
    assert needed_keys(repository) == {"aes": 4}
    assert rotate(repository, ring).rewrapped == 4
    new_alone = Keyring(ring.active, (ring.keys[-1],))
    assert [parent.id for parent, _ in child.ancestors(child.manifest(new_alone), new_alone)] == [full.id]
    assert opened_key(key, log.folder, new_alone, "here") == data_key
    assert opened_key(parts_key, streamed.folder, new_alone, "here") == parts_data_key


def test_what_cannot_be_opened_is_named_and_stays_and_the_others_are_done(repository: Repository) -> None:
    stranger = Keyring().generate("stranger", KeyKind.AES_256)
    theirs = back_up(repository.stream("chom"), stranger)
    mine = back_up(repository.stream("chom"), AES, NOON + timedelta(hours=1))
    damaged = back_up(repository.stream("chom"), AES, NOON + timedelta(hours=2))
    text = damaged.folder.read(MANIFEST).replace(b"chom_pipelines", b"chom_pipelinez")
    damaged.folder.replace(MANIFEST, text)
    ring = rotated_ring()
    found = rotate(repository, ring)
    assert (found.rewrapped, sorted(found.failures)) == (1, sorted([theirs.where, damaged.where]))
    assert mine.manifest(ring).key_name == "new"
    assert theirs.manifest(stranger).key_name == "stranger"
    assert damaged.folder.read(MANIFEST) == text


def test_another_key_of_the_active_name_is_not_taken_for_it(repository: Repository) -> None:
    entry = back_up(repository.stream("chom"), AES)
    found = rotate(repository, Keyring().generate("aes", KeyKind.AES_256))
    assert (found.already, list(found.failures)) == (0, [entry.where])


def test_who_has_the_public_half_alone_cannot_rotate(repository: Repository) -> None:
    rsa = Keyring().generate("old", KeyKind.RSA)
    entry = back_up(repository.stream("chom"), rsa)
    found = rotate(repository, rsa.generate("new", KeyKind.RSA).without_private())
    assert isinstance(found.failures[entry.where], KeyUnavailableError)
    assert entry.manifest(rsa).key_name == "old"


def test_killed_at_any_moment_every_backup_stays_readable_and_the_next_run_ends_it(tmp_path: Path) -> None:
    root, keys = tmp_path / "repository", tmp_path / "keys.json"
    repository = Repository(LocalStore(root))
    repository.create()
    entries = [back_up(repository.stream("chom"), AES, NOON + timedelta(hours=number)) for number in range(_BACKUPS)]
    ring, cut_off = AES, 0
    chosen = random.Random(20)  # noqa: S311  (no secret)
    for number in range(_KILLS):
        ring = ring.generate(f"key-{number}", KeyKind.AES_256)
        ring.save(keys)
        command = [sys.executable, "-c", ROTATING, str(root), str(keys)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(chosen.uniform(0, 0.03))  # the moment at which it is killed
            process.kill()
        loaded = Keyring.load(keys)
        for entry in entries:
            manifest = entry.manifest(loaded)
            assert b"".join(read_object(entry.folder, manifest.objects[0], entry.data_key(loaded))) == b"some rows"
        cut_off += 0 < needed_keys(repository).get(ring.active, 0) < _BACKUPS
    assert cut_off  # else no moment was one in between
    assert rotate(repository, ring).failures == {}
    assert needed_keys(repository) == {ring.active: _BACKUPS}
