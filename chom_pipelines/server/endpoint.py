"""Where a database server is, who connects, and what TLS is demanded."""

from __future__ import annotations

import ssl
from dataclasses import asdict, dataclass, field
from typing import Any

from chom_pipelines.errors import ConfigurationError


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
                context.load_cert_chain(self.cert, self.key, password="")  # "": never ask the terminal for one
        except OSError as error:
            files = ", ".join(file for file in (self.ca, self.cert, self.key) if file)
            message = f"tls: cannot use {files}: {error.strerror or error}"
            raise ConfigurationError(message, "name PEM files that this user can read") from error
        # certificates that the servers generate themselves are not strictly RFC 5280
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = self.verify == "identity"
        context.verify_mode = ssl.CERT_NONE if self.verify == "none" else ssl.CERT_REQUIRED
        return context


def unverified() -> ssl.SSLContext:
    """Encrypts and believes any certificate, so that no authority has to be read: the system's take 50 ms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
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
