"""Whatever a server does to its binary log, its archive is replayed by both routes to what the server had."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from chom_pipelines.binlogs.format.events import ENCRYPTED_MAGIC
from chom_pipelines.binlogs.recovery.targets import BeforePlace, Route
from chom_pipelines.cache import cache_directory
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_no_false_alarm import PowerCutError, started
from chom_pipelines_tests.binlogs.test_replay import recovered, sums
from chom_pipelines_tests.logical.taking import NAME, Backups

KEYRING = Keyring().generate("first", KeyKind.AES_256)


@pytest.mark.parametrize(
    ("flavour", "options"),
    [
        (Flavour.MARIADB, ("--log-bin-compress=ON", "--log-bin-compress-min-len=10")),
        pytest.param(Flavour.MARIADB, ("--binlog-checksum=NONE",), marks=pytest.mark.long),
        (Flavour.MARIADB, ("--binlog-format=STATEMENT",)),
        pytest.param(
            *(Flavour.MARIADB, ("--binlog-row-image=MINIMAL", "--binlog-annotate-row-events=OFF")),
            marks=pytest.mark.long,
        ),
        (Flavour.MYSQL, ("--binlog-transaction-compression=ON",)),
        pytest.param(Flavour.MYSQL, ("--binlog-checksum=NONE",), marks=pytest.mark.long),
        (Flavour.MYSQL, ("--binlog-row-image=MINIMAL", "--binlog-rows-query-log-events=ON")),
        (Flavour.MYSQL, ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")),
    ],
    ids=lambda given: given.value if isinstance(given, Flavour) else given[0].strip("-"),
)
def test_an_archive_is_replayed_to_what_the_server_had(
    flavour: Flavour, options: Sequence[str], tmp_path: Path
) -> None:
    with archived_server(flavour, options) as server:
        written_and_recovered(Archive(server, Backups(tmp_path, KEYRING)), tmp_path)


def test_a_log_that_mariadb_encrypts_is_archived_as_it_was_before(tmp_path: Path) -> None:
    with archived_server(Flavour.MARIADB, mariadb_encrypting(tmp_path)) as server:
        archived = Archive(server, Backups(tmp_path, KEYRING))
        written_and_recovered(archived, tmp_path)
        assert b"shop" not in archived.on_disk(archived.files()[0])


def mariadb_encrypting(directory: Path) -> tuple[str, ...]:
    """Options for a server that encrypts its binary log, with a key in this directory."""
    keys = directory / "server-keys"
    keys.write_text("1;" + "5a" * 32 + "\n")
    return (
        *(f"--plugin-dir={mariadb_plugins()}", "--plugin-load-add=file_key_management"),
        *(f"--file-key-management-filename={keys}", "--encrypt-binlog=ON"),
    )


def mariadb_plugins() -> Path:
    """Where file_key_management is, which comes with the package of the service alone."""
    for place in (
        cache_directory() / "mariadb-plugins",
        Path("/usr/lib/mysql/plugin"),
        Path("/usr/lib64/mysql/plugin"),
    ):
        if (place / "file_key_management.so").exists():
            return place
    raise AssertionError("there is no file_key_management.so: `make mariadb-plugins` unpacks it")


def test_a_log_that_mysql_encrypts_is_archived_as_it_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOM_MYSQLD", str(mysql_with_keyring(tmp_path / "mysql")))
    with archived_server(Flavour.MYSQL, ("--binlog-encryption=ON",)) as server:
        monkeypatch.delenv("CHOM_MYSQLD")
        archived = Archive(server, Backups(tmp_path, KEYRING))
        written_and_recovered(archived, tmp_path)
        assert archived.on_disk(archived.files()[0]).startswith(ENCRYPTED_MAGIC)


@pytest.mark.parametrize("flavour", list(Flavour))
def test_an_encrypted_file_that_no_server_closed_is_archived_whole(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flavour is Flavour.MYSQL:
        monkeypatch.setenv("CHOM_MYSQLD", str(mysql_with_keyring(tmp_path / "mysql")))
        options: tuple[str, ...] = ("--binlog-encryption=ON",)
    else:
        options = mariadb_encrypting(tmp_path)
    data = tmp_path / "data"
    with suppress(PowerCutError), started(flavour, data, options) as server:
        Archive(server, Backups(tmp_path, KEYRING)).work()
        raise PowerCutError
    with started(flavour, data, options) as server:
        archived = Archive(server, Backups(tmp_path, KEYRING))
        archived.work()
        assert archived.archive().chain.gaps == ()
        again = archived.archive()
        assert again.began_anew == ""
        verified = verify_archive(archived.backups.repository, NAME, KEYRING, unreported)
        assert verified
        assert {each.proof.outcome for each in verified.segments} == {Outcome.PASSED}
        assert archived.history.segments[0].following is None


def mysql_with_keyring(directory: Path) -> Path:
    """A launcher of MySQL with the keyring component: the server finds it by a file beside itself."""
    (directory / "plugins").mkdir(parents=True)
    top = server_program(Flavour.MYSQL).path.resolve().parent.parent
    launcher = server_program(Flavour.MYSQL).path.resolve().read_text()
    (directory / "mysqld").symlink_to(top / "root/usr/sbin/mysqld")
    (directory / "mysqld.my").write_text('{"components": "file://component_keyring_file"}')
    shutil.copy(top / "root/usr/lib/mysql/plugin/component_keyring_file.so", directory / "plugins")
    configuration = {"path": str(directory / "keyring"), "read_only": False}
    (directory / "plugins" / "component_keyring_file.cnf").write_text(json.dumps(configuration))
    changed = re.sub(r"^top=.*", f"top={top}", launcher, flags=re.MULTILINE)
    changed = changed.replace('"$top/root/usr/sbin/mysqld"', f'"{directory}/mysqld"')
    changed = re.sub(r'--plugin-dir="[^"]*"', f'--plugin-dir="{directory}/plugins"', changed)
    path = directory / "launcher"
    path.write_text(changed)
    path.chmod(0o700)
    return path


def written_and_recovered(archived: Archive, directory: Path) -> None:
    """Write, archive, verify and recover to the end and to a place before it."""
    many = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
    archived.work()
    archived.backups.take(archived.server, "shop")
    noted = []
    for number in range(3):
        archived.work(
            f"INSERT INTO shop.t (s) {many} SELECT REPEAT('{number}', 200) FROM n",
            f"UPDATE shop.t SET s = CONCAT(s, '{number}') WHERE id % 3 = {number % 3}",
            "DELETE FROM shop.t WHERE id % 7 = 1",
        )
        with archived.server.connect() as session:
            (file, position, *_) = session.rows(archived.server.facts.binlog_status_statement)[0]
            noted.append((BeforePlace(file, int(position)), sums(session)))
        archived.archive()
    verified = verify_archive(archived.backups.repository, NAME, KEYRING, unreported)
    assert verified
    assert verified.outcome is Outcome.PASSED, verified
    for route in Route:
        for target, wanted in noted[-2:]:
            place = directory / f"{route.value}-{target.file}"
            place.mkdir()
            _, found = recovered(archived, target, route, place)
            assert found == wanted, (route, target)
