"""Master keys, and the data keys of backups wrapped by them so that stock openssl unwraps them.

A key file is JSON with named keys, 0600. An aes-256 key wraps and unwraps. An rsa key may be the public half alone:
that one wraps, and a host that has no other cannot read the backups that it takes.
"""

import base64
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from chom_pipelines.errors import ConfigurationError, KeyUnavailableError, SecretUnavailableError
from chom_pipelines.repository.encryption import DataKey, decrypt, encrypt
from chom_pipelines.repository.file_locks import file_lock
from chom_pipelines.repository.files import make_directory, reported, write_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import OAEP
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RSA_BITS = 3072
_PATIENCE = 60.0


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
class _AesKey:
    name: str
    halves: DataKey

    def to_json(self) -> dict[str, str]:
        halves = {"encryption": self.halves.encryption.hex(), "mac": self.halves.mac.hex()}
        return {"name": self.name, "kind": KeyKind.AES_256.value, **halves}

    def wrap(self, data_key: DataKey) -> WrappedKey:
        iv = secrets.token_bytes(16)
        wrapped = base64.b64encode(encrypt(self.halves.encryption, iv, data_key.to_bytes())).decode()
        unsigned = WrappedKey(self.name, KeyKind.AES_256, wrapped, iv.hex())
        return replace(unsigned, mac=self._mac(unsigned))

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        if not wrapped.iv or not hmac.compare_digest(self._mac(wrapped).encode(), (wrapped.mac or "").encode()):
            raise ValueError("its MAC does not match")
        data = base64.b64decode(wrapped.wrapped, validate=True)
        return DataKey.from_bytes(decrypt(self.halves.encryption, bytes.fromhex(wrapped.iv), data))

    def _mac(self, wrapped: WrappedKey) -> str:
        text = f"wrap:{wrapped.key_name}:{wrapped.iv}:{wrapped.wrapped}"
        return hmac.digest(self.halves.mac, text.encode(), "sha256").hex()


@dataclass(frozen=True, repr=False)
class _RsaKey:
    name: str
    public: "RSAPublicKey"
    private: "RSAPrivateKey | None"
    unwrapped: dict[str, DataKey] = field(default_factory=dict, compare=False)
    """By the wrapped text: thousands of segments share a key, and to unwrap it takes milliseconds."""

    @classmethod
    def from_pem(cls, name: str, pem: str) -> "_RsaKey":
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
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        if self.private:
            pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        else:
            pem = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"name": self.name, "kind": KeyKind.RSA.value, "pem": pem.decode()}

    def wrap(self, data_key: DataKey) -> WrappedKey:
        wrapped = self.public.encrypt(data_key.to_bytes(), _oaep())
        return WrappedKey(self.name, KeyKind.RSA, base64.b64encode(wrapped).decode())

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        if self.private is None:
            what = f"the key file has only the public half of the RSA key {self.name}"
            raise KeyUnavailableError(what, "give a key file with its private key, which is kept elsewhere on purpose")
        if wrapped.wrapped not in self.unwrapped:
            data = self.private.decrypt(base64.b64decode(wrapped.wrapped, validate=True), _oaep())
            self.unwrapped[wrapped.wrapped] = DataKey.from_bytes(data)
        return self.unwrapped[wrapped.wrapped]


_MasterKey = _AesKey | _RsaKey


