"""RESTORE.md's commands for a physical backup, run in a plain shell with stock tools and nothing of ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.logical.test_restore_guide import followed
from chom_pipelines_tests.physical.files_data import running, take_files
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

AES = Keyring("", ()).generate("escrow", KeyKind.AES_256)
RSA = Keyring("", ()).generate("escrow", KeyKind.RSA)


def large(server: PrivateServer) -> str:
    """A database that takes more than one part."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.large (id INT PRIMARY KEY, data LONGBLOB)")
        filled(session, f"{database}.large", 60, "n, REPEAT(SHA2(n, 512), 8192)")
    return database


@pytest.mark.parametrize(
    ("codec", "keyring"),
    [(Codec.ZSTD, AES), (Codec.GZIP, RSA), (Codec.NONE, None)],
    ids=["zstd-aes", "gzip-rsa", "none-plain"],
)
def test_the_guide_restores_with_stock_tools(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, codec: Codec, keyring: Keyring | None
) -> None:
    database = large(mariadb)
    policy = backups.policy.model_copy(update={"compression": codec, "level": 1})
    entry = take_files(Backups(backups.directory, keyring, policy), mariadb)
    assert len(list((path_of(entry) / "data").iterdir())) > 1
    done = followed(entry, "", tmp_path, keyring)
    assert done.returncode == 0, done.stderr
    assert done.stderr.rstrip().endswith("completed OK!")
    asked = f"SELECT COUNT(*), SUM(CRC32(data)) FROM {database}.large"
    with running(tmp_path / "decoded" / "data") as copy, mariadb.connect() as source:
        assert copy.rows(asked) == source.rows(asked)


@pytest.mark.parametrize("keyring", [AES, None], ids=["encrypted", "plain"])
@pytest.mark.parametrize("lost", [False, True], ids=["flipped", "lost"])
def test_the_guide_stops_at_damage(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, keyring: Keyring | None, *, lost: bool
) -> None:
    large(mariadb)
    entry = take_files(Backups(backups.directory, keyring, backups.policy), mariadb)
    part = max((path_of(entry) / "data").iterdir())
    whole = part.read_bytes()
    part.unlink()
    if not lost:
        part.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done: subprocess.CompletedProcess[str] = followed(entry, "", tmp_path, keyring)
    assert done.returncode != 0
    assert "the backup is damaged: do not use" in done.stderr
    assert "completed OK!" not in done.stderr
