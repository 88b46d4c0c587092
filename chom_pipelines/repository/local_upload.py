"""A file that comes into a directory whole and synced, or not at all, and over another only if that is asked for."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chom_pipelines.errors import ObjectExistsError, RepositoryError
from chom_pipelines.repository.files import create_file, make_directory, reported, sync_path, write_all

_WRITE_BEHIND = 8 << 20
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalUpload:
    """A file that is being written under a name that nothing lists."""

    def __init__(self, path: Path, root: Path, *, anew: bool = False) -> None:
        self._path, self._anew = path, anew
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._written = self._behind = 0
        with reported(path):
            make_directory(path.parent, root)
            self._descriptor = create_file(self._partial)

    def write(self, data: bytes) -> None:
        """Append."""
        self._refuse_closed()
        with reported(self._path):
            write_all(self._descriptor, data)
            self._written += len(data)
            if self._written - self._behind >= _WRITE_BEHIND:
                # Has the disk write meanwhile, so that the sync at the end is short, and frees the page cache.
                os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                self._behind = self._written

    def commit(self) -> None:
        """Sync it by the descriptor that wrote it, which alone is told of errors, and give it its name."""
        self._refuse_closed()
        try:
            with reported(self._path):
                os.fsync(self._descriptor)
                if self._anew:
                    self._partial.replace(self._path)
                else:
                    _name_it(self._partial, self._path)
                with _unnamed_again(self._path):
                    sync_path(self._path.parent)
        except BaseException:  # an interrupt, too, leaves no half of a file
            self.abort()
            raise
        self._close()

    def abort(self) -> None:
        """Remove it."""
        if self._close():
            with suppress(OSError):  # the error that led here is the one to tell; what stays is hidden
                self._partial.unlink()

    def _refuse_closed(self) -> None:
        if self._descriptor < 0:
            raise RepositoryError(f"{self._path}: this upload has ended already", "report this as a bug")

    def _close(self) -> bool:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return False
        os.close(descriptor)
        return True


def _name_it(partial: Path, path: Path) -> None:
    """Rename, but never over something."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise ObjectExistsError(f"{path} is there already") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # a file system without hard links: between this look and the renaming only another machine could come
        if path.exists():
            raise ObjectExistsError(f"{path} is there already") from None
        partial.rename(path)
        return
    with suppress(OSError):  # it is there; the other name is hidden, and goes with its folder
        partial.unlink()


@contextmanager
def _unnamed_again(path: Path) -> Iterator[None]:
    """Where the name may not last, it is not there: who is told that it failed may put it again."""
    try:
        yield
    except BaseException:  # an interrupt, too
        with suppress(OSError):  # the error that led here is the one to tell
            path.unlink()
        raise
