"""RESTORE.md's commands, run in a plain shell with stock tools and nothing of ours on the path."""

import hashlib
import hmac
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from chom_pipelines.offsite.copying import Copying
from chom_pipelines.offsite.transfer import copy_server
from chom_pipelines.progress import unreported
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.rotation import rotate
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
    entry: BackupEntry,
    client: str,
    directory: Path,
    keyring: Keyring | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run the guide's commands."""
    (commands,) = re.findall(r"```sh\n(.*?)```", (path_of(entry) / "RESTORE.md").read_text(), re.DOTALL)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "OUT": str(directory / "decoded"), "CLIENT": client}
    return subprocess.run(
        ["/bin/sh", "-c", commands],
        env={**environment, **masters(keyring, directory), **more},
        cwd=path_of(entry),
        text=True,
        capture_output=True,
        check=False,
    )


def assert_private(directory: Path) -> None:
    """Nobody else can read what was decoded, and there is something."""
    found = [directory, *directory.rglob("*")]
    assert any(path.suffix == ".tsv" for path in found)
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {0o600}


def backup_of(server: PrivateServer, kept: Backups) -> tuple[str, BackupEntry]:
    """A database with small and large tables, backed up."""
    database = library(server)
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE TABLE large (id INT PRIMARY KEY, t VARCHAR(200) NOT NULL, b BINARY(4) NULL)")
        filled(session, "large", 20_000, "n, CONCAT(REPEAT(SHA2(n, 256), 2), CHAR(9), '\\\\'), UNHEX('00090A5C')")
        session.execute("ANALYZE TABLE large")
    return database, kept.take(server, database)


@pytest.mark.parametrize("kind", KeyKind)
def test_after_a_rotation_the_guide_of_the_second_copy_asks_for_the_new_key_and_restores_by_it(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, kind: KeyKind
) -> None:
    """The escrow drill: the machine and its repository are gone, and the key is another than it was taken with."""
    database, entry = backup_of(mariadb, Backups(backups.directory, AES))
    second = Repository(LocalStore(tmp_path / "second"))
    second.create()
    copied = copy_server(backups.repository, second, entry.server, Copying(AES), unreported)
    assert copied.is_complete
    former = AES.keys[0].to_json()["encryption"]
    ring = Keyring().generate("escrow", kind)
    both = Keyring("escrow-2", (AES.keys[0], replace(ring.keys[0], name="escrow-2")))
    assert rotate(second, both).failures == {}
    shutil.rmtree(path_of(backups.repository))
    there = second.find(entry.server, entry.id)
    with scratch_server(mariadb.flavour) as empty:
        client = f"{client_program(mariadb.flavour).path} --no-defaults --socket={empty.endpoint.socket} --user=root"
        if kind is KeyKind.AES_256:
            refused = followed(there, client, tmp_path, None, {"MASTER": former})
            assert refused.returncode == 1
            assert re.search("MASTER is not the (master )?key escrow-2", refused.stderr)
        done = followed(there, client, tmp_path, ring)
        assert (done.returncode, done.stderr) == (0, "")
        with Session(empty.endpoint) as copy, mariadb.connect() as source:
            assert contents(copy, database) == contents(source, database)


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
    assert_private(tmp_path / "decoded")


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


def resealed_plain(manifest: bytes) -> bytes:
    """What a forger without the key can do: a seal that fits, of the kind that needs none."""
    text = manifest[: manifest.rindex(b' "seal": "')]
    return text + b' "seal": "sha256:' + hashlib.sha256(text).hexdigest().encode() + b'"\n}\n'


def sealed_with_the_empty_key(manifest: bytes) -> bytes:
    """The seal of whoever hopes that a key which does not unwrap counts as an empty one."""
    text = manifest[: manifest.rindex(b' "seal": "')]
    return text + f' "seal": "hmac-sha256:{hmac.digest(b"", b"manifest:" + text, "sha256").hex()}"\n}}\n'.encode()


def with_a_line_below_the_seal(manifest: bytes) -> bytes:
    """An object that the seal does not cover, in a place where a careless reader finds it."""
    line = next(line for line in manifest.splitlines(keepends=True) if b'{"path": "schema/load' in line)
    return manifest + line


