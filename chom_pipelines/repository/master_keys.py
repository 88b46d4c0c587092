"""Master keys, which wrap the data keys of backups so that stock openssl unwraps them.

An aes-256 key wraps and unwraps. An rsa key may be the public half alone: that one wraps, and a host that has no other
cannot read the backups that it takes.
"""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from chom_pipelines.errors import KeyUnavailableError
from chom_pipelines.repository.encryption import DataKey, decrypt, encrypt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import OAEP
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RSA_BITS = 3072


class KeyKind(StrEnum):
    """What a master key is."""

    AES_256 = "aes-256"
    RSA = "rsa"


@dataclass(frozen=True)
class WrappedKey:
    """A backup's data key (64 bytes: encryption, mac) as its manifest holds it, wrapped by the master key of that name.

    aes-256: AES-256-CBC under `iv` (hex), with `mac`, the HMAC-SHA256 of the text `wrap:key_name:iv:wrapped` (hex).
    rsa: RSA-OAEP with SHA-256 in both places, neither iv nor mac. `wrapped` is base64.
    """

    key_name: str
    kind: KeyKind
    wrapped: str
    iv: str | None = None
    mac: str | None = None


@dataclass(frozen=True, repr=False)
class AesKey:
    """One that wraps and unwraps, for whoever has it."""

    name: str
    halves: DataKey

    def to_json(self) -> dict[str, str]:
        """Its entry in a key file."""
        halves = {"encryption": self.halves.encryption.hex(), "mac": self.halves.mac.hex()}
        return {"name": self.name, "kind": KeyKind.AES_256.value, **halves}

    def wrap(self, data_key: DataKey) -> WrappedKey:
        """The data key, encrypted and authenticated."""
        iv = secrets.token_bytes(16)
        wrapped = base64.b64encode(encrypt(self.halves.encryption, iv, data_key.to_bytes())).decode()
        unsigned = WrappedKey(self.name, KeyKind.AES_256, wrapped, iv.hex())
        return replace(unsigned, mac=self._mac(unsigned))

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        """The data key; raises ValueError where this is not the key that wrapped it."""
        if not wrapped.iv or not hmac.compare_digest(self._mac(wrapped).encode(), (wrapped.mac or "").encode()):
            raise ValueError("its MAC does not match")
        data = base64.b64decode(wrapped.wrapped, validate=True)
        return DataKey.from_bytes(decrypt(self.halves.encryption, bytes.fromhex(wrapped.iv), data))

    def _mac(self, wrapped: WrappedKey) -> str:
        text = f"wrap:{wrapped.key_name}:{wrapped.iv}:{wrapped.wrapped}"
        return hmac.digest(self.halves.mac, text.encode(), "sha256").hex()


@dataclass(frozen=True, repr=False)
class RsaKey:
    """A pair, or its public half alone, which wraps only."""

    name: str
    public: "RSAPublicKey"
    private: "RSAPrivateKey | None"
    unwrapped: dict[str, DataKey] = field(default_factory=dict, compare=False)
    """By the wrapped text: thousands of segments share a key, and to unwrap it takes milliseconds."""

    @classmethod
    def from_pem(cls, name: str, pem: str) -> "RsaKey":
        """The pair, or the public half; raises ValueError."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

        if "PRIVATE KEY" in pem:
            private = load_pem_private_key(pem.encode(), password=None)
            if isinstance(private, RSAPrivateKey):
                return cls(name, private.public_key(), private)
        public = load_pem_public_key(pem.encode())
        if isinstance(public, RSAPublicKey):
            return cls(name, public, None)
        raise ValueError("not an RSA key")

    def to_json(self) -> dict[str, str]:
        """Its entry in a key file."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        if self.private:
            pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        else:
            pem = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"name": self.name, "kind": KeyKind.RSA.value, "pem": pem.decode()}

    def wrap(self, data_key: DataKey) -> WrappedKey:
        """The data key, encrypted for who has the private half."""
        wrapped = self.public.encrypt(data_key.to_bytes(), _oaep())
        return WrappedKey(self.name, KeyKind.RSA, base64.b64encode(wrapped).decode())

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        """The data key; raises ValueError as AesKey does, KeyUnavailableError without the private half."""
        if self.private is None:
            what = f"the key file has only the public half of the RSA key {self.name}"
            raise KeyUnavailableError(what, "give a key file with its private key, which is kept elsewhere on purpose")
        if wrapped.wrapped not in self.unwrapped:
            data = self.private.decrypt(base64.b64decode(wrapped.wrapped, validate=True), _oaep())
            self.unwrapped[wrapped.wrapped] = DataKey.from_bytes(data)
        return self.unwrapped[wrapped.wrapped]


MasterKey = AesKey | RsaKey


def is_key_name(name: str) -> bool:
    """Whether a key may be called so."""
    return bool(_NAME.fullmatch(name))


def parsed_key(entry: dict[str, str]) -> MasterKey:
    """The key of a key file's entry; raises ValueError or KeyError where it is none."""
    if not is_key_name(entry["name"]):
        raise ValueError("the name of a key")
    if KeyKind(entry["kind"]) is KeyKind.RSA:
        return RsaKey.from_pem(entry["name"], entry["pem"])
    return AesKey(entry["name"], DataKey(bytes.fromhex(entry["encryption"]), bytes.fromhex(entry["mac"])))


def generated_key(name: str, kind: KeyKind) -> MasterKey:
    """A new random key."""
    if kind is KeyKind.AES_256:
        return AesKey(name, DataKey.generate())
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    private = generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return RsaKey(name, private.public_key(), private)


def _oaep() -> "OAEP":
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    return OAEP(MGF1(SHA256()), SHA256(), None)
