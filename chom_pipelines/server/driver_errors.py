"""What the numbers of a server's and a driver's errors mean, as the errors of this project."""

import re
import socket
import ssl

import pymysql

from chom_pipelines.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DefinitionChangedError,
    LockNotObtainedError,
    MissingPrivilegeError,
    NoRoomError,
    ServerError,
    UnknownDatabaseError,
)
from chom_pipelines.server.endpoint import Endpoint

DEADLOCK = 1213
"""Of locks on rows, or on names of tables: the server does not wait where two would wait for each other."""

_KINDS: dict[type[ServerError], frozenset[int]] = {
    AccessDeniedError: frozenset({1045, 1130, 1698, 1820, 1862, 3118, 3955, 4150, 4151}),
    MissingPrivilegeError: frozenset({1044, 1142, 1143, 1227, 1370}),
    UnknownDatabaseError: frozenset({1049, 1051, 1146}),
    DefinitionChangedError: frozenset({1412}),
    LockNotObtainedError: frozenset({1205, DEADLOCK}),
    NoRoomError: frozenset({5, 1021, 1037, 1038, 1041, 1114, 1135}),
    ConnectionFailedError: frozenset(
        {1040, 1053, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2002, 2003, 2006, 2012, 2013, 2026, 3159},
    ),
}
WRONG_ACCOUNT = (
    "check the user and the password that chom.yaml gives; servers also say this where the account is for other hosts, "
    "or requires TLS (tls: {verify: identity}) or a client's certificate (tls.cert, tls.key)"
)
_REMEDIES: dict[type[ServerError], str] = {
    AccessDeniedError: WRONG_ACCOUNT,
    MissingPrivilegeError: "chom check names the GRANT",
    UnknownDatabaseError: "check the name; it is missing, or the user may not see it",
    DefinitionChangedError: "run again when no migration is running",
    LockNotObtainedError: "find the blocker with SHOW FULL PROCESSLIST, or run again at a quieter time",
    NoRoomError: "free room on the server's disk or memory, or let the table grow (max_heap_table_size, tmpdir)",
    ConnectionFailedError: "check that the server runs and that host, port, socket and network let this machine in",
}
_EXPIRED, _LOCKED = "its password has expired: set a new one", "it is locked: ALTER USER ... ACCOUNT UNLOCK"
_BLOCKED = "it is blocked after too many wrong passwords: ALTER USER ... ACCOUNT UNLOCK, or wait"
_OF_ACCOUNTS = {
    1698: "it is authenticated otherwise than by a password, as by its name in the system: give it one",
    1820: _EXPIRED,
    1862: _EXPIRED,
    3118: _LOCKED,
    3955: _BLOCKED,
    4150: _BLOCKED,
    4151: _LOCKED,
}
_NO_SPACE = re.compile(r"\b(?:Errcode|[Ee]rror):? 28\b")
"""The operating system's number, which engines pass on in texts of their own."""

_INSECURE_TRANSPORT = 3159
_TLS_ERRORS = frozenset({2026, _INSECURE_TRANSPORT})
_NO_TLS = "SSL is required but the server doesn't support it"  # the driver's words
_NO_TLS_REMEDY = "the server has no TLS: give it a certificate (ssl_cert, ssl_key), or take tls: out of chom.yaml"
_TLS_REMEDY = "set tls: in chom.yaml to what the server has (tls: {verify: none} encrypts without checking who answers)"
_CERTIFICATE_REMEDY = "set tls.ca to the authority of the server's certificate; verify: ca does not compare host names"


def translated(error: Exception, endpoint: Endpoint) -> ServerError:
    """A driver's or socket's error as one of the tree; raise it from the original."""
    number, text = (error.args[0], str(error.args[-1])) if error.args else (0, type(error).__name__)
    if isinstance(error, pymysql.err.InterfaceError) and not number:
        return ConnectionFailedError(f"{endpoint.where}: the connection is closed", _REMEDIES[ConnectionFailedError])
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConnectionFailedError(f"{endpoint.where}: TLS: {cause.verify_message}", _CERTIFICATE_REMEDY)
    if isinstance(cause, ssl.SSLError) or number in _TLS_ERRORS:
        remedy = _NO_TLS_REMEDY if _NO_TLS in text else _TLS_REMEDY
        return ConnectionFailedError(f"{endpoint.where}: TLS: {text}", remedy)
    if isinstance(cause, socket.gaierror):
        what = f"{endpoint.where}: the host's name leads nowhere: {cause.strerror}"
        return ConnectionFailedError(what, "check host in chom.yaml, and the name service")
    if isinstance(cause, OSError):
        return ConnectionFailedError(f"{endpoint.where}: cannot connect: {cause}", _REMEDIES[ConnectionFailedError])
    kind = next((kind for kind, numbers in _KINDS.items() if number in numbers), ServerError)
    if kind is ServerError and _NO_SPACE.search(text):
        kind = NoRoomError
    remedy = (
        f"of the account {endpoint.user}: {_OF_ACCOUNTS[number]}" if number in _OF_ACCOUNTS else _REMEDIES.get(kind, "")
    )
    return kind(f"{endpoint.where}: error {number}: {text}", remedy)


def error_number(error: ServerError) -> int | None:
    """The server's own number of an error that a Session raised."""
    cause = error.__cause__
    number = cause.args[0] if isinstance(cause, pymysql.MySQLError) and cause.args else None
    return number if isinstance(number, int) else None


def is_there(error: ServerError) -> bool:
    """Whether that tells of an account that there is, and that is not let in."""
    return error_number(error) in _OF_ACCOUNTS
