"""A copy is complete and what it was copied from, or is not listed; each copy answers for itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from chom_pipelines.errors import DamagedError, DiskFullError, StoreUnreachableError
from chom_pipelines.offsite import copying, throttle
from chom_pipelines.offsite.copying import Copying
from chom_pipelines.offsite.differences import Lacking
from chom_pipelines.offsite.transfer import chain_of, compare
from chom_pipelines.repository.data_keys import add_stream_key, opened_key
from chom_pipelines.repository.layout import INCOMPLETE, MANIFEST, Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.part_buffer import PART
from chom_pipelines.repository.pins import pin
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.rotation import rotate
from chom_pipelines.repository.s3_store import S3Store
from chom_pipelines.repository.s3_upload import S3Upload
from chom_pipelines.repository.store import Folder
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.offsite.made import SERVER, back_up, copied, ids, is_whole
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.repository.chains import published
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest, a_proof
from chom_pipelines_tests.stores import ObjectStorage


@pytest.mark.parametrize("threads", [1, 4])
def test_all_that_is_here_is_there_afterwards_and_again_copies_nothing(
    source: Repository, target: Repository, threads: int
) -> None:
    made = [back_up(source), back_up(source, 1, (10,)), back_up(source, 2, ())]
    first = copied(source, target, threads=threads)
    assert first.is_complete
    assert [each.name for each in first.copied] == [f"backups/{entry.id}" for entry in made]
    assert ids(target) == [entry.id for entry in made]
    assert all(is_whole(entry) for entry in target.backups(SERVER))
    again = copied(source, target, threads=threads)
    assert (again.is_complete, again.copied, again.there) == (True, (), 3)


def test_a_copy_leads_to_the_same_bytes_when_it_is_brought_back(
    source: Repository, target: Repository, tmp_path: Path
) -> None:
    entry = back_up(source)
    copied(source, target)
    back = Repository(LocalStore(tmp_path / "back"))
    back.create()
    assert copied(target, back).is_complete
    (found,) = back.backups(SERVER)
    assert found.folder.below() == entry.folder.below()
    assert all(found.folder.read(each.name) == entry.folder.read(each.name) for each in entry.folder.below())


def test_what_was_broken_off_is_not_listed_and_is_continued(
    source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = back_up(source)
    puts: list[str] = []
    whole = S3Store.put

    def put(store: S3Store, name: str, *, anew: bool = False) -> S3Upload:
        if len(puts) == 2:
            raise StoreUnreachableError("by the test")
        puts.append(name)
        return whole(store, name, anew=anew)

    monkeypatch.setattr(S3Store, "put", put)
    broken = copied(source, target)
    assert isinstance(broken.problem, StoreUnreachableError)
    assert ids(target) == []

    def put_all(store: S3Store, name: str, *, anew: bool = False) -> S3Upload:
        puts.append(name)
        return whole(store, name, anew=anew)

    monkeypatch.setattr(S3Store, "put", put_all)
    assert copied(source, target).is_complete
    objects = [name for name in puts if "/data/" in name]
    assert len(objects) == len(set(objects)) == 3  # none was sent twice
    assert is_whole(target.find(SERVER, entry.id))


def test_a_damaged_backup_is_not_copied_and_the_others_are(source: Repository, target: Repository) -> None:
    damaged, sound = back_up(source), back_up(source, 1)
    name = damaged.manifest(AES).objects[2].path
    file = path_of(damaged) / name
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    found = copied(source, target)
    assert not found.is_complete
    assert list(found.failures) == [f"backups/{damaged.id}"]
    assert name in str(found.error)
    assert ids(target) == [sound.id]
    # and what the second copy lacks makes nothing of the backups here worse
    assert is_whole(source.find(SERVER, sound.id))


def test_a_forged_manifest_is_not_copied(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    file = path_of(entry) / MANIFEST
    file.write_text(file.read_text().replace("chom_pipelines 0.1.0", "chom_pipelines 6.6.6"))
    found = copied(source, target)
    assert isinstance(found.error, DamagedError)
    assert ids(target) == []


def test_a_plain_backup_is_not_copied_where_only_encrypted_ones_are_believed(
    source: Repository, target: Repository
) -> None:
    with source.stream(SERVER).begin(Kind.FULL, NOON) as draft:
        draft.publish(a_manifest(backup=draft.id), None)
    assert "is not encrypted" in str(copied(source, target).error)
    assert ids(target) == []


def test_who_has_the_public_half_alone_copies_what_it_took(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    assert copied(source, target, keyring=None).is_complete
    assert is_whole(target.find(SERVER, entry.id))


def test_another_backup_of_the_same_name_stays_what_it_is(
    source: Repository, target: Repository, tmp_path: Path
) -> None:
    elsewhere = Repository(LocalStore(tmp_path / "elsewhere"))
    elsewhere.create()
    other = back_up(elsewhere, 0, (17,))
    copied(elsewhere, target)
    mine = back_up(source)
    assert mine.id == other.id
    found = copied(source, target)
    assert "is another backup than the one of that name here" in str(found.error)
    assert target.find(SERVER, other.id).folder.read(MANIFEST) == other.folder.read(MANIFEST)


def test_an_object_that_the_second_copy_has_lost_is_put_again(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    copied(source, target)
    there = target.find(SERVER, entry.id)
    there.folder.delete(entry.manifest(AES).objects[0].path)
    assert [len(each) for each in compare(source, target, SERVER).lacking.values()] == [1]
    found = copied(source, target)
    assert [each.name for each in found.copied] == [f"backups/{entry.id}"]
    assert is_whole(there)


def test_a_manifest_that_the_second_copy_has_lost_is_put_again(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    copied(source, target)
    there = target.find(SERVER, entry.id)
    there.folder.delete(MANIFEST)
    assert copied(source, target).is_complete
    assert is_whole(there)


def test_an_object_of_another_size_there_is_put_again(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    copied(source, target)
    there = target.find(SERVER, entry.id)
    name = entry.manifest(AES).objects[0].path
    there.folder.replace(name, b"short")
    found = copied(source, target)
    assert [each.name for each in found.copied] == [f"backups/{entry.id}"]
    assert is_whole(there)


def test_what_an_unfinished_copy_has_left_is_read_before_it_counts(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    name = entry.manifest(AES).objects[2].path
    spoiled = b"x" * len(entry.folder.read(name))
    draft = target.stream(SERVER).copy_of(entry.id)
    draft.folder.write(name, spoiled)
    right = entry.manifest(AES).objects[0].path
    draft.folder.write(right, entry.folder.read(right))
    assert copied(source, target).is_complete
    assert is_whole(target.find(SERVER, entry.id))


def test_a_spoiled_manifest_there_is_put_again_and_a_sound_one_is_not(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    copied(source, target)
    there = target.find(SERVER, entry.id)
    for spoiled in (entry.sealed() + b"\n", b"{}", entry.sealed().replace(b"0.1.0", b"6.6.60")):
        there.folder.replace(MANIFEST, spoiled)
        assert [each.name for each in copied(source, target).copied] == [f"backups/{entry.id}"]
        assert is_whole(there)
    assert copied(source, target).copied == ()


def test_a_key_that_was_wrapped_anew_here_alone_follows_and_is_no_copy_that_is_missing(
    source: Repository, target: Repository
) -> None:
    entry = back_up(source)
    copied(source, target)
    ring = AES.generate("a-longer-name", AES.kind("aes"))
    rotate(source, ring)
    assert compare(source, target, SERVER).lacking == {}
    assert copied(source, target, keyring=ring).is_complete
    assert target.find(SERVER, entry.id).manifest(ring).key_name == "a-longer-name"


def test_a_key_that_is_wrapped_anew_while_it_is_copied_is_the_one_that_is_there_afterwards(
    source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = back_up(source)
    ring, whole = AES.generate("new", AES.kind("aes")), Draft.publish_copy

    def publish_copy(draft: Draft, manifest: Manifest, sealed: bytes) -> object:
        rotate(source, ring)
        return whole(draft, manifest, sealed)

    monkeypatch.setattr(Draft, "publish_copy", publish_copy)
    assert copied(source, target).is_complete
    assert target.find(SERVER, entry.id).manifest(ring).key_name == "new"


def test_a_backup_without_its_manifest_keeps_no_other_from_being_copied(source: Repository, target: Repository) -> None:
    lost, sound = back_up(source), back_up(source, 1)
    (path_of(lost) / MANIFEST).unlink()
    found = copied(source, target)
    assert (list(found.failures), found.problem, found.not_tried) == ([f"backups/{lost.id}"], None, 0)
    assert ids(target) == [sound.id]


def test_a_backup_that_is_deleted_meanwhile_is_missing_nowhere(
    source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = back_up(source), back_up(source, 1)
    whole = copying.copy_backup

    def copy_backup(lacking: Lacking, stream: Stream, how: Copying) -> bool:
        if lacking.entry == second:
            source.stream(SERVER).remove(second)
        return whole(lacking, stream, how)

    monkeypatch.setattr("chom_pipelines.offsite.transfer.copy_backup", copy_backup)
    found = copied(source, target)
    assert (found.is_complete, [each.name for each in found.copied]) == (True, [f"backups/{first.id}"])


def test_a_file_that_no_manifest_names_is_named(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    entry.folder.write("data/stray", b"x")
    found = copied(source, target)
    assert "data/stray is not named by the manifest" in str(found.error)


def test_a_stream_key_that_is_lost_or_spoiled_there_is_missing_and_put_again(
    source: Repository, target: Repository
) -> None:
    log = source.binlogs(SERVER, "11")
    key, data_key = add_stream_key(log.folder, AES)
    assert copied(source, target).is_complete
    there = target.binlogs(SERVER, "11").folder
    assert opened_key(key, there, AES, "there") == data_key
    name = f"keys/{key.stream_key}.json"
    there.delete(name)
    assert compare(source, target, SERVER).keys == (f"binlogs/11/{name}",)
    there.write(name, b"{" + b" " * (len(log.folder.read(name)) - 2) + b"}")  # of the same size
    assert compare(source, target, SERVER).keys == ()
    assert copied(source, target).is_complete
    assert opened_key(key, there, AES, "there") == data_key


def test_a_spoiled_stream_key_here_replaces_none_there(source: Repository, target: Repository) -> None:
    log = source.binlogs(SERVER, "11")
    key, data_key = add_stream_key(log.folder, AES)
    copied(source, target)
    log.folder.replace(f"keys/{key.stream_key}.json", b"{}")
    assert isinstance(copied(source, target).error, DamagedError)
    assert opened_key(key, target.binlogs(SERVER, "11").folder, AES, "there") == data_key


def test_one_backup_is_copied_with_what_it_builds_on_without_its_key(source: Repository) -> None:
    full = published(source)
    child = published(source, full)
    assert list(chain_of(source, SERVER, ["latest"])) == [full.id, child.id]


def test_a_damaged_backup_that_could_not_be_brought_back_is_not_taken_for_an_unfinished_one(
    source: Repository, target: Repository
) -> None:
    entry = back_up(source)
    copied(source, target)
    (path_of(entry) / MANIFEST).unlink()
    there = target.find(SERVER, entry.id)
    there.folder.replace(MANIFEST, b"{}")
    assert not copied(target, source).is_complete
    source.stream(SERVER).clean()
    assert [name for name in ("data/00000.enc", "data/00002.enc") if entry.folder.exists(name)]


def test_incremental_backups_go_after_what_they_build_on(source: Repository, target: Repository) -> None:
    full = published(source)
    child = published(source, full)
    (path_of(full) / MANIFEST).write_text("{}")
    found = copied(source, target)
    assert list(found.failures) == [f"backups/{full.id}", f"backups/{child.id}"]
    assert ids(target) == []


def test_each_copy_has_proofs_of_its_own(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    entry.add_proof(a_proof(backup=entry.id), KEY)
    copied(source, target)
    there = target.find(SERVER, entry.id)
    assert there.proofs(AES) == []
    there.add_proof(a_proof(backup=entry.id, started=NOON + timedelta(hours=1)), KEY)
    assert compare(source, target, SERVER).streams["backups"].lacking == ()


def test_what_was_recorded_since_follows(source: Repository, target: Repository) -> None:
    entry = back_up(source)
    copied(source, target)
    pin(entry, "before the release", NOON)
    found = copied(source, target)
    assert (found.copied, found.is_complete) == ((), True)
    there = target.find(SERVER, entry.id)
    assert there.folder.read("pinned.json") == entry.folder.read("pinned.json")
    assert compare(source, target, SERVER).lacking == {}


def test_who_may_not_delete_there_can_copy(
    source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(store: S3Store, name: str) -> None:
        raise DiskFullError(f"{store.where(name)}: by the test")

    monkeypatch.setattr(S3Store, "delete", refused)
    monkeypatch.setattr(S3Store, "delete_folder", refused)
    entry = back_up(source)
    assert copied(source, target).is_complete
    there = target.find(SERVER, entry.id)
    assert there.folder.exists(INCOMPLETE)  # which is no more than a name beside the manifest
    assert is_whole(there)
    assert (copied(source, target).copied, ids(target)) == ((), [entry.id])


def test_a_store_that_keeps_other_bytes_is_found_out(source: Repository, target: Repository, s3: ObjectStorage) -> None:
    entry = back_up(source, 0, (PART + 1,))
    with s3.changing_what_is_put():
        found = copied(source, target)
    assert "the store has other bytes than" in str(found.error)
    assert ids(target) == []
    assert copied(source, target).is_complete
    assert is_whole(target.find(SERVER, entry.id))


def test_a_copy_that_meets_a_manifest_put_meanwhile_is_not_complete_by_it(
    source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(source)
    whole = Draft.publish_copy

    def publish_copy(draft: Draft, manifest: Manifest, sealed: bytes) -> object:
        Folder(draft.folder.store, draft.folder.name).write(MANIFEST, b"{}")
        return whole(draft, manifest, sealed)

    monkeypatch.setattr(Draft, "publish_copy", publish_copy)
    assert not copied(source, target).is_complete


def test_a_limit_holds_up_who_sends_more_and_makes_up_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("chom_pipelines.offsite.throttle.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(
        "chom_pipelines.offsite.throttle.time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    )
    limit = throttle.Throttle(1_000_000)
    for _ in range(4):
        limit.passed(500_000)
    assert clock[0] == pytest.approx(102)
    clock[0] += 60
    limit.passed(1_000_000)
    assert clock[0] == pytest.approx(163)
    throttle.Throttle(None).passed(1 << 40)
    assert clock[0] == pytest.approx(163)
