"""What a bucket keeps of objects that are replaced or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chom_pipelines.repository.s3_errors import code_of
from chom_pipelines.repository.store import Protection

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_UNLOCKED = {"ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound", "NoSuchObjectLockConfiguration"}


def bucket_protection(client: S3Client, bucket: str) -> Protection:
    """Locked where every new object is, by the bucket's own default retention; raises what boto3 raises.

    A bucket that could lock objects, and has no such default, locks none of ours.
    """
    from botocore.exceptions import ClientError

    try:
        lock = client.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration", {})
    except ClientError as error:
        if code_of(error) not in _UNLOCKED:
            raise
        lock = {}
    if lock.get("Rule", {}).get("DefaultRetention"):
        return Protection.LOCKED
    versioning = client.get_bucket_versioning(Bucket=bucket).get("Status")
    return Protection.VERSIONED if versioning == "Enabled" else Protection.NONE
