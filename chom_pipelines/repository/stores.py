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
    # the stores' own libraries are imported when they are first asked: each takes a third of a second or more
    if scheme == "s3":
        from chom_pipelines.repository.s3_store import S3Store

        return S3Store.of(address, hurried=hurried)
    if scheme == "az":
        from chom_pipelines.repository.azure_store import AzureStore

        return AzureStore.of(address, hurried=hurried)
    if scheme == "gs":
        from chom_pipelines.repository.google_store import GoogleStore

        return GoogleStore.of(address, hurried=hurried)
    remedy = "use file:///path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    raise ConfigurationError(f"there is no store for {address.url}", remedy)
