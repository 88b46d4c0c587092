"""The client of a store in Google Cloud Storage, and how long it tries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import ConfigurationError, SecretUnavailableError
from chom_pipelines.repository.store import StoreAddress

if TYPE_CHECKING:
    from google.cloud.storage import Client

_SECONDS = 60.0
_HURRIED_SECONDS = 5.0
_TRIES_AGAIN_FOR = 60.0


def google_client(address: StoreAddress) -> Client:
    """A client; threads share it.

    Credentials are those of the address's file, the JSON key of a service account, else what Google's library finds:
    GOOGLE_APPLICATION_CREDENTIALS, a login of `gcloud`, the machine's own service account.

    Raises ConfigurationError where the file is no key, SecretUnavailableError where it
    cannot be read; what Google's library raises.
    """
    from google.cloud.storage import Client

    options: dict[str, Any] = {"client_options": {"api_endpoint": address.endpoint_url}} if address.endpoint_url else {}
    # of what a bucket is not made of no project is needed, and a login has none: without a name it is refused
    options["project"] = os.environ.get("GOOGLE_CLOUD_PROJECT") or "unnamed"
    if not address.credentials:
        try:
            return Client(**options)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            file = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
            what = f"the credentials for {address.url} cannot be used" + (f": {file}" if file else "")
            raise ConfigurationError(what, "correct GOOGLE_APPLICATION_CREDENTIALS, or log in anew") from error
    try:
        return Client.from_service_account_json(address.credentials, **options)
    except OSError as error:
        what = f"{address.credentials} cannot be read: {error.strerror}"
        raise SecretUnavailableError(what, "correct repository.offsite.credentials") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # its own words might repeat the key
        what = f"{address.credentials} holds no key of a service account"
        raise ConfigurationError(what, "make one with `gcloud iam service-accounts keys create`") from error


def patience(*, hurried: bool) -> dict[str, Any]:
    """What each request is made with: how long one may take, and for how long it is tried again."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    if hurried:
        return {"timeout": _HURRIED_SECONDS, "retry": None}
    return {"timeout": _SECONDS, "retry": DEFAULT_RETRY.with_timeout(_TRIES_AGAIN_FOR)}
