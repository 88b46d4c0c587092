from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chom_pipelines.demo.place import demo_place
from chom_pipelines.errors import ConfigurationError, RepositoryBusyError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines_tests.servers import PrivateServer

USER = "chom_backup@127.0.0.1"


def test_what_is_written_is_private_and_a_second_run_keeps_the_keys(tmp_path: Path, mariadb: PrivateServer) -> None:
    folder = tmp_path / "demo"
    keys = []
    for port in (1, 2):
        with demo_place(folder) as place:
            place.configure(mariadb.root, port)
        with mariadb.connect() as root:
            root.execute(f"DROP USER {USER}")
        assert load_inventory(folder / "chom.yaml").server().port == port
        keys.append((folder / "keys.json").read_text())
    assert keys[0] == keys[1]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")} == {0o600, 0o700}


def test_the_password_is_not_in_the_configuration(tmp_path: Path, mariadb: PrivateServer) -> None:
    with demo_place(tmp_path / "demo") as place:
        place.configure(mariadb.root, 3306)
        with mariadb.connect() as root:
            root.execute(f"DROP USER {USER}")
        endpoint = load_inventory(place.config).server().endpoint()
        assert len(endpoint.password) > 20
        assert endpoint.password not in place.config.read_text()


@pytest.mark.parametrize("name", ["chom.yaml", "anything"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigurationError), demo_place(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_two_demonstrations_do_not_share_a_folder(tmp_path: Path) -> None:
    with demo_place(tmp_path / "demo"), pytest.raises(RepositoryBusyError), demo_place(tmp_path / "demo"):
        pass


def test_without_a_name_the_folder_is_gone_afterwards() -> None:
    with demo_place(None) as place:
        assert place.directory.is_dir()
    assert not place.directory.exists()
