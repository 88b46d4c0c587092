import base64
import dataclasses
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import ConfigurationError, KeyUnavailableError, SecretUnavailableError
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind, WrappedKey
from chom_pipelines_tests.repository.samples import AES, KEY, RSA

BOTH = pytest.mark.parametrize("ring", [AES, RSA], ids=["aes", "rsa"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@BOTH
def test_a_data_key_is_unwrapped_by_the_key_file_that_wrapped_it(ring: Keyring, file: Path) -> None:
    ring.save(file)
    assert Keyring.load(file).unwrap(ring.wrap(KEY)) == KEY


@BOTH
def test_wrapping_twice_gives_different_bytes(ring: Keyring) -> None:
    assert ring.wrap(KEY).wrapped != ring.wrap(KEY).wrapped


def test_an_older_key_still_unwraps_after_a_newer_one_is_active() -> None:
    newer = AES.generate("newer", KeyKind.RSA)
    assert newer.active == "newer"
    assert newer.unwrap(AES.wrap(KEY)) == KEY
    assert newer.wrap(KEY).key_name == "newer"


def test_a_public_half_wraps_but_does_not_unwrap(file: Path) -> None:
    RSA.without_private().save(file)
    assert "PRIVATE" not in file.read_text()
    public = Keyring.load(file)
    wrapped = public.wrap(KEY)
    assert RSA.unwrap(wrapped) == KEY
    with pytest.raises(KeyUnavailableError, match="private key"):
        public.unwrap(wrapped)


def test_no_symmetric_key_stays_on_a_host_that_must_not_read() -> None:
    assert AES.generate("r", KeyKind.RSA).without_private().names == ("r",)
    with pytest.raises(ConfigurationError, match="public half"):
        AES.without_private()


@pytest.mark.parametrize("kind", KeyKind)
def test_another_key_of_the_same_name_is_told_from_the_one_that_wrapped(kind: KeyKind) -> None:
    wrapped = Keyring().generate("k", kind).wrap(KEY)
    with pytest.raises(KeyUnavailableError, match="'k' of the key file is not the one that wrapped"):
        Keyring().generate("k", kind).unwrap(wrapped)


def test_a_key_of_the_same_name_but_another_kind_is_told() -> None:
    with pytest.raises(KeyUnavailableError, match="not the one"):
        Keyring().generate("aes", KeyKind.RSA).unwrap(AES.wrap(KEY))


def test_a_key_that_is_not_in_the_file_is_named() -> None:
    with pytest.raises(KeyUnavailableError, match="no key 'rsa'; it has: aes"):
        AES.unwrap(RSA.wrap(KEY))


@BOTH
@given(data=st.data())
def test_a_changed_wrapped_key_is_never_unwrapped(ring: Keyring, data: st.DataObject) -> None:
    wrapped = ring.wrap(KEY)
    raw = bytearray(base64.b64decode(wrapped.wrapped))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(KeyUnavailableError):
        ring.unwrap(dataclasses.replace(wrapped, wrapped=base64.b64encode(raw).decode()))


@pytest.mark.parametrize(
    "changes", [{"iv": "00" * 16}, {"iv": None}, {"mac": None}, {"mac": "é"}, {"wrapped": "\ud800"}]
)
def test_a_wrapped_key_without_its_own_iv_and_mac_is_never_unwrapped(changes: dict[str, Any]) -> None:
    with pytest.raises(KeyUnavailableError):
        AES.unwrap(dataclasses.replace(AES.wrap(KEY), **changes))


@pytest.mark.parametrize("wrapped", ["", "x", "é", base64.b64encode(bytes(10)).decode()])
def test_what_no_rsa_key_wrapped_is_never_unwrapped(wrapped: str) -> None:
    with pytest.raises(KeyUnavailableError):
        RSA.unwrap(WrappedKey("rsa", KeyKind.RSA, wrapped))


def test_a_key_file_is_private(file: Path) -> None:
    AES.save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_file_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    AES.save(file)
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"{file}.*mode {mode:04o}[^→]*→ chmod 600"):
        Keyring.load(file)


def test_a_key_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SecretUnavailableError, match=f"{file} cannot be read: No such file"):
        Keyring.load(file)


