import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError, FlexibleChecksumError, ResponseStreamingError

from chom_pipelines.errors import (
    DamagedError,
    DiskFullError,
    ObjectExistsError,
    ObjectMissingError,
    RepositoryError,
    StoreUnreachableError,
)
from chom_pipelines.repository.s3_errors import translated


@pytest.mark.parametrize(
    ("operation", "code", "status", "kind", "remedy"),
    [
        ("PutObject", "AccessDenied", 403, RepositoryError, "allow s3:PutObject"),
        ("UploadPart", "AccessDenied", 403, RepositoryError, "allow s3:PutObject"),
        ("HeadObject", "403", 403, RepositoryError, "allow s3:GetObject and s3:ListBucket"),
        ("ListObjectsV2", "AccessDenied", 403, RepositoryError, "allow s3:ListBucket"),
        ("CreateBucket", "AccessDenied", 403, RepositoryError, "create the bucket, or allow s3:CreateBucket"),
        ("PutObject", "ExpiredToken", 400, RepositoryError, "renew the credentials"),
        ("PutObject", "InvalidAccessKeyId", 403, RepositoryError, "renew the credentials"),
        ("PutObject", "SomethingNew", 400, RepositoryError, "mend what the store says"),
        ("PutObject", "PreconditionFailed", 412, ObjectExistsError, "find out what else writes there"),
        ("PutObject", "ConditionalRequestConflict", 409, ObjectExistsError, "find out what else writes there"),
        ("GetObject", "NoSuchKey", 404, ObjectMissingError, "look at what else is there"),
        ("PutObject", "XMinioStorageFull", 507, DiskFullError, "free space"),
        ("PutObject", "SlowDown", 503, StoreUnreachableError, "later"),
        ("PutObject", "Unheard", 500, StoreUnreachableError, "later"),
    ],
)
def test_a_refusal_says_what_failed_where_and_what_to_do(
    operation: str, code: str, status: int, kind: type[RepositoryError], remedy: str
) -> None:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(RepositoryError, match="s3://bucket/x") as caught, translated("s3://bucket/x"):
        raise ClientError(answer, operation)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert remedy in caught.value.remedy


def test_what_was_to_give_a_secret_is_not_quoted() -> None:
    with pytest.raises(RepositoryError, match="no credentials") as caught, translated("s3://bucket/x"):
        raise CredentialRetrievalError(provider="custom-process", error_msg="hidden")
    assert "hidden" not in str(caught.value)


def test_bytes_that_are_not_what_their_checksum_says_are_damaged() -> None:
    with pytest.raises(DamagedError), translated("s3://bucket/x"):
        raise FlexibleChecksumError(error_msg="Expected checksum x")


def test_an_answer_that_never_comes_whole_may_do_so_later() -> None:
    with pytest.raises(StoreUnreachableError), translated("s3://bucket/x"):
        raise ResponseStreamingError(error="broken")
