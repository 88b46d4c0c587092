"""One connection to a database server: where it is, how to talk to it, and what its errors mean.

Light to import: the dump's worker processes start with this module.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pymysql
from pymysql.cursors import Cursor, DictCursor

from chom_pipelines.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConnectionFailedError,
    DefinitionChangedError,
    LockNotObtainedError,
    MissingPrivilegeError,
    ServerError,
    UnknownDatabaseError,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")
AnyCursor = TypeVar("AnyCursor", bound=Cursor)
Row = tuple[Any, ...]
Arguments = Sequence[Any] | dict[str, Any]

_DAY = 86_400
_SESSION = {
    "time_zone": "'+00:00'",
    "wait_timeout": str(_DAY),  # a session idles while others dump the longest table
    "net_read_timeout": "3600",
    "net_write_timeout": "3600",  # the server waits while compression or a slow disk holds up the reader
}
_STATEMENT_LIMIT = {True: "max_statement_time", False: "max_execution_time"}  # by "is MariaDB"

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 8))

_KINDS: dict[type[ServerError], frozenset[int]] = {
    AccessDeniedError: frozenset({1045, 1130, 1698, 1820, 1862, 3118, 4151}),
    MissingPrivilegeError: frozenset({1044, 1142, 1143, 1227, 1370}),
    UnknownDatabaseError: frozenset({1049, 1051, 1146}),
    DefinitionChangedError: frozenset({1412}),
    LockNotObtainedError: frozenset({1205}),
    ConnectionFailedError: frozenset(
        {1040, 1053, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2002, 2003, 2006, 2012, 2013, 2026, 3159},
    ),
}
_REMEDIES: dict[type[ServerError], str] = {
    AccessDeniedError: "check user, password and the account's host and TLS requirement (chom check)",
    MissingPrivilegeError: "chom check names the GRANT",
    UnknownDatabaseError: "check the name; it is missing, or the user may not see it",
    DefinitionChangedError: "run again when no migration is running",
    LockNotObtainedError: "find the blocker with SHOW FULL PROCESSLIST, or run again at a quieter time",
    ConnectionFailedError: "check that the server runs and that host, port, socket and network let this machine in",
}
_INSECURE_TRANSPORT = 3159
_TLS_ERRORS = frozenset({2026, _INSECURE_TRANSPORT})
_TLS_REMEDY = "set tls: in chom.yaml to what the server has (tls: {verify: none} encrypts without checking who answers)"
_CERTIFICATE_REMEDY = "set tls.ca to the authority of the server's certificate; verify: ca does not compare host names"
TLS_MODES = ("identity", "ca", "none")


@dataclass(frozen=True)
class Tls:
    """Demands TLS: `verify` is identity (CA and host name), ca (CA only) or none (encrypted, not authenticated)."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: str = "identity"

    def context(self) -> ssl.SSLContext:
        """The client's side of the handshake; without `ca` the system's authorities count.

        Raises ConfigurationError where a file is missing or is not what it should be.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert:
                context.load_cert_chain(self.cert, keyfile=self.key)
        except OSError as error:
            files = ", ".join(file for file in (self.ca, self.cert, self.key) if file)
            message = f"tls: cannot use {files}: {error.strerror or error}"
            raise ConfigurationError(message, "name PEM files that this user can read") from error
        # certificates that the servers generate themselves are not strictly RFC 5280
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = self.verify == "identity"
        context.verify_mode = ssl.CERT_NONE if self.verify == "none" else ssl.CERT_REQUIRED
        return context


@dataclass(frozen=True)
class Endpoint:
    """Where a server is and who connects. Without `tls`, TCP is encrypted where the server can, unverified."""

    name: str
    user: str
    password: str = field(repr=False)
    host: str | None = None
    port: int = 3306
    socket: str | None = None
    tls: Tls | None = None

    @property
    def where(self) -> str:
        """For messages: the name and the address."""
        return f"{self.name} ({self.socket or f'{self.host}:{self.port}'})"

    def to_json(self) -> dict[str, Any]:
        """For a pipe to a worker process only: it holds the password."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Endpoint:
        """The reverse of to_json."""
        return cls(**{**body, "tls": Tls(**body["tls"]) if body["tls"] else None})


def error_number(error: ServerError) -> int | None:
    """The server's own number of an error that a Session raised."""
    cause = error.__cause__
    number = cause.args[0] if isinstance(cause, pymysql.MySQLError) and cause.args else None
    return number if isinstance(number, int) else None


