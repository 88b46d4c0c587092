from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.inventory.models import RepositoryConfig, Server
from chom_pipelines.inventory.preflight import check_repository, check_server
from chom_pipelines.repository.keys import NO_KEYS, Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.findings import Finding
from chom_pipelines_tests.servers import PrivateServer

GIGABYTE = 10**9


def repository(path: Path, keys: Path | None = None) -> RepositoryConfig:
    encryption = {"keys": {"file": str(keys)}} if keys else None
    return RepositoryConfig.model_validate({"path": str(path), "encryption": encryption})


def about(subject: str, config: RepositoryConfig, data_bytes: int | None = 0) -> Finding:
    (finding,) = [finding for finding in check_repository(config, data_bytes) if finding.subject == subject]
    return finding


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    Keyring().generate("first", KeyKind.AES_256).save(file)
    return file


def test_a_private_writable_repository_passes(tmp_path: Path, keys: Path) -> None:
    path = tmp_path / "repository"
    path.mkdir(mode=0o700)
    found = check_repository(repository(path, keys), GIGABYTE)
    assert {finding.words for finding in found} == {"passed"}
    assert "first is active" in about("keys", repository(path, keys)).message


def test_a_repository_that_is_not_there_yet_passes_where_it_can_be_made(tmp_path: Path) -> None:
    finding = about("repository", repository(tmp_path / "a" / "b"))
    assert finding.words == "passed"
    assert "first backup" in finding.message


def test_a_repository_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    finding = about("repository", repository(tmp_path))
    assert (finding.words, finding.remedy) == ("failed", f"chmod 700 {tmp_path}")


def test_a_repository_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert about("repository", repository(tmp_path / "file")).words == "failed"


def test_a_disk_is_measured_by_the_data(tmp_path: Path) -> None:
    assert about("disk", repository(tmp_path), 1).words == "passed"
    assert about("disk", repository(tmp_path), 10**18).words == "failed"
    assert about("disk", repository(tmp_path), None).words == "not verified"


def test_no_encryption_is_a_warning(tmp_path: Path) -> None:
    finding = about("keys", repository(tmp_path))
    assert finding.is_warning
    assert "chom keys generate" in finding.remedy


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    finding = about("keys", repository(tmp_path, tmp_path / "none.json"))
    assert (finding.words, finding.remedy) == ("failed", NO_KEYS)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, keys: Path) -> None:
    keys.chmod(0o644)
    finding = about("keys", repository(tmp_path / "r", keys))
    assert finding.words == "failed"
    assert f"chmod 600 {keys}" in finding.remedy


def test_a_key_file_beside_the_backups_is_refused(tmp_path: Path, keys: Path) -> None:
    found = [finding for finding in check_repository(repository(tmp_path, keys), 0) if finding.subject == "keys"]
    assert "failed" in {finding.words for finding in found}


def test_keys_may_come_from_a_variable(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RepositoryConfig.model_validate({"path": str(tmp_path), "encryption": {"keys": {"env": "CHOM_TEST_KEYS"}}})
    monkeypatch.delenv("CHOM_TEST_KEYS", raising=False)
    assert about("keys", config).words == "failed"
    monkeypatch.setenv("CHOM_TEST_KEYS", keys.read_text())
    assert about("keys", config).words == "passed"


def configured(server: PrivateServer, **changed: object) -> Server:
    address = {"host": server.backup.host, "port": server.backup.port, "user": server.backup.user}
    return Server.model_validate({"name": "chom", **address, **changed})


def test_a_server_of_the_inventory_is_asked(
    server: PrivateServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHOM_TEST_PASSWORD", server.backup.password)
    answers = check_server(configured(server, password={"env": "CHOM_TEST_PASSWORD"}))
    assert "failed" not in {finding.words for finding in answers.findings}
    assert server.backup.password not in str(answers)


def test_a_password_that_cannot_be_read_is_a_finding(mariadb: PrivateServer, tmp_path: Path) -> None:
    (finding,) = check_server(configured(mariadb, password={"file": str(tmp_path / "none")})).findings
    assert (finding.subject, finding.words) == ("password", "failed")


def test_a_password_file_that_others_may_read_is_refused(mariadb: PrivateServer, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(mariadb.backup.password)
    file.chmod(0o640)
    server = configured(mariadb, password={"file": str(file)})
    first, *_ = check_server(server).findings
    assert (first.outcome, first.remedy) == ("failed", f"chmod 600 {file}")
    file.chmod(0o600)
    assert "password" not in {finding.subject for finding in check_server(server).findings}