def test_a_key_file_that_is_not_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    file.chmod(0o600)
    with pytest.raises(SecretUnavailableError, match="UTF-8"):
        Keyring.load(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "{}",
        '{"format": 2, "active": "a", "keys": []}',
        '{"format": 1, "active": "a", "keys": []}',
        '{"format": 1, "active": "a", "keys": [{"name": "a", "kind": "aes-256", "encryption": "5ec7e7", "mac": 7}]}',
        '{"format": 1, "active": "a", "keys": [{"name": "a", "kind": "aes-256", "encryption": "5ec7e7", "mac": ""}]}',
        '{"format": 1, "active": "a", "keys": [{"name": "a", "kind": "rsa", "pem": "PRIVATE KEY 5ec7e7"}]}',
        '{"format": 1, "active": "a", "keys": [{"name": "a", "kind": "rsa", "pem": "5ec7e7"}]}',
        '{"format": 1, "active": "a", "keys": [{"name": "a", "kind": "des", "key": "5ec7e7"}]}',
        '{"format": 1, "active": "a", "keys": ["5ec7e7"]}',
        '{"format": 1, "active": "a b", "keys": [{"name": "a b", "kind": "rsa", "pem": "5ec7e7"}]}',
    ],
)
def test_what_is_no_key_file_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="the key file here") as caught:
        Keyring.parse(text, "the key file here")
    assert "5ec7e7" not in str(caught.value)


def test_two_keys_of_one_name_are_refused(file: Path) -> None:
    AES.save(file)
    body = json.loads(file.read_text())
    body["keys"] *= 2
    with pytest.raises(ConfigurationError, match="unique"):
        Keyring.parse(json.dumps(body), "k")


def test_a_key_of_another_algorithm_is_refused() -> None:
    pem = (
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n"
    )
    text = json.dumps({"format": 1, "active": "a", "keys": [{"name": "a", "kind": "rsa", "pem": pem}]})
    with pytest.raises(ConfigurationError, match="not an RSA key"):
        Keyring.parse(text, "k")


@pytest.mark.parametrize("name", ["aes", "", "a b", "../a", "é", "-a", "a" * 65])
def test_a_name_that_would_not_do_in_a_shell_or_is_taken_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot name a key|is there already"):
        AES.generate(name, KeyKind.AES_256)


def test_no_key_no_wrapping() -> None:
    with pytest.raises(KeyUnavailableError, match="it has: none"):
        Keyring().wrap(KEY)


@BOTH
def test_a_key_ring_never_shows_its_keys(ring: Keyring) -> None:
    assert repr(ring) == f"Keyring(active='{ring.active}')"
    assert ring.kind(ring.active).value in {"aes-256", "rsa"}


@given(st.binary(min_size=64, max_size=64))
def test_every_data_key_comes_back(data: bytes) -> None:
    key = DataKey.from_bytes(data)
    assert AES.unwrap(AES.wrap(key)) == key


def test_keys_that_are_added_at_once_are_all_there(tmp_path: Path) -> None:
    file = tmp_path / "new" / "keys.json"
    names = [f"key-{number}" for number in range(8)]
    script = (
        "import sys; from pathlib import Path; from chom_pipelines.repository.keys import KeyKind, Keyring\n"
        "sys.stdin.read(); Keyring.add_to(Path(sys.argv[1]), sys.argv[2], KeyKind.AES_256)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(file), name], stdin=subprocess.PIPE) for name in names
    ]
    for process in running:  # all have started, and wait
        assert process.stdin
        process.stdin.close()
    assert [process.wait() for process in running] == [0] * len(names)
    assert sorted(Keyring.load(file).names) == names
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
