"""One connection to a database server: how to open it and talk to it.

Light to import: the dump's worker processes start with this module.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pymysql
from pymysql.cursors import Cursor, DictCursor

from chom_pipelines.errors import ConnectionFailedError
from chom_pipelines.server.driver_errors import error_number, translated
from chom_pipelines.server.endpoint import Endpoint, Tls, unverified

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Arguments", "Endpoint", "Row", "Session", "Tls", "error_number", "translated"]

T = TypeVar("T")
AnyCursor = TypeVar("AnyCursor", bound=Cursor)
Row = tuple[Any, ...]
Arguments = Sequence[Any] | dict[str, Any]

PROGRAM = "chom"
"""What our sessions say of themselves to a server, with their purpose behind it."""

IDLE_SECONDS = 86_400
"""After how long a server closes a session of ours that asks nothing: one idles while others dump the longest table."""

_SESSION = {
    "time_zone": "'+00:00'",
    "wait_timeout": str(IDLE_SECONDS),
    "net_read_timeout": "3600",
    "net_write_timeout": "3600",  # the server waits while compression or a slow disk holds up the reader
}
_MARIADB_SESSION = {
    "max_statement_time": "0",
    "idle_transaction_timeout": "0",  # a snapshot is held open while others are opened
    "idle_readonly_transaction_timeout": "0",
}
_MYSQL_SESSION = {"max_execution_time": "0"}

_NO_GREETING = (struct.error, LookupError, ValueError, UnboundLocalError)
"""What the driver raises of bytes that are no greeting."""
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 8))


class Session:
    """One connection, open from construction to `close()` or the end of its `with`.

    utf8mb4, UTC, no limit on the time of a statement or a transaction. A `%` in SQL is interpreted only where args are
    given. `patience`: seconds to wait for each part of an answer; None: as long as it takes. `purpose`, one or two
    words such as backup, is seen beside the session where the server shows what program opened it, so that who looks at
    its locks knows ours. Every method raises the errors of `chom_pipelines.errors`, chained to the driver's.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        autocommit: bool = True,
        local_infile: bool = False,
        connect_timeout: float = 10,
        patience: float | None = None,
        purpose: str = "",
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
            program_name=f"{PROGRAM} {purpose}".strip(),
            ssl=endpoint.tls.context() if endpoint.tls else None,
            ssl_disabled=endpoint.tls is None,
            defer_connect=True,
        )
        raw = cast("Any", self.raw)
        raw._secure = endpoint.socket is not None  # noqa: SLF001  (what PyMySQL says of sockets that it opened itself)
        if endpoint.tls is None and endpoint.socket is None:
            raw.ssl, raw.ctx = True, unverified()  # where the server can; PyMySQL's own context reads all authorities
        try:
            self.raw.connect(_opened(endpoint, connect_timeout))
        except (OSError, pymysql.MySQLError) as error:
            raise translated(error, endpoint) from error
        except _NO_GREETING as error:  # the driver takes it for granted that a server is there
            what = f"{endpoint.where} does not answer as a database server does"
            raise ConnectionFailedError(what, "see what listens there; correct host and port in chom.yaml") from error
        raw._read_timeout = patience  # noqa: SLF001  (None: a statement may take hours)
        settings = _SESSION | (_MARIADB_SESSION if "MariaDB" in raw.get_server_info() else _MYSQL_SESSION)
        try:
            self.execute("SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
        except BaseException:  # an interrupt, too, leaves no connection open
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

    def interrupt(self) -> None:
        """End the statement that runs on it, from another connection."""
        with Session(self.endpoint) as other:
            other.execute(f"KILL QUERY {self.id}")

    def give_up_after(self, seconds: float) -> None:
        """Wait for each part of an answer no longer than this.

        Then the connection is closed, and ConnectionFailedError raised.
        """
        cast("Any", self.raw)._read_timeout = seconds  # noqa: SLF001

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
    except BaseException:  # an interrupt, too, leaves no socket open
        opened.close()
        raise
    return opened
