"""RESTORE.md's commands for a physical backup, run in a plain shell with stock tools and nothing of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.connection import Row
from chom_pipelines_tests.logical.taking import ALONE, Backups, filled
from chom_pipelines_tests.logical.test_restore_guide import followed
from chom_pipelines_tests.physical.files_data import running, take_files
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

AES = Keyring("", ()).generate("escrow", KeyKind.AES_256)
RSA = Keyring("", ()).generate("escrow", KeyKind.RSA)
KINDS = {"zstd-aes": (Codec.ZSTD, AES), "gzip-rsa": (Codec.GZIP, RSA), "none-plain": (Codec.NONE, None)}


def large(server: PrivateServer) -> str:
    """A database that takes more than one part."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.large (id INT PRIMARY KEY, data LONGBLOB)")
        filled(session, f"{database}.large", 60, "n, REPEAT(SHA2(n, 512), 8192)")
    return database


@dataclass(frozen=True)
class Taken:
    """A backup, what opens it, and the rows that are in it."""

    entry: BackupEntry
    keyring: Keyring | None
    asked: str
    rows: list[Row]


@pytest.fixture(scope="module")
def taken(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Taken]]:
    """One backup of each of KINDS, taken when it is first asked for, and the same for all tests."""
    with mariadb_server.scope() as server:
        asked = f"SELECT COUNT(*), SUM(CRC32(data)) FROM {large(server)}.large"

        @cache
        def take(kind: str) -> Taken:
            codec, keyring = KINDS[kind]
            policy = ALONE.model_copy(update={"compression": codec, "level": 1})
            entry = take_files(Backups(tmp_path_factory.mktemp(kind), keyring, policy), server)
            with server.connect() as source:
                return Taken(entry, keyring, asked, source.rows(asked))

        yield take


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_restores_with_stock_tools(taken: Callable[[str], Taken], tmp_path: Path, kind: str) -> None:
    backup = taken(kind)
    assert len(list((path_of(backup.entry) / "data").iterdir())) > 1
    done = followed(backup.entry, "", tmp_path, backup.keyring)
    assert done.returncode == 0, done.stderr
    assert done.stderr.rstrip().endswith("completed OK!")
    with running(tmp_path / "decoded" / "data") as copy:
        assert copy.rows(backup.asked) == backup.rows


@pytest.mark.parametrize(("kind", "lost"), [("zstd-aes", False), ("zstd-aes", True), ("none-plain", False)])
def test_the_guide_stops_at_damage(taken: Callable[[str], Taken], tmp_path: Path, kind: str, *, lost: bool) -> None:
    backup = taken(kind)
    part = max((path_of(backup.entry) / "data").iterdir())
    whole = part.read_bytes()
    part.unlink()
    if not lost:
        part.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done: subprocess.CompletedProcess[str] = followed(backup.entry, "", tmp_path, backup.keyring)
    part.unlink(missing_ok=True)
    part.write_bytes(whole)
    assert done.returncode != 0
    assert "the backup is damaged: do not use" in done.stderr
    assert "completed OK!" not in done.stderr