def edited(manifest: bytes) -> bytes:
    """Another count of rows."""
    changed = re.sub(rb'"rows": 20000', b'"rows": 19999', manifest)
    assert changed != manifest
    return changed


@pytest.mark.parametrize("keyring", [AES, RSA], ids=["aes", "rsa"])
@pytest.mark.parametrize("forge", [edited, resealed_plain, sealed_with_the_empty_key])
def test_a_forged_manifest_is_refused_before_anything_of_it_is_used(
    mariadb: PrivateServer,
    backups: Backups,
    tmp_path: Path,
    keyring: Keyring,
    forge: Callable[[bytes], bytes],
) -> None:
    _, entry = backup_of(mariadb, Backups(backups.directory, keyring, backups.policy))
    manifest = path_of(entry) / "manifest.json"
    manifest.write_bytes(forge(manifest.read_bytes()))
    done = followed(entry, "false", tmp_path, keyring)
    assert done.returncode != 0
    assert "manifest.json is not what was written: its seal does not match" in done.stderr
    assert {path.name for path in (tmp_path / "decoded").iterdir()} == {"manifest", "sealed.json"}


def test_damage_to_the_manifest_of_a_plain_backup_is_found(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    _, entry = backup_of(mariadb, backups)
    manifest = path_of(entry) / "manifest.json"
    manifest.write_bytes(edited(manifest.read_bytes()))
    done = followed(entry, "false", tmp_path, None)
    assert done.returncode != 0
    assert "manifest.json is not what was written: its seal does not match" in done.stderr


def test_what_stands_below_the_seal_is_not_read(mysql: PrivateServer, backups: Backups, tmp_path: Path) -> None:
    _, entry = backup_of(mysql, Backups(backups.directory, AES, backups.policy))
    manifest = path_of(entry) / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(with_a_line_below_the_seal(whole))
    followed(entry, "false", tmp_path, AES)
    assert (tmp_path / "decoded" / "manifest").read_bytes() == whole[: whole.rindex(b' "seal": "')]


@pytest.mark.parametrize("keyring", [AES, RSA], ids=["aes", "rsa"])
def test_another_key_opens_nothing(mariadb: PrivateServer, backups: Backups, tmp_path: Path, keyring: Keyring) -> None:
    _, entry = backup_of(mariadb, Backups(backups.directory, keyring, backups.policy))
    other = Keyring("", ()).generate("escrow", keyring.kind("escrow"))
    done = followed(entry, "false", tmp_path, other)
    assert done.returncode != 0
    assert "MASTER is" in done.stderr
    assert not list(tmp_path.rglob("*.tsv"))


def test_without_a_place_of_ones_own_the_rows_go_to_a_new_private_one(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path
) -> None:
    _, entry = backup_of(mariadb, backups)
    done = followed(entry, "true", tmp_path, None, {"OUT": "", "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    (place,) = tmp_path.glob("restore.*")
    assert f"The decoded rows go to {place}:" in done.stdout
    assert_private(place)


@pytest.mark.parametrize("keyring", [AES, RSA], ids=["aes", "rsa"])
def test_the_key_that_authenticates_is_no_programs_argument(
    mariadb: PrivateServer, backups: Backups, tmp_path: Path, keyring: Keyring
) -> None:
    _, entry = backup_of(mariadb, Backups(backups.directory, keyring, backups.policy))
    spies, seen = tmp_path / "spies", tmp_path / "seen"
    spies.mkdir()
    for tool in ("openssl", "sed", "cut", "od", "tr", "cat", "cp", "tar", "mkdir", "dirname", "rm", "zstd"):
        real = shutil.which(tool, path="/usr/bin:/bin")
        (spies / tool).write_text(f'#!/bin/sh\necho "$0 $*" >> {seen}\nexec {real} "$@"\n')
        (spies / tool).chmod(0o700)
    done = followed(entry, "true", tmp_path, keyring, {"PATH": f"{spies}:/usr/bin:/bin"})
    assert (done.returncode, done.stderr) == (0, "")
    key = entry.data_key(keyring)
    assert key is not None
    called = seen.read_text()
    assert key.mac.hex() not in called
    assert key.encryption.hex() in called  # and the guide says so
    assert "openssl enc` takes a key only as an argument" in (path_of(entry) / "RESTORE.md").read_text()
