"""AES-256-CBC as `openssl enc -d -aes-256-cbc -K … -iv …` reads it, and an HMAC-SHA256 over the encrypted bytes.

A data key is random and of two halves: one encrypts, the other authenticates. An object's IV follows from its name,
which starts with its backup's id, so that a shell finds it: the first 32 digits of
`printf 'iv:%s' ID/PATH | openssl dgst -sha256 -mac HMAC -macopt hexkey:…`. cryptography is imported by the first use,
not by this module.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chom_pipelines.errors import DamagedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

_HALF = 32


@dataclass(frozen=True, repr=False)
class DataKey:
    """The random key of one backup or stream; each half is 32 bytes."""

    encryption: bytes
    mac: bytes

    def __post_init__(self) -> None:
        if len(self.encryption) != _HALF or len(self.mac) != _HALF:
            raise ValueError("a data key has two halves of 32 bytes")

    def __repr__(self) -> str:
        return "DataKey(…)"

    @classmethod
    def generate(cls) -> "DataKey":
        """A new random key."""
        return cls(secrets.token_bytes(_HALF), secrets.token_bytes(_HALF))

    @classmethod
    def from_bytes(cls, data: bytes) -> "DataKey":
        """The key that `to_bytes` gave; raises ValueError where it is not 64 bytes."""
        return cls(data[:_HALF], data[_HALF:])

    def to_bytes(self) -> bytes:
        """64 bytes: the encrypting half, then the authenticating one."""
        return self.encryption + self.mac


def iv_for(key: DataKey, name: str) -> bytes:
    """The 16 byte IV of an object, by its name: no two objects of one key may have the same."""
    return hmac.digest(key.mac, b"iv:" + name.encode(), "sha256")[:16]


class Encryptor:
    """Encrypts one object, and authenticates what it encrypted."""

    def __init__(self, key: DataKey, name: str) -> None:
        self._cipher = _cbc(key.encryption, iv_for(key, name)).encryptor()
        self._padder = _pkcs7().padder()
        self._mac = hmac.new(key.mac, digestmod=hashlib.sha256)

    def update(self, data: bytes) -> bytes:
        """Encrypted bytes, as many whole blocks as there are."""
        return self._authenticated(self._cipher.update(self._padder.update(data)))

    def finalize(self) -> bytes:
        """The rest, padded."""
        return self._authenticated(self._cipher.update(self._padder.finalize()) + self._cipher.finalize())

    @property
    def mac(self) -> str:
        """HMAC-SHA256 of the encrypted bytes so far, in hex."""
        return self._mac.hexdigest()

    def _authenticated(self, data: bytes) -> bytes:
        self._mac.update(data)
        return data


def decrypted(key: DataKey, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decrypt one object; its MAC is to be checked before.

    Raises DamagedError where it is cut short or was not encrypted with this key.
    """
    cipher, padder = _cbc(key.encryption, iv_for(key, name)).decryptor(), _pkcs7().unpadder()
    for chunk in chunks:
        yield padder.update(cipher.update(chunk))
    try:
        yield padder.update(cipher.finalize()) + padder.finalize()
    except ValueError as error:
        raise DamagedError("the encrypted data is cut short, or of another key") from error


def encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt a few bytes with a key and an IV of its own; nothing authenticates them."""
    cipher, padder = _cbc(key, iv).encryptor(), _pkcs7().padder()
    return cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()


def decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """What `encrypt` was given; raises ValueError where this is not what it gave."""
    cipher, padder = _cbc(key, iv).decryptor(), _pkcs7().unpadder()
    return padder.update(cipher.update(data) + cipher.finalize()) + padder.finalize()


class MacCheck:
    """Whether encrypted bytes, given piece by piece, have the MAC that they should have."""

    def __init__(self, key: DataKey) -> None:
        self._mac = hmac.new(key.mac, digestmod=hashlib.sha256)

    def update(self, data: bytes) -> None:
        """Take in more of the encrypted bytes."""
        self._mac.update(data)

    def matches(self, expected: str) -> bool:
        """Compare with the MAC in hex, in constant time."""
        return hmac.compare_digest(self._mac.hexdigest().encode(), expected.encode())


def _cbc(key: bytes, iv: bytes) -> "Cipher[CBC]":
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    return Cipher(AES256(key), CBC(iv))


def _pkcs7() -> "PKCS7":
    from cryptography.hazmat.primitives.padding import PKCS7

    return PKCS7(128)
