"""chom.yaml as types: the servers, the repository and what may not be combined."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.base import AtKeyError, ConfigModel, ConfigPath
from chom_pipelines.inventory.policies import BackupPolicy, Retention, Schedules, Thresholds, TlsVerification
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.server.connection import Endpoint, Tls
from chom_pipelines.server.facts import SYSTEM_DATABASES

__all__ = [
    "BackupPolicy",
    "Encryption",
    "Inventory",
    "Migrations",
    "Offsite",
    "RepositoryConfig",
    "Retention",
    "Schedules",
    "Server",
    "Thresholds",
    "TlsConfig",
    "impossible",
]


def _simple_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("letters, digits, dots, hyphens and underscores only, and a letter or digit first")
    return name


def _url(text: str) -> str:
    if not re.match(r"((s3|gs|az)://[^\s/]+|file:///\S)", text):
        raise ValueError(
            "a URL is needed, as s3://bucket/folder, gs://bucket/folder, az://container/folder or file:///mnt/folder"
        )
    return text


_STORE_KEYS = {
    "s3": ("endpoint_url", "region", "profile", "credentials", "storage_class", "encryption", "kms_key"),
    "gs": ("endpoint_url", "region", "credentials", "storage_class", "kms_key"),
    "az": ("endpoint_url", "credentials", "storage_class"),
    "file": (),
}
"""What of `offsite` each kind of store takes; S3 takes all."""


class Offsite(ConfigModel):
    """The second copy, in an object store or in another place of the file system."""

    url: Annotated[str, AfterValidator(_url)]
    mount: ConfigPath | None = None
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = Field(default=None, min_length=1, description="of AWS's files, or of `credentials`")
    credentials: ConfigPath | None = Field(default=None, description="a file; else the environment's own")
    storage_class: str | None = Field(default=None, min_length=1)
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    kms_key: str | None = Field(default=None, min_length=1)
    threads: int = Field(default=4, ge=1, le=64, description="objects that are copied at once")
    megabytes_per_second: float | None = Field(default=None, gt=0, description="of a copy, at most")

    @model_validator(mode="after")
    def _possible(self) -> "Offsite":
        scheme = urlsplit(self.url).scheme
        if scheme == "s3" and self.kms_key and not (self.encryption or "").startswith("aws:kms"):
            raise AtKeyError(("kms_key",), "it is used with encryption: aws:kms")
        if self.mount and not (self.path and self.path.is_relative_to(self.mount)):
            raise AtKeyError(("mount",), f"url is no directory below it: {self.url}")
        for key in _STORE_KEYS["s3"]:
            if key not in _STORE_KEYS[scheme] and getattr(self, key) is not None:
                raise AtKeyError((key,), f"it is not of a copy at {scheme}://, and url is {self.url}")
        return self

    @property
    def path(self) -> Path | None:
        """The directory that it is; None where it is in an object store."""
        return Path(unquote(urlsplit(self.url).path)) if self.url.startswith("file:") else None


class Encryption(ConfigModel):
    """Where the master keys are."""

    keys: SecretReference


def _no_url(path: object) -> object:
    if isinstance(path, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
        raise ValueError("this version keeps its repository in a directory of this machine, and not at a URL")
    return path


class RepositoryConfig(ConfigModel):
    """Where backups live."""

    path: Annotated[ConfigPath, BeforeValidator(_no_url)]
    mount: ConfigPath | None = None
    audit: ConfigPath | None = Field(default=None, description="the audit log; else in the repository")
    offsite: Offsite | None = None
    encryption: Encryption | None = None

    @model_validator(mode="after")
    def _possible(self) -> "RepositoryConfig":
        if self.mount and not self.path.is_relative_to(self.mount):
            raise AtKeyError(("mount",), f"path is not below it: {self.path}")
        if self.offsite and (second := self.offsite.path):
            ours, theirs = self.path.resolve(), second.resolve()
            if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
                raise AtKeyError(
                    ("offsite", "url"), f"it is the repository itself, or one is within the other: {second}"
                )
        return self


class TlsConfig(ConfigModel):
    """Demands TLS of a server; without this block TCP is encrypted where the server can, unverified."""

    ca: ConfigPath | None = None
    cert: ConfigPath | None = None
    key: ConfigPath | None = None
    verify: TlsVerification = "identity"

    @model_validator(mode="after")
    def _possible(self) -> "TlsConfig":
        if self.key and not self.cert:
            raise AtKeyError(("key",), "a key without its certificate: set cert too")
        if self.ca and self.verify == "none":
            raise AtKeyError(("verify",), "verify: none never looks at ca; remove one of them")
        return self

    def resolved(self) -> Tls:
        """As the connection takes it."""
        files = {name: str(path) if (path := getattr(self, name)) else None for name in ("ca", "cert", "key")}
        return Tls(**files, verify=self.verify)


class Accepted(ConfigModel):
    """A finding of the migration check that somebody expects: of that code, about that object, for that reason."""

    code: str = Field(min_length=1)
    object: str = Field(min_length=1, description="as the finding names it: database.table.column")
    reason: str = Field(min_length=1)


class Migrations(ConfigModel):
    """The application's migrations: a Laravel project, or a folder of SQL files."""

    laravel: ConfigPath | None = None
    sql: ConfigPath | None = None
    replica: str | None = Field(default=None, min_length=1, description="a server of chom.yaml whose rows are asked")
    accept: tuple[Accepted, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Migrations":
        if (self.laravel is None) == (self.sql is None):
            message = "name one: {laravel: PATH} or {sql: PATH}"
            raise ValueError(message)
        return self


def _own_databases(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        message = "no database is named: leave the key out to back up every one"
        raise ValueError(message)
    for index, name in enumerate(names):
        if name.lower() in SYSTEM_DATABASES:
            raise AtKeyError((index,), f"{name} is the server's own; a backup covers accounts without it")
        if name in names[:index]:
            raise AtKeyError((index,), f"{name} is named twice")
    return names


class Server(ConfigModel):
    """One database server."""

    name: Annotated[str, Field(max_length=63), AfterValidator(_simple_name)]
    host: str | None = Field(default=None, min_length=1)
    socket: ConfigPath | None = None
    port: int = Field(default=3306, ge=1, le=65535)
    user: str = Field(min_length=1)
    password: SecretReference | None = None
    tls: TlsConfig | None = None
    databases: Annotated[tuple[str, ...], AfterValidator(_own_databases)] | None = None
    backup: BackupPolicy = BackupPolicy()
    schedules: Schedules = Schedules()
    retention: Retention = Retention()
    migrations: Migrations | None = None
    thresholds: Thresholds = Thresholds()

    @model_validator(mode="after")
    def _one_address(self) -> "Server":
        if self.host is None and self.socket is None:
            message = "no address: set host (and port) or socket"
            raise ValueError(message)
        if self.socket is not None and self.host is not None:
            raise AtKeyError(("socket",), "both host and socket are set; only one can be used")
        if self.socket is not None and "port" in self.model_fields_set:
            raise AtKeyError(("port",), "a socket has no port; remove one of them")
        if self.password is None and self.socket is None:
            message = "no password: only an account that the server knows by its socket goes without"
            raise ValueError(message)
        return self

    @property
    def group(self) -> str:
        """The name with only the characters that Dagster's groups and ops may have."""
        return re.sub(r"[^A-Za-z0-9_]", "_", self.name)

    @property
    def pool(self) -> str:
        """Dagster's concurrency pool of this server's backups."""
        return f"server_{self.name}"

    def endpoint(self) -> Endpoint:
        """Where to connect and as whom; reads the password.

        Raises SecretUnavailableError.
        """
        return Endpoint(
            name=self.name,
            user=self.user,
            password=self.password.reveal() if self.password else "",
            host=self.host,
            port=self.port,
            socket=str(self.socket) if self.socket else None,
            tls=self.tls.resolved() if self.tls else None,
        )


def impossible(policy: BackupPolicy, repository: RepositoryConfig) -> AtKeyError | None:
    """Why this repository cannot take backups as this policy wants them, at the policy's key; None where it can."""
    if policy.encrypt and repository.encryption is None:
        return AtKeyError(("encrypt",), "nothing to encrypt with: repository.encryption is not configured")
    if policy.upload and repository.offsite is None:
        return AtKeyError(("upload",), "nowhere to upload to: repository.offsite is not configured")
    return None


def _complete(server: Server, repository: RepositoryConfig, index: int) -> Server:
    defaults = {"encrypt": repository.encryption is not None, "upload": repository.offsite is not None}
    missing = {key: value for key, value in defaults.items() if key not in server.backup.model_fields_set}
    policy = server.backup.model_copy(update=missing)
    if error := impossible(policy, repository):
        raise AtKeyError((index, "backup", *error.key), str(error))
    return server.model_copy(update={"backup": policy})


class Inventory(ConfigModel):
    """Everything in chom.yaml."""

    repository: RepositoryConfig
    servers: tuple[Server, ...]

    @field_validator("servers")
    @classmethod
    def _distinct_and_complete(cls, servers: tuple[Server, ...], info: ValidationInfo) -> tuple[Server, ...]:
        if not servers:
            message = "no server is configured"
            raise ValueError(message)
        seen: dict[str, str] = {}
        for index, server in enumerate(servers):
            other = seen.setdefault(server.group, server.name)
            if index == len(seen):  # this one added nothing
                same = f"{server.name} is named twice"
                alike = f"{other} and {server.name} would share the Dagster group {server.group}"
                raise AtKeyError((index, "name"), same if other == server.name else alike)
        for index, server in enumerate(servers):
            replica = server.migrations.replica if server.migrations else None
            if replica and replica not in {each.name for each in servers if each is not server}:
                raise AtKeyError((index, "migrations", "replica"), f"no other server is called {replica}")
        repository = info.data.get("repository")
        if repository is None:  # invalid itself, and reported
            return servers
        return tuple(_complete(server, repository, index) for index, server in enumerate(servers))

    def server(self, name: str | None = None) -> Server:
        """The server of that name; without a name the only one.

        Raises ConfigurationError naming those there are.
        """
        names = ", ".join(server.name for server in self.servers)
        if name is None:
            if len(self.servers) > 1:
                raise ConfigurationError("more than one server is configured", f"add --server with one of: {names}")
            return self.servers[0]
        for server in self.servers:
            if server.name == name:
                return server
        raise ConfigurationError(f"no server is called {name!r}", f"use one of: {names}")
