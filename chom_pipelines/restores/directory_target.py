"""A data directory as a target: what may stand there, what may be replaced, and how the new one comes in its place."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from chom_pipelines.errors import RestoreFailedError, RestoreRefusedError
from chom_pipelines.log_lines import amount

_SYSTEM_TABLESPACE = "ibdata1"
_ELSEWHERE = "choose another directory"
_AT_ONCE = 16


def refuse_directory(directory: Path, *, replace: bool) -> None:
    """Raise RestoreRefusedError unless nothing is lost when a restore puts a data directory there.

    Allowed are a name that is not taken, an empty directory, and with `replace` the data directory of a stopped server.
    """
    _refuse_name(directory)
    if directory.is_symlink():
        raise RestoreRefusedError(f"{directory} is a symbolic link", "name the directory that it leads to")
    if not os.path.lexists(directory):
        return
    if not directory.is_dir():
        raise RestoreRefusedError(f"{directory} is a file", _ELSEWHERE)
    if directory.is_mount():
        raise RestoreRefusedError(f"{directory} is a mount point", "name a directory in it")
    if not any(directory.iterdir()):
        return
    if not replace:
        raise RestoreRefusedError(f"{directory} is not empty", f"{_ELSEWHERE}, or use --replace")
    if not _is_data_directory(directory):
        what = f"{directory} holds something else than a server's data directory, and is not replaced"
        raise RestoreRefusedError(what, _ELSEWHERE)
    refuse_served(directory)


def _refuse_name(directory: Path) -> None:
    """Raise RestoreRefusedError where no directory can come to stand there."""
    try:
        with suppress(FileNotFoundError):
            directory.lstat()
    except OSError as error:
        raise RestoreRefusedError(f"{directory}: {error.strerror}", _ELSEWHERE) from error
    above = next(each for each in directory.parents if os.path.lexists(each))
    if not above.is_dir():
        raise RestoreRefusedError(f"{above} is no directory", _ELSEWHERE)
    if not os.access(above, os.W_OK | os.X_OK):
        raise RestoreRefusedError(f"{above}: this user may not write there", f"{_ELSEWHERE}, or run it as one who may")


def refuse_served(directory: Path) -> None:
    """Raise RestoreRefusedError where a server runs on this data directory.

    InnoDB locks its system tablespace; beyond that, no process may have anything in it open.
    """
    if _is_locked(directory / _SYSTEM_TABLESPACE):
        raise RestoreRefusedError(f"a server runs on {directory}", "shut that server down first")
    users = _users(directory)
    if users:
        what = f"{directory} is in use by the processes {', '.join(map(str, sorted(users)))}"
        raise RestoreRefusedError(what, "end them first; a server is shut down")


def contained(directory: Path) -> str:
    """What goes when this directory is replaced, for people; empty where nothing is in it."""
    if not directory.is_dir():
        return ""
    names = sorted(path.name for path in directory.iterdir())
    files = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    return f"{amount(len(files), 'file')}, {amount(size, 'byte')}, in {', '.join(names)}" if names else ""


def put_in_place(new: Path, directory: Path, *, replace: bool) -> None:
    """Give the new data directory its name; what it replaces is set aside first, and removed last.

    Raises RestoreRefusedError where something has come there meanwhile that may not be replaced, and RestoreFailedError
    where it cannot be renamed: in either case what was there stands there again.
    """
    refuse_directory(directory, replace=replace)
    _sync(new)
    aside = directory.with_name(f"{directory.name}.replaced-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        directory.rename(aside)
    try:
        if aside.exists():
            refuse_directory(aside, replace=replace)  # who came between the look and the renaming came into this one
        new.rename(directory)
    except BaseException as error:
        if aside.exists():
            aside.rename(directory)
        if isinstance(error, OSError):
            what = f"{directory} cannot be put in its place: {error.strerror}"
            raise RestoreFailedError(what, "mend what the operating system says, and run it again") from error
        raise
    _sync_one(directory.parent)  # before the old one goes
    shutil.rmtree(aside, ignore_errors=True)


def _sync(top: Path) -> None:
    """Have everything below on the medium: the server that made it ran without that.

    Several at once, as each waits for the medium, and what waits together is written together.
    """
    folders, files = [], []
    for folder, _, names in os.walk(top):
        folders.append(Path(folder))
        files += [Path(folder) / name for name in names]
    with ThreadPoolExecutor(_AT_ONCE, "sync") as pool:
        for paths in (files, folders):
            list(pool.map(_sync_one, paths))


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_data_directory(directory: Path) -> bool:
    return (directory / _SYSTEM_TABLESPACE).is_file() and (directory / "mysql").is_dir()


def _is_locked(file: Path) -> bool:
    """Whether another process holds the lock that InnoDB takes on its files."""
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            raise
        return True
    finally:
        os.close(descriptor)
    return False


def _users(directory: Path) -> set[int]:
    """Processes that have something below open, or stand there; those of others are seen by root only."""
    top = str(directory.resolve())
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            for link in (process / "cwd", *(process / "fd").iterdir()):
                with suppress(OSError):  # closed meanwhile
                    if link.readlink().is_relative_to(top):
                        found.add(int(process.name))
    return found
