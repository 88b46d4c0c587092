"""The demonstration's folder: what it writes there, and whose folders it leaves alone."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.demo.shop import DATABASE
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.file_locks import file_lock
from chom_pipelines.repository.files import make_directory, reported, write_file
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import read_facts
from chom_pipelines.server.identifiers import account, literal
from chom_pipelines.server.privileges import grants_for_backup

SERVER = "shop"
USER = "chom_backup"

_LOCK = ".lock"
_MARK = "# Written by `chom demo`, each time that it runs here.\n"
_CONFIG = """\
repository:
  path: repository
  encryption: {{keys: {{file: keys.json}}}}
servers:
  - name: {server}
    host: 127.0.0.1
    port: {port}
    user: {user}
    password: {{file: password}}
    databases: [{database}]
"""
_DAGSTER = "telemetry:\n  enabled: false\n"


@dataclass(frozen=True)
class Place:
    """Where things are. `kept`: the folder was named by the person, and stays."""

    directory: Path
    kept: bool

    @property
    def config(self) -> Path:
        """chom.yaml."""
        return self.directory / "chom.yaml"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.directory / "dagster"

    def configure(self, root: Endpoint, port: int) -> None:
        """Create the account that backups are taken with, and write what is needed to take them; all of it 0600."""
        password = secrets.token_urlsafe(24)
        with Session(root) as session:
            facts = read_facts(session)
            session.execute(f"CREATE USER {account(USER, '127.0.0.1')} IDENTIFIED BY {literal(password)}")
            for grant in grants_for_backup(facts, USER, "127.0.0.1", [DATABASE]):
                session.execute(grant)
        config = _CONFIG.format(server=SERVER, port=port, user=USER, database=DATABASE)
        write_file(self.config, f"{_MARK}{config}".encode())  # first: by its mark a later run knows the folder
        write_file(self.directory / "password", f"{password}\n".encode())
        with reported(self.dagster):
            make_directory(self.dagster)
        write_file(self.dagster / "dagster.yaml", _DAGSTER.encode())
        keys = self.directory / "keys.json"
        if not keys.exists():  # those of an earlier run open its backups
            Keyring().generate("demo", KeyKind.AES_256).save(keys)


@contextmanager
def demo_place(directory: Path | None) -> Iterator[Place]:
    """A folder for one demonstration at a time: a new one that is removed at the end, or the one that is named.

    Raises ConfigurationError where the named one holds something else; RepositoryBusyError where another runs there.
    """
    if directory is None:
        with claimed_directory(Path(tempfile.gettempdir())) as claim:
            yield Place(claim.path, kept=False)
        return
    directory = directory.absolute()
    place = Place(directory, kept=True)
    with reported(directory):
        make_directory(directory)
        if {path.name for path in directory.iterdir()} - {_LOCK} and not _is_ours(place):
            what = f"{directory} holds something else than a demonstration"
            raise ConfigurationError(what, "name a folder that is empty or not there yet")
    with file_lock(directory / _LOCK, directory, str(directory), "chom demo", shared=False, patience=0):
        yield place


def _is_ours(place: Place) -> bool:
    return place.config.is_file() and place.config.read_text(errors="replace").startswith(_MARK)
