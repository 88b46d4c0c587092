import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.encryption import DataKey, Encryptor, MacCheck, decrypt, decrypted, encrypt, iv_for
from chom_pipelines_tests.repository.samples import KEY


def encrypted(name: str, chunks: list[bytes]) -> tuple[bytes, str]:
    encryptor = Encryptor(KEY, name)
    data = b"".join(map(encryptor.update, chunks)) + encryptor.finalize()
    return data, encryptor.mac


def has_mac(key: DataKey, pieces: list[bytes], mac: str) -> bool:
    check = MacCheck(key)
    for piece in pieces:
        check.update(piece)
    return check.matches(mac)


@given(st.text(), st.lists(st.binary(max_size=100)), st.integers(1, 70))
def test_what_was_encrypted_comes_back_whatever_the_chunks(name: str, chunks: list[bytes], size: int) -> None:
    data, mac = encrypted(name, chunks)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert has_mac(KEY, pieces, mac)
    assert b"".join(decrypted(KEY, name, pieces)) == b"".join(chunks)


@given(st.binary(max_size=100), st.data())
def test_a_flipped_bit_changes_the_mac(raw: bytes, data: st.DataObject) -> None:
    whole, mac = encrypted("a", [raw])
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not has_mac(KEY, [bytes(flipped)], mac)


def test_a_mac_that_is_no_mac_does_not_match() -> None:
    assert not has_mac(KEY, [b"x"], "é")


@pytest.mark.parametrize("size", [0, 1, 15, 17])
def test_encrypted_data_that_is_cut_short_is_damaged(size: int) -> None:
    data, _ = encrypted("a", [b"x" * 100])
    with pytest.raises(DamagedError):
        list(decrypted(KEY, "a", [data[:size]]))


def test_objects_of_other_names_have_other_ivs() -> None:
    assert iv_for(KEY, "data/a") != iv_for(KEY, "data/b")
    assert encrypted("data/a", [b"x"])[0] != encrypted("data/b", [b"x"])[0]


def test_a_few_bytes_come_back_under_a_given_iv() -> None:
    assert decrypt(KEY.encryption, bytes(16), encrypt(KEY.encryption, bytes(16), b"secret")) == b"secret"


def test_a_data_key_never_shows_itself() -> None:
    key = DataKey.generate()
    assert repr(key) == str(key) == "DataKey(…)"


def test_data_keys_are_random_and_survive_as_bytes() -> None:
    key = DataKey.generate()
    assert key != DataKey.generate()
    assert DataKey.from_bytes(key.to_bytes()) == key


@pytest.mark.parametrize("size", [0, 32, 63, 65, 128])
def test_a_data_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        DataKey.from_bytes(bytes(size))


def test_what_a_dump_worker_imports_brings_none_of_the_heavy_libraries() -> None:
    script = (
        "import sys, chom_pipelines.repository.objects\n"
        "heavy = {'cryptography', 'pydantic', 'dagster', 'rich', 'typer'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