class Session:
    """One connection, open from construction to `close()` or the end of its `with`.

    utf8mb4, UTC, no limit on a statement's time. A `%` in SQL is interpreted only where args are given.
    Every method raises the errors of `chom_pipelines.errors`, chained to the driver's.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        autocommit: bool = True,
        local_infile: bool = False,
        connect_timeout: float = 10,
    ) -> None:
        self.endpoint = endpoint
        self.raw: pymysql.connections.Connection[Cursor] = pymysql.connect(
            host=endpoint.host or "localhost",
            port=endpoint.port,
            unix_socket=endpoint.socket,
            user=endpoint.user,
            password=endpoint.password.encode(),
            charset="utf8mb4",
            autocommit=autocommit,
            local_infile=local_infile,
            read_timeout=connect_timeout,  # of the handshake only
            program_name="chom",
            ssl=endpoint.tls.context() if endpoint.tls else None,
            ssl_disabled=endpoint.tls is None and endpoint.socket is not None,
            defer_connect=True,
        )
        raw = cast("Any", self.raw)
        raw._secure = endpoint.socket is not None  # noqa: SLF001  (what PyMySQL says of sockets that it opened itself)
        try:
            self.raw.connect(_opened(endpoint, connect_timeout))
        except (OSError, pymysql.MySQLError) as error:
            raise translated(error, endpoint) from error
        raw._read_timeout = None  # noqa: SLF001  (a statement may take hours)
        settings = _SESSION | {_STATEMENT_LIMIT["MariaDB" in raw.get_server_info()]: "0"}
        try:
            self.execute("SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
        except BaseException:
            self.close()
            raise

    @property
    def id(self) -> int:
        """The server's id of this connection."""
        return int(cast("Any", self.raw).thread_id())

    @property
    def encrypted(self) -> bool:
        """True where TLS is in use."""
        return bool(self.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1])

    def execute(self, sql: str, args: Arguments | None = None) -> int:
        """Run a statement and drain its results; return the affected rows."""
        return self._query(Cursor, sql, args, lambda cursor: cursor.rowcount)

    def statement(self, raw: bytes) -> int:
        """Run a statement whose bytes are sent as they are; return the affected rows."""
        return self._query(Cursor, raw, None, lambda cursor: cursor.rowcount)

    def rows(self, sql: str, args: Arguments | None = None) -> list[Row]:
        """All rows of the first result."""
        return self._query(Cursor, sql, args, lambda cursor: list(cursor.fetchall()))

    def row(self, sql: str, args: Arguments | None = None) -> Row | None:
        """The first row, None where there is none."""
        return self._query(Cursor, sql, args, lambda cursor: cursor.fetchone())

    def value(self, sql: str, args: Arguments | None = None) -> Any:  # noqa: ANN401  (the server decides its type)
        """The first column of the first row, None where there is no row."""
        row = self.row(sql, args)
        return row[0] if row else None

    def dicts(self, sql: str, args: Arguments | None = None) -> list[dict[str, Any]]:
        """All rows of the first result by column name."""
        return self._query(DictCursor, sql, args, lambda cursor: list(cursor.fetchall()))

    def warnings(self) -> list[tuple[str, int, str]]:
        """(level, code, message) of the last statement."""
        return [(str(level), int(code), str(message)) for level, code, message in self.rows("SHOW WARNINGS")]

    def close(self) -> None:
        """Close; harmless when it is closed or the connection broke."""
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self.raw.close()

    def __enter__(self) -> Self:
        """Return the open session."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _query(
        self,
        kind: type[AnyCursor],
        sql: str | bytes,
        args: Arguments | None,
        read: Callable[[AnyCursor], T],
    ) -> T:
        try:
            with self.raw.cursor(kind) as cursor:  # closing it drains what is left
                cursor.execute(cast("str", sql), cast("Any", args))
                return read(cursor)
        except pymysql.MySQLError as error:
            raise translated(error, self.endpoint) from error


def _opened(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A socket to the server; TCP with keepalive: a peer that vanished must not hang a dump for hours."""
    if endpoint.socket is None:
        opened = socket.create_connection((endpoint.host or "localhost", endpoint.port), timeout)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            if hasattr(socket, option):
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return opened
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout)
        opened.connect(endpoint.socket)
    except BaseException:
        opened.close()
        raise
    return opened


def translated(error: Exception, endpoint: Endpoint) -> ServerError:
    """A driver's or socket's error as one of the tree; raise it from the original."""
    number, text = (error.args[0], str(error.args[-1])) if error.args else (0, type(error).__name__)
    if isinstance(error, pymysql.err.InterfaceError) and not number:
        return ConnectionFailedError(f"{endpoint.where}: the connection is closed", _REMEDIES[ConnectionFailedError])
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConnectionFailedError(f"{endpoint.where}: TLS: {cause.verify_message}", _CERTIFICATE_REMEDY)
    if isinstance(cause, ssl.SSLError) or number in _TLS_ERRORS:
        return ConnectionFailedError(f"{endpoint.where}: TLS: {text}", _TLS_REMEDY)
    if isinstance(cause, OSError):
        return ConnectionFailedError(f"{endpoint.where}: cannot connect: {cause}", _REMEDIES[ConnectionFailedError])
    kind = next((kind for kind, numbers in _KINDS.items() if number in numbers), ServerError)
    return kind(f"{endpoint.where}: error {number}: {text}", _REMEDIES.get(kind, ""))
