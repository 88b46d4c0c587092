"""What to raise where Azure refuses or is not heard: what failed and where, its code, what to do; never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from chom_pipelines.errors import (
    DiskFullError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    StoreUnreachableError,
)

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

_TAKEN = {"BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite", "BlobImmutableDueToPolicy"}
_FULL = {"AccountCapacityExceeded", "InsufficientAccountCapacity"}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_REMEDIES = {
    "ContainerNotFound": "create the container, or correct its name or the account",
    "AuthorizationPermissionMismatch": "give who runs chom the role Storage Blob Data Contributor on the container",
    "AuthorizationFailure": "check the credentials, and whether the storage account's firewall lets this machine in",
    "InvalidBlockList": "run it again: another upload of the same name was quicker",
    "BlobArchived": "rehydrate the blob (`az storage blob set-tier --tier Hot`), and read it when that has ended",
    "BlobImmutableDueToPolicy": "wait until the container's immutability policy lets it be changed",
    "InvalidBlobOrBlock": "wait a week, until Azure forgets the blocks that somebody else has sent under this name",
    "Md5Mismatch": "see to the network, and run it again",
}
_CREDENTIALS = (
    "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, "
    "or give this machine a managed identity"
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what Azure's library raises in the block as the RepositoryError that says it."""
    from azure.core import exceptions

    try:
        yield
    except exceptions.ClientAuthenticationError as error:
        raise refusal(error, where) if error.status_code else _unknown_to_azure(where, error) from error
    except exceptions.IncompleteReadError as error:
        raise _not_heard(error, where) from error
    except exceptions.HttpResponseError as error:
        raise refusal(error, where) from error
    except exceptions.AzureError as error:
        raise _not_heard(error, where) from error
    except ValueError as error:  # of azure-identity, such as that a token goes over HTTPS only
        raise _unknown_to_azure(where, error) from error


def code_of(error: HttpResponseError) -> str:
    """Such as BlobNotFound; of an answer without one, its HTTP status."""
    code = getattr(error, "error_code", None) or getattr(error.model, "code", None)
    return str(getattr(code, "value", code) or error.status_code or "no code")


def refusal(error: HttpResponseError, where: str) -> RepositoryError:
    """What to raise for this answer."""
    code, status = code_of(error), error.status_code or 0
    if code in {"BlobNotFound", "404"}:
        return ObjectMissingError(f"{where} is not there")
    if code in _TAKEN - set(_REMEDIES):
        return ObjectExistsError(f"{where} is there already, or is being put there by another run")
    what = f"{where}: Azure refused it: {code} ({_reason(error)})"
    if code in _FULL or status == HTTPStatus.INSUFFICIENT_STORAGE:
        return DiskFullError(what, "free space in that storage account, or raise its quota")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return StoreUnreachableError(what, "run it again later")
    remedy = _CREDENTIALS if status in _DENIED else "mend what the store says, and run it again"
    return RepositoryError(what, _REMEDIES.get(code, remedy))


def _reason(error: HttpResponseError) -> str:
    """The first line alone: what follows are identifiers of the request."""
    return (error.reason or "it says no more").splitlines()[0]


def _unknown_to_azure(where: str, error: Exception) -> RepositoryError:
    # its text holds what each way of finding credentials said, some of which come from other programs
    return RepositoryError(f"{where}: no credentials that can be used ({type(error).__name__})", _CREDENTIALS)


def _not_heard(error: Exception, where: str) -> RepositoryError:
    what = f"{where}: no answer ({type(error).__name__})"
    return StoreUnreachableError(what, "see whether the endpoint can be reached, and run it again")
