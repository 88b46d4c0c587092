"""What every store of a repository does, whatever it is made of: a directory, or an object store.

A store holds bytes under names like `chom/backups/full_20260102_020000/manifest.json`. A name is there whole or not at
all, and is on the medium when the call that put it there returns. Nothing else is promised: there is no renaming, so
what belongs together is published by the object that is put last.

A folder is what names have in common up to a slash: it is there as long as an object is below it. No name is that of an
object and of a folder at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

from chom_pipelines.errors import RepositoryError

PIECE = 1 << 20
"""Bytes that a store is read in, at most."""

# What has no place in UTF-8 or in XML, which object stores speak, and what a terminal obeys.
_NO_TEXT = re.compile("[\0-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Capabilities:
    """What stores differ in.

    `rereads`: reading something a second time costs next to nothing; elsewhere, who needs it twice keeps a copy.
    `locks_all_machines`: its locks hold whoever uses the store; elsewhere only for processes of this machine.
    """

    rereads: bool
    locks_all_machines: bool


@dataclass(frozen=True)
class StoreAddress:
    """What opens a store again, in another process too.

    It holds no secret: `credentials` is the path of a file with them, and without one they come from the environment.
    Of an object store only: `profile` is a name in that file, `storage_class` and `encryption` (AES256, aws:kms, and
    `kms_key` for that) are what objects are put with.
    """

    url: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    credentials: str | None = None
    storage_class: str | None = None
    encryption: str | None = None
    kms_key: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


class Keeps(StrEnum):
    """What a store keeps of an object that somebody who may write there replaces or deletes."""

    LOCKED = "locked"
    """Every version for a time in which nobody can delete it."""
    GOVERNED = "governed"
    """The same, but some accounts are allowed to."""
    VERSIONED = "versioned"
    """Every version, until somebody deletes that."""
    NOTHING = "nothing"


@dataclass(frozen=True)
class Protection:
    """What it keeps, where objects are locked for how many days, and how an operator has it keep more."""

    keeps: Keeps
    days: int
    remedy: str


@dataclass(frozen=True)
class Listed:
    """A name in a store, and how many bytes are there."""

    name: str
    bytes: int


class Upload(Protocol):
    """Bytes on their way into a store; nothing is there under the name before `commit`."""

    def write(self, data: bytes) -> None:
        """Append; about a megabyte at a time is best.

        Raises DiskFullError, RepositoryError; ObjectExistsError where a store knows that early that the name is taken.
        """
        ...

    def commit(self) -> None:
        """Make it last, and be there under its name, with the bytes that were written.

        Raises ObjectExistsError where the name is taken; DiskFullError or RepositoryError, with nothing there.
        """
        ...

    def abort(self) -> None:
        """Give up; nothing stays. Does nothing after `commit`."""
        ...


class Store(Protocol):
    """A place for a repository. Every method raises RepositoryError where the store cannot do what it should."""

    @property
    def address(self) -> StoreAddress:
        """What opens it again."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beyond what all can."""
        ...

    def where(self, name: str) -> str:
        """The place of a name for people: a path, a URL."""
        ...

    def create(self) -> None:
        """Make the store itself where it is not there yet."""
        ...

    def is_there(self) -> bool:
        """Whether there is such a store: mounted, created."""
        ...

    def protection(self) -> Protection:
        """What becomes of what is deleted; raises RepositoryError where that may not be asked."""
        ...

    def put(self, name: str, *, anew: bool = False) -> Upload:
        """Begin to put bytes under a name that is not taken; `anew`: whatever is there under it."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Put a few bytes under a name, whatever was there: what reads it sees the old ones or the new ones."""
        ...

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on, `length` of them or all, in pieces of at most PIECE; fewer where it is shorter.

        Raises ObjectMissingError, at the latest when the first piece is asked for; DamagedError where the medium fails.
        """
        ...

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""
        ...

    def below(self, folder: str) -> list[Listed]:
        """All objects below a folder ("": of the store), with their whole names, sorted by them; there may be none."""
        ...

    def folders(self, folder: str) -> list[str]:
        """The names of the folders that are directly below one ("": in the store), sorted; there may be none."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error. It is gone for good when this returns."""
        ...

    def forget_uploads(self, folder: str) -> None:
        """Throw away what uploads that never ended have left below a folder; nobody puts anything there meanwhile."""
        ...

    def delete_folder(self, folder: str) -> None:
        """Remove all that is below a folder, unfinished uploads too; the whole store is never removed so."""
        ...

    def lock(self, name: str, purpose: str, *, shared: bool, patience: float) -> AbstractContextManager[None]:
        """Hold a lock of that name, which a killed holder does not keep; `purpose` is told to who waits for it.

        Raises RepositoryBusyError that names a holder where it is not free within `patience` seconds.
        """
        ...


