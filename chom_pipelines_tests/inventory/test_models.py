from pathlib import Path

import pytest

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.models import Inventory, Server

SERVER: dict[str, object] = {"name": "db-0.eu", "host": "db", "user": "backup", "password": {"env": "SECRET"}}
KEYS: dict[str, object] = {"keys": {"file": "/keys.json"}}
OFFSITE: dict[str, object] = {"url": "s3://bucket/prefix"}


def inventory(*servers: dict[str, object], **repository: object) -> Inventory:
    return Inventory.model_validate({"repository": {"path": "/backups", **repository}, "servers": servers})


@pytest.mark.parametrize("configured", [True, False])
def test_backups_are_encrypted_where_there_is_a_key(configured: bool) -> None:  # noqa: FBT001
    policy = inventory(SERVER, encryption=KEYS if configured else None).server().backup
    assert policy.encrypt is configured


@pytest.mark.parametrize("configured", [True, False])
def test_backups_are_uploaded_where_there_is_an_offsite_store(configured: bool) -> None:  # noqa: FBT001
    assert inventory(SERVER, offsite=OFFSITE if configured else None).server().backup.upload is configured


def test_a_server_may_say_no_to_encryption_and_upload() -> None:
    quiet = SERVER | {"backup": {"encrypt": False, "upload": False}}
    policy = inventory(quiet, encryption=KEYS, offsite=OFFSITE).server().backup
    assert (policy.encrypt, policy.upload) == (False, False)


def test_a_policy_made_in_code_gets_the_same_defaults() -> None:
    server = Server.model_validate(SERVER)
    whole = Inventory.model_validate({"repository": {"path": "/b", "encryption": KEYS}, "servers": [server]})
    assert whole.server().backup.encrypt


def test_the_only_server_needs_no_name() -> None:
    assert inventory(SERVER).server().name == "db-0.eu"


def test_of_two_servers_one_must_be_named() -> None:
    two = inventory(SERVER, SERVER | {"name": "other"})
    assert two.server("other").name == "other"
    with pytest.raises(ConfigurationError, match=r"--server with one of: db-0\.eu, other"):
        two.server()


def test_an_unknown_server_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no server is called 'x'(.|\n)*db-0\.eu"):
        inventory(SERVER).server("x")


def test_dagster_accepts_a_servers_group() -> None:
    assert inventory(SERVER).server().group == "db_0_eu"


def test_the_password_is_read_only_when_an_endpoint_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET", raising=False)
    server = inventory(SERVER | {"tls": {"ca": "/ca.pem", "verify": "ca"}}).server()
    monkeypatch.setenv("SECRET", "s3cret")
    endpoint = server.endpoint()
    assert (endpoint.password, endpoint.host, endpoint.port) == ("s3cret", "db", 3306)
    assert endpoint.tls is not None
    assert (endpoint.tls.ca, endpoint.tls.verify) == ("/ca.pem", "ca")
    assert "s3cret" not in f"{endpoint!r}{server!r}{endpoint.where}"


def test_a_repository_lies_on_the_mount_that_it_needs() -> None:
    assert inventory(SERVER, mount="/backups").repository.mount == Path("/backups")
    with pytest.raises(ValueError, match="path is not below it: /backups"):
        inventory(SERVER, mount="/mnt")
