"""What to raise where Google refuses or is not heard: what failed and where, its words, what to do; never a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from chom_pipelines.errors import (
    DamagedError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    StoreUnreachableError,
)

_CREDENTIALS = (
    "set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or repository.offsite.credentials, "
    "or give this machine a service account"
)
_ROLE = "give who runs chom the role Storage Object User on the bucket"
_URL = re.compile(r"^[A-Z]+ https?://\S+: ")
"""What Google's library puts before the words of an answer."""
_NO_BUCKET = "The specified bucket does not exist"


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what Google's library raises in the block as the RepositoryError that says it."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except GoogleAPICallError as error:
        raise refusal(where, error.code or 0, error.message) from error
    except InvalidResponse as error:
        raise refusal(where, error.response.status_code, _said(error.response.text)) from error
    except DataCorruption as error:
        raise DamagedError(f"{where}: the store got other bytes than were sent", "run it again") from error
    except (DefaultCredentialsError, RefreshError) as error:  # the text may hold what another program said
        what = f"{where}: no credentials that can be used ({type(error).__name__})"
        raise RepositoryError(what, _CREDENTIALS) from error
    except (RetryError, TransportError, GoogleAuthError, RequestException, HTTPError, ConnectionError) as error:
        what = f"{where}: no answer ({type(error).__name__})"
        raise StoreUnreachableError(what, "see whether the endpoint can be reached, and run it again") from error


def _said(text: str) -> str:
    """The message in an answer's JSON, else the answer."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text


def refusal(where: str, status: int, words: str) -> RepositoryError:
    """What to raise for an answer of this HTTP status."""
    said = (_URL.sub("", words).strip() or "it says no more").splitlines()[0]
    what = f"{where}: Google refused it: {status} ({said})"
    if status == HTTPStatus.NOT_FOUND:
        if _NO_BUCKET in words:
            return RepositoryError(what, "create the bucket, or correct its name")
        return ObjectMissingError(f"{where} is not there")
    if status == HTTPStatus.PRECONDITION_FAILED:
        return ObjectExistsError(f"{where} is there already, or is being put there by another run")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return RepositoryError(what, _ROLE if status == HTTPStatus.FORBIDDEN else _CREDENTIALS)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT} or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return StoreUnreachableError(what, "run it again later")
    return RepositoryError(what, "mend what the store says, and run it again")