@dataclass(frozen=True)
class Folder:
    """A folder of a store: what is done with names below it."""

    store: Store
    name: str = ""

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.store, self.named(name))

    @property
    def basename(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    def named(self, name: str) -> str:
        """The name in the store of a name in this folder."""
        return f"{self.name}/{name}" if self.name else name

    def where(self, name: str = "") -> str:
        """The place of a name in it, or of itself, for people."""
        return self.store.where(self.named(name) if name else self.name)

    def put(self, name: str, *, anew: bool = False) -> Upload:
        """As `Store.put`."""
        return self.store.put(self.named(name), anew=anew)

    def write(self, name: str, data: bytes) -> None:
        """Put a few bytes under a name that is not taken; raises what `put` and `Upload` raise."""
        with uploading(self.put(name)) as upload:
            upload.write(data)

    def replace(self, name: str, data: bytes) -> None:
        """As `Store.replace`."""
        self.store.replace(self.named(name), data)

    def open(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """As `Store.open`."""
        return self.store.open(self.named(name), start, length)

    def read(self, name: str) -> bytes:
        """All bytes of a small object; raises what `Store.open` raises."""
        return b"".join(self.open(name))

    def exists(self, name: str) -> bool:
        """As `Store.exists`."""
        return self.store.exists(self.named(name))

    def below(self) -> list[Listed]:
        """The objects below it, by their names within it."""
        begin = len(self.named("")) if self.name else 0
        return [Listed(each.name[begin:], each.bytes) for each in self.store.below(self.name)]

    def folders(self) -> list[str]:
        """The names of the folders directly below it."""
        return self.store.folders(self.name)

    def delete(self, name: str) -> None:
        """As `Store.delete`."""
        self.store.delete(self.named(name))

    def forget_uploads(self) -> None:
        """As `Store.forget_uploads`, below it."""
        self.store.forget_uploads(self.name)

    def delete_all(self) -> None:
        """As `Store.delete_folder`, of itself."""
        self.store.delete_folder(self.name)

    def lock(
        self, name: str, purpose: str, *, shared: bool = False, patience: float = 0
    ) -> AbstractContextManager[None]:
        """As `Store.lock`."""
        return self.store.lock(self.named(name), purpose, shared=shared, patience=patience)


@contextmanager
def uploading(upload: Upload) -> Iterator[Upload]:
    """Commit an upload when the block ends well, and abort it when it does not."""
    try:
        yield upload
        upload.commit()
    except BaseException:  # an interrupt, too, leaves no upload behind
        upload.abort()
        raise


def is_name(name: str) -> bool:
    """Whether this can name an object: parts of text between slashes, none empty and none that begins with a dot.

    So no name leads out of a store, and a store keeps what is its own (locks, unfinished uploads) under dots.
    """
    return all(part and part[0] != "." for part in name.split("/")) and not _NO_TEXT.search(name)


def refuse_bad_name(name: str) -> None:
    """Raise RepositoryError where this cannot name an object."""
    if not is_name(name):
        raise RepositoryError(f"{name!r} cannot be the name of an object of a repository", "report this as a bug")


def refuse_bad_folder(name: str) -> None:
    """Raise RepositoryError where this can name neither a folder nor, as "" does, the store itself."""
    if name:
        refuse_bad_name(name)
