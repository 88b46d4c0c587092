"""What the stores that are in somebody's cloud share: an address, names below a prefix, and locks of this machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import SplitResult, urlsplit

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.machine_locks import machine_lock
from chom_pipelines.repository.store import Capabilities, StoreAddress, is_name, refuse_bad_name

if TYPE_CHECKING:
    from typing import Self

    from chom_pipelines.repository.store import Store


@dataclass(frozen=True)
class ObjectStore:
    """What is below `prefix` in `bucket`. Locks are this machine's: none of them has some that a killed holder loses.

    `hurried`: it is asked once, and not for long.
    """

    bucket: str
    prefix: str
    address: StoreAddress
    hurried: bool = False

    scheme: ClassVar[str]
    called: ClassVar[str]
    """Whose it is, for people."""
    example: ClassVar[str]
    """Of an address."""
    endpoint_example: ClassVar[str] = "https://host:port"
    credentials_belong: ClassVar[str]
    """Where credentials are to be given."""

    @classmethod
    def of(cls, address: StoreAddress, *, hurried: bool = False) -> Self:
        """The store of that address; nothing is connected yet.

        Raises ConfigurationError, which repeats no part of an address that might be a secret.
        """
        url, endpoint = _split(address.url), _split(address.endpoint_url or "")
        if url is None or url.scheme != cls.scheme:
            what = f"the address of the second copy is none of {cls.called}"
            raise ConfigurationError(what, f"write it as {cls.example}")
        prefix = url.path.strip("/")
        if "@" in url.netloc or url.query or url.fragment or (endpoint and _holds_more(endpoint)):
            what = f"the address of a store of {cls.called} holds credentials, or other things behind ? or #"
            raise ConfigurationError(what, cls.credentials_belong)
        if not url.netloc or not (is_name(prefix) or prefix == ""):
            what = f"{url.scheme}://{url.netloc}{url.path} is no address of {cls.called}"
            raise ConfigurationError(what, f"write it as {cls.example}")
        if address.endpoint_url and (
            endpoint is None or endpoint.scheme not in {"http", "https"} or not endpoint.hostname
        ):
            raise ConfigurationError("endpoint_url is no endpoint", f"write it as {cls.endpoint_example}")
        endpoint_url = address.endpoint_url.rstrip("/") if address.endpoint_url else None
        plain = f"{cls.scheme}://{url.netloc}/{prefix}".rstrip("/")
        same = replace(address, url=plain, endpoint_url=endpoint_url, region=address.region or None)
        return cls(url.netloc, prefix, same, hurried)

    @property
    def capabilities(self) -> Capabilities:
        """Reading costs time and money, and another machine's locks are not seen."""
        return Capabilities(rereads=False, locks_all_machines=False)

    def where(self, name: str) -> str:
        """The URL."""
        return f"{self.scheme}://{self.bucket}/{self._key(name)}".rstrip("/")

    def lock(self: Store, name: str, purpose: str, *, shared: bool, patience: float) -> AbstractContextManager[None]:
        """A lock of the kernel on a file in this user's cache."""
        refuse_bad_name(name)
        return machine_lock(self, name, purpose, shared=shared, patience=patience)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _inside(self, folder: str) -> str:
        """What the names of all objects below a folder begin with."""
        return f"{self._key(folder).rstrip('/')}/".removeprefix("/")


def _split(url: str) -> SplitResult | None:
    """None of what cannot be an address."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port  # which are understood only when they are asked for
    except ValueError:
        return None
    return parts


def _holds_more(endpoint: SplitResult) -> bool:
    return "@" in endpoint.netloc or bool(endpoint.query or endpoint.fragment)
