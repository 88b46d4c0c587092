"""What to raise where S3 refuses or is not heard: what failed and where, its code, and what to do; never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from chom_pipelines.errors import (
    DamagedError,
    DiskFullError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    StoreUnreachableError,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_MISSING = {"NoSuchKey", "404"}  # an answer to HEAD has no body, so that its code is a bare number
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_CONDITIONAL = {"PutObject", "CompleteMultipartUpload"}
_FULL = {"QuotaExceeded", "XMinioStorageFull"}
_LATER = {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "ThrottlingException", "429"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role"
_RENEW = f"renew the credentials: {_CREDENTIALS}"
_REGION = "give the region that the bucket is in"
_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct its name, the region or the endpoint",
    "BucketAlreadyExists": "somebody else has a bucket of that name: choose another one",
    "ExpiredToken": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "InvalidToken": _RENEW,
    "InvalidAccessKeyId": _RENEW,
    "SignatureDoesNotMatch": _RENEW,
    "RequestTimeTooSkewed": "set the clock of this machine",
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "InvalidObjectState": "have it brought back from the archive (`aws s3api restore-object`), and read it then",
    "NotImplemented": "use a store that knows conditional writes, or a newer version of it",
    "400": _RENEW,
}
_ACTIONS = {
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "DeleteObjects": "s3:DeleteObject",
}
"""What lets an operation be done, where it has not the operation's own name."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what boto3 raises in the block as the RepositoryError that says it."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _refused(error, where) from error
    except (BotoCoreError, HTTPError) as error:
        raise _not_heard(error, where) from error


def code_of(error: ClientError) -> str:
    """Such as NoSuchKey; of an answer without a body, its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", "no code"))


def is_missing(error: ClientError) -> bool:
    """Whether there is no object of that name."""
    return code_of(error) in _MISSING


def refusal(where: str, operation: str, code: str, message: str, status: int = 0) -> RepositoryError:
    """What to raise where an answer to this operation has this code, or HTTP status."""
    what = f"{where}: {operation} was refused: {code} ({message})"
    if code in _DENIED:
        allow = f"allow {_ACTIONS.get(operation, f's3:{operation}')} to who runs chom"
        return RepositoryError(what, f"create the bucket, or {allow}" if operation == "CreateBucket" else allow)
    if code in _FULL or status == HTTPStatus.INSUFFICIENT_STORAGE:
        return DiskFullError(what, "free space in that store, or raise its quota")
    if code in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreUnreachableError(what, "run it again later")
    return RepositoryError(what, _REMEDIES.get(code, "mend what the store says, and run it again"))


def _refused(error: ClientError, where: str) -> RepositoryError:
    code, operation = code_of(error), error.operation_name
    if code in _MISSING:
        return ObjectMissingError(f"{where} is not there")
    if code in _TAKEN and operation in _CONDITIONAL:
        return ObjectExistsError(f"{where} is there already, or is being put there by another run")
    if code in _TAKEN and operation == "GetObject":
        return RepositoryError(f"{where} was replaced while it was read", "read it again")
    message = error.response.get("Error", {}).get("Message", "it says no more")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return refusal(where, operation, code, message, status)


def broken_off() -> tuple[type[Exception], ...]:
    """What is raised where an answer does not come to its end."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError
    from urllib3.exceptions import HTTPError  # boto3 passes some on as they are

    return (HTTPClientError, IncompleteReadError, HTTPError)


def _not_heard(error: Exception, where: str) -> RepositoryError:
    from botocore import exceptions

    no_credentials = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.NoAuthTokenError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.LoginError,
    )
    if isinstance(error, no_credentials):  # the text of some holds what a program said that was to give a secret
        return RepositoryError(f"{where}: no credentials that can be used ({type(error).__name__})", _CREDENTIALS)
    if isinstance(error, (exceptions.ConnectionError, *broken_off())):
        return StoreUnreachableError(f"{where}: {error}", "see whether the endpoint can be reached, and run it again")
    if isinstance(error, exceptions.FlexibleChecksumError):
        return DamagedError(f"{where}: {error}")
    return RepositoryError(f"{where}: {error}", "correct the address of the store, or AWS's own configuration")
