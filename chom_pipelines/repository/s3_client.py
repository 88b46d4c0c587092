"""The client of an S3 store, and what every object is put with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.store import StoreAddress

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONNECT_SECONDS = 10
_HURRIED_SECONDS = 3


def s3_client(address: StoreAddress, *, hurried: bool) -> S3Client:
    """A client by a session of its own: clients can be shared by threads, sessions cannot.

    Credentials are those of the address's file and profile, else those that boto3 finds: the environment, a profile,
    the machine's role. `hurried`: it asks once, and waits for seconds.

    Raises ConfigurationError where there is no such profile; what boto3 raises.
    """
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import ProfileNotFound
    from botocore.session import get_session

    core = get_session()
    if address.credentials:
        core.set_config_variable("credentials_file", address.credentials)
    if address.profile or address.credentials:  # which AWS_ACCESS_KEY_ID would go before
        core.set_config_variable("profile", address.profile or "default")
    config = Config(connect_timeout=_CONNECT_SECONDS)  # how often to try again, AWS's own settings say
    if hurried:
        config = Config(
            connect_timeout=_HURRIED_SECONDS, read_timeout=_CONNECT_SECONDS, retries={"total_max_attempts": 1}
        )
    try:
        session = Session(botocore_session=core)
        return session.client("s3", endpoint_url=address.endpoint_url, region_name=address.region, config=config)
    except ProfileNotFound as error:
        if not (address.profile or address.credentials):  # it is the environment's
            raise
        what = f"there is no profile {address.profile or 'default'} in {address.credentials or 'the files of AWS'}"
        raise ConfigurationError(what, "correct repository.offsite.profile and credentials") from error


def put_options(address: StoreAddress) -> dict[str, Any]:
    """What the requests that make an object say of it, beside its bytes."""
    options = {
        "StorageClass": address.storage_class,
        "ServerSideEncryption": address.encryption,
        "SSEKMSKeyId": address.kms_key,
    }
    return {name: value for name, value in options.items() if value}
