"""RESTORE.md's commands, run in a plain shell with stock tools and nothing of ours on the path."""

import re
import subprocess
from pathlib import Path

import pytest

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import KeyKind, Keyring
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines.server.programs import client_program
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical.samples import contents, library
from chom_pipelines_tests.logical.taking import Backups, filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

AES = Keyring("", ()).generate("escrow", KeyKind.AES_256)
RSA = Keyring("", ()).generate("escrow", KeyKind.RSA)


def masters(keyring: Keyring | None, directory: Path) -> dict[str, str]:
    """What the person who restores brings: the key in the form that RESTORE.md asks for."""
    if keyring is None:
        return {}
    (key,) = keyring.keys
    body = key.to_json()
    if keyring.kind("escrow") is KeyKind.AES_256:
        return {"MASTER": body["encryption"]}
    pem = directory / "escrow.pem"
    pem.write_text(body["pem"])
    return {"MASTER": str(pem)}


def followed(
    entry: BackupEntry, client: str, directory: Path, keyring: Keyring | None
) -> subprocess.CompletedProcess[str]:
    """Run the guide's commands."""
    (commands,) = re.findall(r"```sh\n(.*?)```", (path_of(entry) / "RESTORE.md").read_text(), re.DOTALL)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "OUT": str(directory / "decoded"), "CLIENT": client}
    return subprocess.run(
        ["/bin/sh"],
        input=commands,
        env={**environment, **masters(keyring, directory)},
        cwd=path_of(entry),
        text=True,
        capture_output=True,
        check=False,
    )


def backup_of(server: PrivateServer, kept: Backups) -> tuple[str, BackupEntry]:
    """A database with small and large tables, backed up."""
    database = library(server)
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE TABLE large (id INT PRIMARY KEY, t VARCHAR(200) NOT NULL, b BINARY(4) NULL)")
        filled(session, "large", 20_000, "n, CONCAT(REPEAT(SHA2(n, 256), 2), CHAR(9), '\\\\'), UNHEX('00090A5C')")
        session.execute("ANALYZE TABLE large")
    return database, kept.take(server, database)


@pytest.mark.parametrize(
    ("codec", "keyring"),
    [
        (Codec.ZSTD, AES),
        (Codec.GZIP, RSA),
        (Codec.BZIP2, None),
        (Codec.XZ, AES),
        (Codec.NONE, None),
    ],
    ids=["zstd-aes", "gzip-rsa", "bzip2-plain", "xz-aes", "none-plain"],
)
def test_the_guide_restores_with_stock_tools(
    server: PrivateServer, backups: Backups, tmp_path: Path, codec: Codec, keyring: Keyring | None
) -> None:
    policy = backups.policy.model_copy(update={"compression": codec, "level": 1})
    database, entry = backup_of(server, Backups(backups.directory, keyring, policy))
    with scratch_server(server.flavour) as empty:
        client = f"{client_program(server.flavour).path} --no-defaults --socket={empty.endpoint.socket} --user=root"
        done = followed(entry, client, tmp_path, keyring)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Warning" not in done.stdout
        with Session(empty.endpoint) as copy, server.connect() as source:
            assert contents(copy, database) == contents(source, database)
            rows = f"SELECT id, HEX(t), HEX(b) FROM {quote(database)}.large ORDER BY id"
            assert copy.rows(rows) == source.rows(rows)


@pytest.mark.parametrize("keyring", [AES, None], ids=["encrypted", "plain"])
def test_the_guide_stops_at_damage(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, keyring: Keyring | None
) -> None:
    _, entry = backup_of(mariadb, Backups(backups.directory, keyring, backups.policy))
    damaged = next(path for path in (path_of(entry) / "data").iterdir() if "large" in path.name)
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = followed(entry, "false", tmp_path, keyring)
    assert done.returncode != 0
    assert f"damaged: data/{damaged.name}" in done.stderr


def test_the_guide_stops_at_a_missing_object(mariadb: PrivateServer, backups: Backups, tmp_path: Path) -> None:
    _, entry = backup_of(mariadb, backups)
    next(path for path in (path_of(entry) / "data").iterdir() if "large" in path.name).unlink()
    assert followed(entry, "false", tmp_path, None).returncode != 0


def test_the_guide_holds_no_secret(mariadb: PrivateServer, backups: Backups) -> None:
    _, entry = backup_of(mariadb, Backups(backups.directory, AES, backups.policy))
    guide = (path_of(entry) / "RESTORE.md").read_text()
    key = entry.data_key(AES)
    assert key is not None
    assert not {key.encryption.hex(), key.mac.hex(), mariadb.backup.password} & set(re.findall(r"\S+", guide))
