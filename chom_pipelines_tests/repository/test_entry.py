import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from chom_pipelines.errors import (
    DamagedError,
    KeyUnavailableError,
    RepositoryError,
    UnencryptedError,
    UnknownFormatError,
)
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import seal
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest, a_proof, files_limited_to, no_more_files

NO_KEYS: list[Keyring | None] = [
    None,
    Keyring().generate("aes", KeyKind.AES_256),
    Keyring().generate("b", KeyKind.AES_256),
]


FULL = '{"format": 2, "kind": "full", "payload": {"method": "logical"}'


def path_of(entry: BackupEntry) -> Path:
    return Path(entry.where)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path))


@pytest.fixture
def plain(repository: Repository) -> BackupEntry:
    with repository.stream("chom").begin(Kind.FULL, NOON) as draft:
        draft.folder.write("RESTORE.md", b"how to")
        return draft.publish(a_manifest(), None)


@pytest.fixture
def encrypted(repository: Repository) -> BackupEntry:
    with repository.stream("chom").begin(Kind.FULL, NOON) as draft:
        draft.folder.write("RESTORE.md", b"how to")
        return draft.publish(a_manifest(key=AES.wrap(KEY)), KEY)


@pytest.mark.parametrize("keyring", NO_KEYS, ids=["none", "another", "missing"])
def test_an_encrypted_backup_without_its_key_can_be_peeked_at_but_not_read(
    encrypted: BackupEntry, keyring: Keyring | None
) -> None:
    assert encrypted.peek()["server"] == "chom"
    with pytest.raises(KeyUnavailableError):
        encrypted.manifest(keyring)
    assert isinstance(encrypted.problem(keyring), KeyUnavailableError)


def test_a_host_that_has_keys_believes_a_plain_backup_only_where_that_is_said(plain: BackupEntry) -> None:
    plain.add_proof(a_proof(), None)
    for read in (plain.manifest, plain.data_key, plain.proofs):
        with pytest.raises(UnencryptedError, match=f"{plain.where} is not encrypted") as refused:
            read(AES)
        assert refused.value.outcome is Outcome.FAILED
        assert "--allow-unencrypted" in refused.value.remedy
    said = AES.accepting_plain()
    assert plain.manifest(said) == plain.manifest(None)
    assert plain.data_key(said) is None
    assert (plain.problem(said), len(plain.proofs(said))) == (None, 1)


def test_an_encrypted_backup_is_read_where_plain_ones_are_believed_too(encrypted: BackupEntry) -> None:
    assert encrypted.manifest(AES.accepting_plain()) == encrypted.manifest(AES)


def test_a_proof_of_an_earlier_time_under_a_later_name_is_not_believed(encrypted: BackupEntry) -> None:
    earlier = Path(encrypted.add_proof(a_proof(), KEY))
    shutil.copy(earlier, earlier.with_name("20990101T000000.000000Z.json"))
    replayed, first = encrypted.proofs(AES)
    assert (first.proof, first.problem) == (a_proof(), None)
    assert replayed.proof is None
    assert "is the proof of 2026-01-02 12:00:00 UTC under another name" in str(replayed.problem)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', FULL + "}", FULL + ', "key": {"key_name": 7}}'])
def test_a_damaged_manifest_is_listed_with_its_problem(repository: Repository, plain: BackupEntry, text: str) -> None:
    (path_of(plain) / "manifest.json").write_text(text)
    (entry,) = repository.backups("chom")
    problem = entry.problem(AES.accepting_plain())
    assert isinstance(problem, DamagedError)
    assert plain.where in problem.what


def test_a_missing_manifest_is_listed_with_its_problem(repository: Repository, plain: BackupEntry) -> None:
    (path_of(plain) / "manifest.json").unlink()
    (entry,) = repository.backups("chom")
    assert isinstance(entry.problem(None), DamagedError)


def test_a_manifest_of_another_format_is_listed_with_its_problem(repository: Repository, plain: BackupEntry) -> None:
    (path_of(plain) / "manifest.json").write_text('{"format": 99}')
    (entry,) = repository.backups("chom")
    assert isinstance(entry.problem(None), UnknownFormatError)


