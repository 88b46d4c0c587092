"""Where the data key of a backup comes from: wrapped in its own manifest, or a key that a whole stream shares.

A stream's keys are documents of their own, `keys/<name>.json` beside its backups: thousands of segments of a binary log
need one wrapped key, and changing the master key rewrites one document.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chom_pipelines.errors import DamagedError, KeyUnavailableError, ObjectMissingError, UnknownFormatError
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import KEYS
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.store import Folder, is_name

FORMAT = 1


@dataclass(frozen=True)
class StreamKey:
    """A data key that is kept beside the backups that share it, in `keys/<stream_key>.json`."""

    stream_key: str


KeySource = WrappedKey | StreamKey

_SOURCE: TypeAdapter[KeySource | None] = TypeAdapter(WrappedKey | StreamKey | None)
_WRAPPED = TypeAdapter(WrappedKey)


def parsed_key(body: object, where: str) -> KeySource | None:
    """What a manifest says of its key, from its JSON; raises DamagedError."""
    try:
        key = _SOURCE.validate_python(body)
    except ValidationError as error:
        raise DamagedError(f"{where}: the key in the manifest cannot be read") from error
    if isinstance(key, StreamKey) and not is_name(_name(key.stream_key)):
        raise DamagedError(f"{where}: {key.stream_key!r} in the manifest is no name of a key")
    return key


def opened_key(key: KeySource, stream: Folder, keyring: Keyring | None, where: str) -> DataKey:
    """The data key of a backup of this stream.

    Raises KeyUnavailableError where the keyring is missing or has not its master key; DamagedError where the stream has
    not the key that is named.
    """
    wrapped = key if isinstance(key, WrappedKey) else read_stream_key(stream, key)
    if keyring is None:
        what = f"{where} is encrypted, and its master key {wrapped.key_name!r} is not at hand"
        raise KeyUnavailableError(what, "set repository.encryption.keys to the key file that has it")
    return keyring.unwrap(wrapped)


def add_stream_key(stream: Folder, keyring: Keyring) -> tuple[StreamKey, DataKey]:
    """Make a new random key for a stream, wrapped by the active master key; raises what putting it raises."""
    name, data_key = f"key-{secrets.token_hex(4)}", DataKey.generate()
    stream.write(_name(name), _document(keyring.wrap(data_key)))
    return StreamKey(name), data_key


def continued_key(stream: Folder, last: str | None, keyring: Keyring) -> tuple[StreamKey, DataKey]:
    """The key of that name, as long as it can be opened; else a new one. Raises what `add_stream_key` raises."""
    if last:
        with suppress(KeyUnavailableError):  # who holds a public half alone cannot use a key again
            return StreamKey(last), opened_key(StreamKey(last), stream, keyring, stream.where())
    return add_stream_key(stream, keyring)


def read_stream_key(stream: Folder, key: StreamKey) -> WrappedKey:
    """The wrapped key of that name; raises DamagedError, UnknownFormatError."""
    where = stream.where(_name(key.stream_key))
    try:
        body: dict[str, Any] = json.loads(stream.read(_name(key.stream_key)))
        found = body.pop("format")
        if found != FORMAT:
            what = f"{where}: the key is of format {found!r}; this version reads {FORMAT}"
            raise UnknownFormatError(what, "use the version of chom that wrote it, or a newer one")
        return _WRAPPED.validate_python(body)
    except ObjectMissingError as error:
        raise DamagedError(error.what, "bring the key back from a copy of the repository") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{where}: the key cannot be read", "bring it back from a copy of the repository") from error


def stream_keys(stream: Folder) -> list[StreamKey]:
    """All that a stream has; raises RepositoryError."""
    names = [each.name for each in (stream / KEYS).below()]
    return [StreamKey(name.removesuffix(".json")) for name in names if name.endswith(".json")]


def replace_stream_key(stream: Folder, key: StreamKey, wrapped: WrappedKey) -> None:
    """Keep the same data key wrapped otherwise; raises DiskFullError, RepositoryError."""
    stream.replace(_name(key.stream_key), _document(wrapped))


def _name(key: str) -> str:
    return f"{KEYS}/{key}.json"


def _document(wrapped: WrappedKey) -> bytes:
    return (json.dumps({"format": FORMAT, **asdict(wrapped)}, indent=1) + "\n").encode()
