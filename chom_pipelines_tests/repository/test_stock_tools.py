"""A person with openssl and the codecs' own tools reads everything without this project."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey, iv_for
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import seal
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.store import Folder
from chom_pipelines_tests.repository.samples import AES, KEY, RSA, a_manifest

TOOLS = {
    Codec.ZSTD: "zstd -dc",
    Codec.GZIP: "gzip -dc",
    Codec.BZIP2: "bzip2 -dc",
    Codec.XZ: "xz -dc",
    Codec.NONE: "cat",
}
RAW = b"".join(b"%d\thello\t\\N\n" % number for number in range(30_000))

EVERY_CODEC = pytest.mark.parametrize("codec", Codec)


def shell(script: str, directory: Path) -> bytes:
    return subprocess.run(["/bin/sh", "-euc", script], cwd=directory, check=True, capture_output=True).stdout


def store(root: Path, codec: Codec, key: DataKey | None) -> StoredObject:
    with ObjectWriter(Folder(LocalStore(root.parent), root.name), "data/größe table", codec, 3, key) as writer:
        for start in range(0, len(RAW), 100_000):
            writer.write(RAW[start : start + 100_000])
    return writer.close()


@EVERY_CODEC
def test_the_codecs_own_tool_reads_an_object(tmp_path: Path, codec: Codec) -> None:
    stored = store(tmp_path, codec, None)
    path = shlex.quote(stored.path)
    assert shell(f"{TOOLS[codec]} {path}", tmp_path) == RAW
    assert shell(f"sha256sum < {path}", tmp_path).split()[0].decode() == stored.sha256


@EVERY_CODEC
def test_openssl_checks_and_decrypts_an_object(tmp_path: Path, codec: Codec) -> None:
    stored = store(tmp_path, codec, KEY)
    script = f"""
    path={shlex.quote(stored.path)} key={KEY.encryption.hex()} mac={KEY.mac.hex()}
    test "$(openssl dgst -sha256 -mac HMAC -macopt hexkey:$mac < "$path" | sed 's/.*= //')" = {stored.mac}
    name={tmp_path.name}/$path
    iv=$(printf 'iv:%s' "$name" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$mac | sed 's/.*= //' | cut -c1-32)
    test $iv = {iv_for(KEY, f"{tmp_path.name}/{stored.path}").hex()}
    openssl enc -d -aes-256-cbc -K $key -iv $iv -in "$path" | {TOOLS[codec]}
    """
    assert shell(script, tmp_path) == RAW


def test_openssl_unwraps_a_data_key_with_an_aes_key(tmp_path: Path) -> None:
    AES.save(tmp_path / "keys.json")
    master = json.loads((tmp_path / "keys.json").read_text())["keys"][0]
    wrapped = AES.wrap(KEY)
    script = f"""
    printf 'wrap:%s:%s:%s' {wrapped.key_name} {wrapped.iv} {wrapped.wrapped} > text
    test "$(openssl dgst -sha256 -mac HMAC -macopt hexkey:{master["mac"]} < text | sed 's/.*= //')" = {wrapped.mac}
    printf %s {wrapped.wrapped} | openssl base64 -d -A |
    openssl enc -d -aes-256-cbc -K {master["encryption"]} -iv {wrapped.iv}
    """
    assert shell(script, tmp_path) == KEY.to_bytes()


@pytest.mark.parametrize("ring", [RSA, RSA.without_private()], ids=["private", "public"])
def test_openssl_unwraps_a_data_key_with_an_rsa_key(tmp_path: Path, ring: Keyring) -> None:
    RSA.save(tmp_path / "keys.json")
    master = json.loads((tmp_path / "keys.json").read_text())["keys"][0]
    (tmp_path / "key.pem").write_text(master["pem"])
    script = f"""
    printf %s {ring.wrap(KEY).wrapped} | openssl base64 -d -A |
    openssl pkeyutl -decrypt -inkey key.pem \
        -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
    """
    assert shell(script, tmp_path) == KEY.to_bytes()


def test_sha256sum_and_openssl_check_a_manifests_seal(tmp_path: Path) -> None:
    (tmp_path / "plain.json").write_bytes(seal(a_manifest(), None))
    (tmp_path / "keyed.json").write_bytes(seal(a_manifest(), KEY.mac))
    text = """sed '/^ "seal": /,$d'"""
    script = f"""
    {text} plain.json | sha256sum | cut -d' ' -f1
    {{ printf manifest:; {text} keyed.json; }} |
    openssl dgst -sha256 -mac HMAC -macopt hexkey:{KEY.mac.hex()} | sed 's/.*= //'
    """
    plain, keyed = shell(script, tmp_path).decode().split()
    assert json.loads((tmp_path / "plain.json").read_text())["seal"] == f"sha256:{plain}"
    assert json.loads((tmp_path / "keyed.json").read_text())["seal"] == f"hmac-sha256:{keyed}"
