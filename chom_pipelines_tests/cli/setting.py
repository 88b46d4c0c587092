"""A database with some rows, and a chom.yaml for it: what the commands that work on backups are tested on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chom_pipelines.cli.main import main
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

PASSWORD = "CHOM_TEST_PASSWORD"  # the name of a variable
ROWS = 300


@dataclass(frozen=True)
class Setting:
    """`chom(...)` runs a command on it and returns its exit code."""

    folder: Path
    server: PrivateServer
    databases: tuple[str, ...]

    @property
    def database(self) -> str:
        return self.databases[0]

    @property
    def config(self) -> Path:
        return self.folder / "chom.yaml"

    @property
    def repository(self) -> Repository:
        return Repository(LocalStore(self.folder / "repository"))

    @property
    def keyring(self) -> Keyring:
        return Keyring.load(self.folder / "keys.json")

    @property
    def latest(self) -> BackupEntry:
        return self.repository.find("chom", "latest")

    def write(self, *, offsite: bool | dict[str, Any] = False, **changed: object) -> None:
        """Write chom.yaml; `changed` are keys of both of its servers."""
        entry = {
            "name": "chom",
            "host": self.server.backup.host,
            "port": self.server.backup.port,
            "user": self.server.backup.user,
            "password": {"env": PASSWORD},
            "databases": list(self.databases),
            "backup": {"threads": 1},  # a process for each takes longer to start than these tables
            **changed,
        }
        repository: dict[str, Any] = {"path": "repository", "encryption": {"keys": {"file": "keys.json"}}}
        if offsite:
            repository["offsite"] = {"url": "s3://nowhere/chom"} if offsite is True else offsite
        self.config.write_text(yaml.safe_dump({"repository": repository, "servers": [entry]}))

    def chom(self, command: str, *arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main([*command.split(), "--config", str(self.config), *arguments])
        return int(caught.value.code or 0)

    def archive(self, *statements: str) -> None:
        """Execute these on the server, and archive its log."""
        with self.server.connect() as session:
            for statement in statements:
                session.execute(statement)
        assert self.chom("backup", "--type", "incremental") == 0

    def document(self, capsys: pytest.CaptureFixture[str], command: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON document of a command; whatever was printed before is dropped."""
        capsys.readouterr()
        code = self.chom(command, "--json", *arguments)
        body: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, body

    def flip_a_byte(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def data_object(self) -> Path:
        """A stored object with rows."""
        return next(path for path in sorted(path_of(self.latest).glob("data/*")) if path.stat().st_size > 0)


def setting(folder: Path, server: PrivateServer, databases: int = 1) -> Setting:
    """Databases with two tables each, keys and chom.yaml."""
    names = tuple(server.fresh_database("CHARACTER SET utf8mb4") for _ in range(databases))
    with server.connect() as session:
        for name in names:
            session.execute(f"CREATE TABLE {name}.orders (id INT PRIMARY KEY, note TEXT, price DECIMAL(8, 2))")
            session.execute(f"CREATE TABLE {name}.users (id INT PRIMARY KEY, name VARCHAR(50), KEY (name))")
            rows = ", ".join(f"({number}, 'tab\\tand \\\\ line\\n{number}', {number}.25)" for number in range(ROWS))
            session.execute(f"INSERT INTO {name}.orders VALUES {rows}")
            session.execute(f"INSERT INTO {name}.users VALUES (1, 'Zoë 👍'), (2, NULL)")
    made = Setting(folder, server, names)
    Keyring().generate("first", KeyKind.AES_256).save(folder / "keys.json")
    made.write()
    return made
