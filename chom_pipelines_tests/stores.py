"""An S3 for tests: moto's server in a thread, asked over HTTP, so that what subprocesses do in it is real as well."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from chom_pipelines.repository.store import PIECE, StoreAddress

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

REGION: Final = "eu-central-1"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_FORGOTTEN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION")
_buckets = itertools.count(1)


class _Service:
    """moto's application, which does one change at a time, as S3 decides a condition and writes in one step.

    `breaks` is how many answers of more than one piece will still be cut off, after `kept` bytes; `losses` how many
    changes will still be made and then answered as if they had failed; `unconditional`: it does not know conditions;
    `changing`: it stores other bytes than it gets of what is more than one piece.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._changing = threading.Lock()
        self.breaks = self.kept = self.losses = 0
        self.unconditional = self.changing = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            answer = b"".join(self._application(environ, start_response))
            if self.breaks and len(answer) > PIECE:
                self.breaks -= 1
                return [answer[: self.kept]]
            return [answer]
        if self.unconditional:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if self.changing and (size := int(environ.get("CONTENT_LENGTH") or 0)) > PIECE:
            environ["wsgi.input"] = io.BytesIO(bytes(1) + environ["wsgi.input"].read(size)[1:])
        with self._changing:
            if not self.losses:
                return [b"".join(self._application(environ, start_response))]
            self.losses -= 1
            list(self._application(environ, lambda *_: None))
        start_response("503 Service Unavailable", [])
        return []


@dataclass(frozen=True)
class ObjectStorage:
    """A running S3."""

    endpoint_url: str
    client: S3Client
    _service: _Service

    def fresh_bucket(self) -> str:
        """The name of a new bucket, empty."""
        name = f"chom-test-{next(_buckets)}"
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def fresh_address(self) -> StoreAddress:
        """The address of an empty store: what is below a prefix of a new bucket."""
        return self.address(f"s3://{self.fresh_bucket()}/some/prefix")

    def locked_address(self, days: int, mode: str = "COMPLIANCE") -> StoreAddress:
        """The same of a bucket that locks what is put there."""
        name = f"chom-test-{next(_buckets)}"
        self.client.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=True,
        )
        rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
        self.client.put_object_lock_configuration(
            Bucket=name,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},  # type: ignore[typeddict-item]
        )
        return self.address(f"s3://{name}/some/prefix")

    def address(self, url: str) -> StoreAddress:
        """The address of a store in it."""
        return StoreAddress(url, self.endpoint_url, REGION)

    @contextmanager
    def breaking_off(self, answers: int, after: int = 2 * PIECE) -> Iterator[None]:
        """Cut off as many of the next long answers after so many bytes."""
        self._service.breaks, self._service.kept = answers, after
        try:
            yield
        finally:
            self._service.breaks = 0

    def lose(self, answers: int) -> None:
        """Make as many of the next changes, and answer as if they had failed."""
        self._service.losses = answers

    @contextmanager
    def changing_what_is_put(self) -> Iterator[None]:
        """Store the first byte of what is long as zero."""
        self._service.changing = True
        try:
            yield
        finally:
            self._service.changing = False

    @contextmanager
    def without_conditions(self) -> Iterator[None]:
        """Be an older store, that takes a condition for nothing."""
        self._service.unconditional = True
        try:
            yield
        finally:
            self._service.unconditional = False


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    """Start it on a free port; while it runs, the environment has its credentials, for subprocesses too."""
    from boto3.session import Session
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: a test that fails is easier to read."""

    service = _Service(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, service, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as environment:
            for name in _FORGOTTEN:
                environment.delenv(name, raising=False)
            for name, value in _ENVIRONMENT.items():
                environment.setenv(name, value)
            endpoint_url = f"http://127.0.0.1:{server.port}"
            client = Session().client("s3", endpoint_url=endpoint_url, region_name=REGION)
            yield ObjectStorage(endpoint_url, client, service)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
