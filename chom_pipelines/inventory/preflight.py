"""Everything that a backup depends on, asked before one is taken: the servers, the repository, the keys, the disk."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from chom_pipelines.errors import ChomError, ConfigurationError
from chom_pipelines.inventory.models import RepositoryConfig, Server
from chom_pipelines.inventory.opening import read_keyring
from chom_pipelines.inventory.policies import Verification
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.repository.keys import NO_KEYS
from chom_pipelines.server.findings import Finding, failed, not_verified, passed, warning
from chom_pipelines.server.preflight import ServerAnswers, ask_server

_OTHERS = 0o077
_NO_CODEC_GETS_THERE = 10


def check_server(server: Server) -> ServerAnswers:
    """What concerns one server; its password is read."""
    try:
        endpoint = server.endpoint()
    except ConfigurationError as error:
        return ServerAnswers((failed("password", error.what, error.remedy),))
    answers = ask_server(
        endpoint,
        server.databases,
        proved=server.schedules.verification is not None or server.backup.verification is Verification.FULL,
        archived=server.schedules.binlogs is not None,
    )
    return ServerAnswers((*_password_file(server.password), *answers.findings), answers.data_bytes)


def check_repository(repository: RepositoryConfig, data_bytes: int | None) -> list[Finding]:
    """What concerns all servers alike; `data_bytes`: of them all, None where not every one is known."""
    try:
        if repository.mount and not repository.mount.is_mount():
            message = f"nothing is mounted at {repository.mount}"
            found = [failed("repository", message, "mount the repository's file system there")]
        else:
            found = [*_directory(repository.path), *_disk(repository.path, data_bytes)]
    except OSError as error:
        remedy = f"let {_user()} enter every folder above repository.path"
        found = [failed("repository", f"{error.filename}: {error.strerror}", remedy)]
    return [*found, *_keys(repository)]


def _password_file(password: SecretReference | None) -> Iterator[Finding]:
    if password is not None and password.file is not None and _mode(password.file) & _OTHERS:
        message = f"{password.file} may be read or written by others than its owner"
        yield failed("password", message, f"chmod 600 {password.file}")


def _directory(path: Path) -> Iterator[Finding]:
    if not path.exists():
        above = _existing(path)
        if not os.access(above, os.W_OK | os.X_OK):
            message = f"{path} does not exist, and this user may not create it in {above}"
            yield failed("repository", message, f"install -d -m 700 -o {_user()} {path}")
        else:
            yield passed("repository", f"{path} is created by the first backup")
        return
    if not path.is_dir():
        yield failed("repository", f"{path} is not a directory", "name a directory in repository.path")
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield failed("repository", f"{path} is not writable for this user", f"chown -R {_user()} {path}")
    elif _mode(path) & _OTHERS:
        yield failed("repository", f"{path} is open to others (mode {_mode(path):04o})", f"chmod 700 {path}")
    else:
        yield passed("repository", f"{path} is writable, and closed to others")


def _disk(path: Path, data_bytes: int | None) -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(path)).free
    if data_bytes is None:
        yield not_verified("disk", f"{_gigabytes(free)} free, but the size of the data is not known")
        return
    message = f"{_gigabytes(free)} free for {_gigabytes(data_bytes)} of data and indexes"
    if free < data_bytes / _NO_CODEC_GETS_THERE:
        yield failed("disk", message, "make room, or put repository.path on a larger disk")
    elif free < data_bytes:
        yield warning("disk", f"{message}: enough only if it compresses well", "make room for more than one backup")
    else:
        yield passed("disk", message)


def _keys(repository: RepositoryConfig) -> Iterator[Finding]:
    if repository.encryption is None:
        message = "backups are not encrypted: who reads the repository reads the data"
        yield warning("keys", message, "in chom.yaml: repository.encryption.keys, then chom keys generate")
        return
    file = repository.encryption.keys.file
    if file is not None and not file.exists():
        yield failed("keys", f"there is no key file {file}", NO_KEYS)
        return
    try:
        ring = read_keyring(repository.encryption)
    except ChomError as error:
        yield failed("keys", error.what, error.remedy)
        return
    if file is not None and file.resolve().is_relative_to(repository.path.resolve()):
        yield failed("keys", f"{file} lies beside the backups that it opens", "move it out of repository.path")
    yield passed("keys", f"{repository.encryption.keys} has {len(ring.names)}; {ring.active} is active")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _user() -> str:
    return f"{os.geteuid()}:{os.getegid()}"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"
