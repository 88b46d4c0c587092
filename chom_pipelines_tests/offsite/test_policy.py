"""The policy of deploy/s3 is enough to push and to verify, and not to delete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3.session import Session

import chom_pipelines
from chom_pipelines.errors import RepositoryError
from chom_pipelines.offsite.fitness import protection
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.proof import Level
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.stores import open_store
from chom_pipelines_tests.offsite.made import SERVER, back_up, copied, is_whole
from chom_pipelines_tests.repository.samples import AES
from chom_pipelines_tests.stores import REGION, ObjectStorage

POLICY = Path(chom_pipelines.__file__).parents[1] / "deploy" / "s3" / "push-policy.json"


@pytest.fixture
def restricted(s3: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A repository in a bucket, for an account that has this policy; others have no rights while it lasts."""
    monkeypatch.setattr("chom_pipelines.repository.machine_locks.cache_directory", lambda: tmp_path / "cache")
    address = s3.fresh_address()
    bucket = address.url.split("/")[2]
    iam = Session().client("iam", endpoint_url=s3.endpoint_url, region_name=REGION)
    user = f"push-{bucket}"
    iam.create_user(UserName=user)
    document = json.loads(POLICY.read_text().replace("acme-backups", bucket))
    iam.put_user_policy(UserName=user, PolicyName="push", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    credentials = tmp_path / "s3.ini"
    credentials.write_text(
        f"[push]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    credentials.chmod(0o600)
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr("moto.core.responses.ActionAuthenticatorMixin.request_count", 1)
    limited = {"credentials": str(credentials), "profile": "push"}
    yield Repository(open_store(type(address)(**{**address.to_json(), **limited})))
    monkeypatch.undo()


def test_it_is_enough_to_push_and_to_verify_and_not_to_delete(source: Repository, restricted: Repository) -> None:
    entry = back_up(source)
    found = copied(source, restricted)
    assert (found.is_complete, found.error) == (True, None)
    there = restricted.find(SERVER, entry.id)
    assert is_whole(there)
    assert "AccessDenied" not in protection(restricted.store, 30).message
    with pytest.raises(RepositoryError, match="AccessDenied"):
        restricted.stream(SERVER).remove(there)
    with pytest.raises(RepositoryError, match="AccessDenied"):
        there.folder.delete("manifest.json")
    assert is_whole(there)


def test_a_proof_can_be_kept_there(source: Repository, restricted: Repository) -> None:
    back_up(source)
    copied(source, restricted)
    there = restricted.find(SERVER, "latest")
    proof = verify(there, Level.BASIC, AES, unreported)
    assert "the manifest names no object data/b.00000" in proof.reason  # of a backup that needed no server
    assert [record.problem for record in there.proofs(AES)] == [None]
