"""What a bucket keeps of objects that are replaced or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chom_pipelines.repository.s3_errors import code_of
from chom_pipelines.repository.store import Keeps, Protection

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_YEAR = 365
_LOCK = "give the bucket an object lock with a default retention in compliance mode"
_UNLOCKED = {"ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound", "NoSuchObjectLockConfiguration"}


def bucket_protection(client: S3Client, bucket: str) -> Protection:
    """As every new object is, by the bucket's own default retention; raises what boto3 raises.

    A bucket that could lock objects, and has no such default, locks none of ours.
    """
    from botocore.exceptions import ClientError

    try:
        lock = client.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration", {})
    except ClientError as error:
        if code_of(error) not in _UNLOCKED:
            raise
        lock = {}
    if retention := lock.get("Rule", {}).get("DefaultRetention"):
        days = retention.get("Days", 0) + _YEAR * retention.get("Years", 0)
        return Protection(Keeps.LOCKED if retention.get("Mode") == "COMPLIANCE" else Keeps.GOVERNED, days, _LOCK)
    versioning = client.get_bucket_versioning(Bucket=bucket).get("Status")
    return Protection(Keeps.VERSIONED if versioning == "Enabled" else Keeps.NOTHING, 0, _LOCK)
