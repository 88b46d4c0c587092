"""The client of a store in Azure Blob Storage, and whose credentials it takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chom_pipelines.errors import ConfigurationError, SecretUnavailableError
from chom_pipelines.repository.part_buffer import PART
from chom_pipelines.repository.store import StoreAddress

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_HURRIED_SECONDS = 3
_TRIES_AGAIN = 5


def azure_client(address: StoreAddress, *, hurried: bool) -> BlobServiceClient:
    """A client for the account; threads share it.

    Credentials are those of the address's file, which holds a connection string, else those that the environment names
    as AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, else what azure-identity finds: a
    service principal, the machine's managed identity, a login of `az`. `hurried`: it asks once, and waits for seconds.

    Raises ConfigurationError where the account is not named, or what should be a connection string is none;
    SecretUnavailableError where its file cannot be read.
    """
    from azure.storage.blob import BlobServiceClient, ExponentialRetry

    retry = ExponentialRetry(initial_backoff=0, increment_base=2, random_jitter_range=1, retry_total=_TRIES_AGAIN)
    if hurried:
        retry = ExponentialRetry(retry_total=0)
    options: dict[str, Any] = {
        "connection_timeout": _HURRIED_SECONDS if hurried else _CONNECT_SECONDS,
        "read_timeout": _CONNECT_SECONDS if hurried else _READ_SECONDS,
        "retry_policy": retry,
        "max_single_put_size": PART,
        "max_single_get_size": PART,
        "max_chunk_get_size": PART,
    }
    if address.credentials or os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").strip():
        text = _connection_string(address)
        where = address.credentials or "AZURE_STORAGE_CONNECTION_STRING"
        what = f"what {where} holds is no connection string of a storage account"
        remedy = "take it from `az storage account show-connection-string --query connectionString -o tsv`"
        names = {each.partition("=")[0].strip().lower() for each in text.split(";")}
        if text[:1] in set("{\"'") or not ({"accountname", "accountkey"} <= names or "sharedaccesssignature" in names):
            raise ConfigurationError(what, remedy)  # which would be read as that of a stranger, who needs no key
        if address.endpoint_url:
            text += f";BlobEndpoint={address.endpoint_url}"
        try:
            return BlobServiceClient.from_connection_string(text, **options)
        except ValueError as error:  # its own words might repeat the key
            raise ConfigurationError(what, remedy) from error
    url = _account_url(address)
    try:
        return BlobServiceClient(url, credential=_credential(url), **options)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:  # its own words might repeat a secret
        what = f"the credentials for {url} cannot be used ({type(error).__name__})"
        raise ConfigurationError(
            what, "correct the variables of Azure: AZURE_STORAGE_KEY, AZURE_CLIENT_ID, …"
        ) from error


def _connection_string(address: StoreAddress) -> str:
    if not address.credentials:
        return os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").strip().rstrip(";")
    try:
        return Path(address.credentials).read_text().strip().rstrip(";")
    except (OSError, UnicodeDecodeError) as error:
        what = f"{address.credentials} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        raise SecretUnavailableError(what, "correct repository.offsite.credentials") from error


def _account_url(address: StoreAddress) -> str:
    if address.endpoint_url:
        return address.endpoint_url
    account = os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    if not account:
        what = f"{address.url} names no storage account"
        remedy = (
            "set repository.offsite.endpoint_url to https://ACCOUNT.blob.core.windows.net, or AZURE_STORAGE_ACCOUNT"
        )
        raise ConfigurationError(what, remedy)
    return f"https://{account}.blob.core.windows.net"


def _credential(url: str) -> Any:  # noqa: ANN401  (of four kinds, which the library tells apart)
    if key := os.environ.get("AZURE_STORAGE_KEY"):
        account = os.environ.get("AZURE_STORAGE_ACCOUNT") or (urlsplit(url).hostname or "").partition(".")[0]
        return {"account_name": account, "account_key": key}
    if token := os.environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return token
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()