@dataclass(frozen=True)
class Keyring:
    """The master keys of a key file; `active` names the one that wraps. What adds a key gives a new ring.

    Who has keys believes only what one of them authenticates, unless `accepts_plain` says that a backup may be plain.
    """

    active: str = ""
    keys: tuple[_MasterKey, ...] = field(default=(), repr=False)
    accepts_plain: bool = field(default=False, repr=False)

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """Read a key file.

        Raises SecretUnavailableError where it cannot be read, ConfigurationError where others than its owner may read
        it or it is no key file.
        """
        try:
            with path.open(encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SecretUnavailableError(f"the key file {path} cannot be read: {reason}", "correct its path") from error
        if mode & 0o077:
            what = f"the key file {path} may be read or written by others than its owner (mode {mode & 0o777:04o})"
            raise ConfigurationError(
                what, f"chmod 600 {path}; if others may have read it, take new backups with a new key"
            )
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str) -> "Keyring":
        """Read the text of a key file, which errors call `where`; raises ConfigurationError."""
        try:
            body = json.loads(text)
            if body["format"] != FORMAT:
                raise ConfigurationError(f"{where} is of format {body['format']!r}", f"this version reads {FORMAT}")
            ring = cls(body["active"], tuple(_master_key(entry) for entry in body["keys"]))
        except (ValueError, KeyError, TypeError) as error:
            what = f"{where} is no key file: {type(error).__name__} ({error})"
            raise ConfigurationError(
                what, "put its copy back; where it never held a key, remove it and generate one"
            ) from None  # its text is secret
        if len(set(ring.names)) < len(ring.names) or ring.active not in ring.names:
            what = f"{where}: the names of its keys are not unique, or its active key {ring.active!r} is not there"
            raise ConfigurationError(what, "correct the key file")
        return ring

    @classmethod
    def add_to(cls, path: Path, name: str, kind: KeyKind) -> "Keyring":
        """Add a random key to a key file, which need not be there yet, and make it the active one.

        Two processes that do so at once both get their key. Raises what `load`, `generate` and `save` raise;
        RepositoryBusyError where another holds the file for long.
        """
        with reported(path.parent):
            make_directory(path.parent)
        lock = path.with_name(f".{path.name}.lock")
        with file_lock(lock, path.parent, str(path), "chom keys generate", shared=False, patience=_PATIENCE):
            ring = (cls.load(path) if path.exists() else cls()).generate(name, kind)
            ring.save(path)
        return ring

    def save(self, path: Path) -> None:
        """Write the key file, 0600, whole or not at all; raises RepositoryError.

        It replaces what is there: what must not be lost is to be in the ring, which `add_to` sees to.
        """
        body = {"format": FORMAT, "active": self.active, "keys": [key.to_json() for key in self.keys]}
        write_file(path, (json.dumps(body, indent=1) + "\n").encode())

    def accepting_plain(self) -> "Keyring":
        """The same keys, for backups that need not be encrypted: nobody can tell whether those were forged."""
        return replace(self, accepts_plain=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The keys' names, oldest first."""
        return tuple(key.name for key in self.keys)

    def kind(self, name: str) -> KeyKind:
        """What the key of that name is; raises KeyUnavailableError."""
        return KeyKind.AES_256 if isinstance(self._named(name), _AesKey) else KeyKind.RSA

    def generate(self, name: str, kind: KeyKind) -> "Keyring":
        """A ring that has one more key, random, which is the active one; raises ConfigurationError for a bad name."""
        if name in self.names or not _NAME.fullmatch(name):
            what = f"{name!r} cannot name a new key"
            raise ConfigurationError(what, "use letters, digits, '.', '_', '-', and no name that there is already")
        return Keyring(name, (*self.keys, _generated(name, kind)))

    def without_private(self) -> "Keyring":
        """A ring for a host that must not read its own backups: of the RSA keys the public halves, no other keys.

        Raises ConfigurationError where the active key is no RSA key.
        """
        public = tuple(replace(key, private=None) for key in self.keys if isinstance(key, _RsaKey))
        if self.active not in {key.name for key in public}:
            raise ConfigurationError(f"the active key {self.active!r} has no public half", "generate an rsa key first")
        return Keyring(self.active, public)

    def wrap(self, data_key: DataKey) -> WrappedKey:
        """Wrap with the active key; raises KeyUnavailableError where there is none."""
        return self._named(self.active).wrap(data_key)

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        """The data key; raises KeyUnavailableError where its master key is missing, public only, or another one."""
        key = self._named(wrapped.key_name)
        try:
            if self.kind(wrapped.key_name) is wrapped.kind:
                return key.unwrap(wrapped)
        except ValueError as error:
            raise _not_the_key(wrapped) from error
        raise _not_the_key(wrapped)

    def _named(self, name: str) -> _MasterKey:
        for key in self.keys:
            if key.name == name:
                return key
        has = ", ".join(self.names) or "none"
        raise KeyUnavailableError(f"the key file has no key {name!r}; it has: {has}", "give the key file that has it")


def _not_the_key(wrapped: WrappedKey) -> KeyUnavailableError:
    what = f"the key {wrapped.key_name!r} of the key file is not the one that wrapped this data key"
    return KeyUnavailableError(what, "give the key file of then; if it is that one, the manifest was changed")


def _master_key(entry: dict[str, str]) -> _MasterKey:
    if not _NAME.fullmatch(entry["name"]):
        raise ValueError("the name of a key")
    if KeyKind(entry["kind"]) is KeyKind.RSA:
        return _RsaKey.from_pem(entry["name"], entry["pem"])
    return _AesKey(entry["name"], DataKey(bytes.fromhex(entry["encryption"]), bytes.fromhex(entry["mac"])))


def _generated(name: str, kind: KeyKind) -> _MasterKey:
    if kind is KeyKind.AES_256:
        return _AesKey(name, DataKey.generate())
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    private = generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return _RsaKey(name, private.public_key(), private)


def _oaep() -> "OAEP":
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    return OAEP(MGF1(SHA256()), SHA256(), None)
