"""Which store an address leads to."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.store import Store, StoreAddress


def open_store(address: StoreAddress, *, hurried: bool = False) -> Store:
    """The store of that address; nothing is connected or read yet. `hurried`: one that is far is given up soon.

    Raises ConfigurationError where no store of this version has such addresses.
    """
    scheme, host, path, *_ = urlsplit(address.url)
    if scheme == "file" and not host:
        return LocalStore(Path(unquote(path)))
    if scheme == "s3":
        from chom_pipelines.repository.s3_store import S3Store  # boto3 takes a third of a second to import

        return S3Store.of(address, hurried=hurried)
    raise ConfigurationError(f"there is no store for {address.url}", "use file:///path or s3://bucket/prefix")
