"""Key files: JSON with named master keys, 0600, of which one is active."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from chom_pipelines.errors import ConfigurationError, KeyUnavailableError, SecretUnavailableError
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.file_locks import file_lock
from chom_pipelines.repository.files import make_directory, reported, write_file
from chom_pipelines.repository.master_keys import (
    AesKey,
    KeyKind,
    MasterKey,
    RsaKey,
    WrappedKey,
    generated_key,
    is_key_name,
    parsed_key,
)

FORMAT = 1
_PATIENCE = 60.0

NO_KEYS = "correct its path; where no key was made yet, `chom keys generate`"
"""What to do where the file of keys cannot be read."""


@dataclass(frozen=True)
class Keyring:
    """The master keys of a key file; `active` names the one that wraps. What adds a key gives a new ring.

    Who has keys believes only what one of them authenticates, unless `accepts_plain` says that a backup may be plain.
    """

    active: str = ""
    keys: tuple[MasterKey, ...] = field(default=(), repr=False)
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
            raise SecretUnavailableError(f"the key file {path} cannot be read: {reason}", NO_KEYS) from error
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
            ring = cls(body["active"], tuple(parsed_key(entry) for entry in body["keys"]))
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
        return KeyKind.AES_256 if isinstance(self._named(name), AesKey) else KeyKind.RSA

    def generate(self, name: str, kind: KeyKind) -> "Keyring":
        """A ring that has one more key, random, which is the active one; raises ConfigurationError for a bad name."""
        if name in self.names:
            raise ConfigurationError(f"a key named {name!r} is there already", "give this one another name, by --name")
        if not is_key_name(name):
            raise ConfigurationError(f"{name!r} cannot name a key", "use letters, digits, '.', '_', '-'")
        return Keyring(name, (*self.keys, generated_key(name, kind)))

    def without_private(self) -> "Keyring":
        """A ring for a host that must not read its own backups: of the RSA keys the public halves, no other keys.

        Raises ConfigurationError where the active key is no RSA key.
        """
        public = tuple(replace(key, private=None) for key in self.keys if isinstance(key, RsaKey))
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

    def _named(self, name: str) -> MasterKey:
        for key in self.keys:
            if key.name == name:
                return key
        has = ", ".join(self.names) or "none"
        raise KeyUnavailableError(f"the key file has no key {name!r}; it has: {has}", "give the key file that has it")


def _not_the_key(wrapped: WrappedKey) -> KeyUnavailableError:
    what = f"the key {wrapped.key_name!r} of the key file is not the one that wrapped this data key"
    return KeyUnavailableError(what, "give the key file of then; if it is that one, the manifest was changed")