def test_an_encrypted_backup_cannot_be_made_to_pass_as_a_plain_one_of_its_key(encrypted: BackupEntry) -> None:
    (path_of(encrypted) / "manifest.json").write_bytes(seal(a_manifest(key=AES.wrap(KEY)), None))
    with pytest.raises(DamagedError, match="seal"):
        encrypted.manifest(AES)


@pytest.mark.parametrize("place", ["chom/backups/full_20260102_130000", "other/backups/full_20260102_120000"])
def test_a_backup_that_was_moved_is_not_taken_for_another(
    repository: Repository, plain: BackupEntry, tmp_path: Path, place: str
) -> None:
    shutil.copytree(path_of(plain), tmp_path / place)
    server, _, name = place.split("/")
    moved = BackupEntry(server, repository.stream(server).folder, name)
    with pytest.raises(DamagedError, match="is of the backup full_20260102_120000 of the server 'chom'"):
        moved.manifest(None)


@pytest.mark.parametrize(("kind", "keyring", "key"), [("plain", None, None), ("encrypted", AES, KEY)])
def test_proofs_are_kept_in_the_order_in_which_they_were_begun_whatever_their_dates(
    request: pytest.FixtureRequest, kind: str, keyring: Keyring | None, key: DataKey | None
) -> None:
    entry: BackupEntry = request.getfixturevalue(kind)
    assert entry.proofs(keyring) == []
    later, sooner = a_proof(started=NOON + timedelta(days=1)), a_proof()
    for proof in (later, sooner, sooner):
        entry.add_proof(proof, key)
    found = [record.proof for record in entry.proofs(keyring) if record.proof]
    assert [each.started for each in found] == [later.started, NOON, NOON + timedelta(microseconds=1)]
    assert [each.number for each in found] == [0, 1, 2]
    assert entry.problem(keyring) is None


def test_an_edited_a_copied_and_a_forged_proof_are_listed_but_not_believed(
    repository: Repository, encrypted: BackupEntry
) -> None:
    good = Path(encrypted.add_proof(a_proof(), KEY))
    edited = good.with_name("1.json")
    edited.write_bytes(good.read_bytes().replace(b'"count": 10', b'"count": 99'))
    forged = Path(encrypted.add_proof(a_proof(started=NOON + timedelta(hours=1)), None))
    with repository.stream("chom").begin(Kind.FULL, NOON) as draft:
        other = draft.publish(a_manifest(backup=draft.id, key=AES.wrap(KEY)), KEY)
    copied = good.with_name("2.json")
    shutil.copy(other.add_proof(a_proof(backup=other.id), KEY), copied)
    records = {Path(record.where): record for record in encrypted.proofs(AES)}
    assert records[good].problem is None
    for path in (edited, forged, copied):
        assert records[path].proof is None
        assert isinstance(records[path].problem, DamagedError)


def test_a_proof_of_another_backup_is_not_kept(plain: BackupEntry) -> None:
    for proof in (a_proof(backup="full_20260102_120001"), a_proof(server="other")):
        with pytest.raises(RepositoryError, match="does not belong"):
            plain.add_proof(proof, None)


def test_a_proof_that_cannot_be_written_is_not_there(plain: BackupEntry) -> None:
    with files_limited_to(100), pytest.raises(RepositoryError, match="File too large"):
        plain.add_proof(a_proof(), None)
    assert plain.proofs(None) == []
    assert list((path_of(plain) / "proofs").iterdir()) == []


def test_a_proof_of_a_backup_that_was_removed_meanwhile_leaves_nothing(plain: BackupEntry) -> None:
    shutil.rmtree(path_of(plain))
    with pytest.raises(RepositoryError, match="No such file"):
        plain.add_proof(a_proof(), None)
    assert not path_of(plain).exists()


def test_a_manifest_that_cannot_be_opened_is_not_called_damaged(plain: BackupEntry) -> None:
    with no_more_files():
        problem = plain.problem(None)
    assert isinstance(problem, RepositoryError)
    assert not isinstance(problem, DamagedError)


def test_a_proof_is_readable_json(plain: BackupEntry) -> None:
    assert json.loads(Path(plain.add_proof(a_proof(), None)).read_text())["outcome"] == "passed"
