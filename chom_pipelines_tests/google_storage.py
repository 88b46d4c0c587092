"""A Google Cloud Storage for tests: an emulator in a thread, asked over HTTP.

The emulator knows no conditions; that an object is only put where none is, is added here.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chom_pipelines.repository.store import StoreAddress

if TYPE_CHECKING:
    from gcp_storage_emulator.storage import Storage
    from google.cloud.storage import Client

_Handler = Callable[..., Any]
_FORGOTTEN = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT")
_buckets = itertools.count(1)


@dataclass(frozen=True)
class GoogleStorage:
    """A running one."""

    endpoint_url: str
    client: Client

    def fresh_bucket(self) -> str:
        """The name of a new bucket, empty."""
        name = f"chom-test-{next(_buckets)}"
        self.client.create_bucket(name)
        return name

    def fresh_address(self) -> StoreAddress:
        """The address of an empty store: what is below a prefix of a new bucket."""
        return StoreAddress(f"gs://{self.fresh_bucket()}/some/prefix")


@contextmanager
def google_storage() -> Iterator[GoogleStorage]:
    """Start it on a free port; while it runs, the environment leads Google's library to it, in subprocesses too."""
    from gcp_storage_emulator.handlers import objects
    from gcp_storage_emulator.server import HANDLERS, POST, PUT, RequestHandler
    from gcp_storage_emulator.storage import Storage
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    class Quiet(RequestHandler):  # type: ignore[misc]  # it has no types
        def log_message(self, *_: object) -> None:
            """Nothing: a test that fails is easier to read."""

    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, Storage(use_memory_fs=True)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patched:
            for _, methods in HANDLERS:
                for method in (POST, PUT):
                    if getattr(methods.get(method), "__name__", "") in {"insert", "upload_partial"}:
                        patched.setitem(methods, method, _only_where_none_is(methods[method]))
            made = objects._make_object_resource
            patched.setattr(
                objects, "_make_object_resource", lambda *given, **named: _without_link(made(*given, **named))
            )
            for name in _FORGOTTEN:
                patched.delenv(name, raising=False)
            endpoint_url = f"http://127.0.0.1:{server.server_port}"
            patched.setenv("STORAGE_EMULATOR_HOST", endpoint_url)
            nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
            yield GoogleStorage(endpoint_url, Client("chom-test", nobody))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _without_link(resource: dict[str, Any]) -> dict[str, Any]:
    """Its link is not quoted as Google's is; without one, the library makes its own."""
    del resource["mediaLink"]
    return resource


def _only_where_none_is(handler: _Handler) -> _Handler:
    def guarded(request: Any, response: Any, storage: Storage, *more: Any) -> Any:  # noqa: ANN401
        if request.query.get("ifGenerationMatch") == ["0"] and _is_there(request, storage):
            response.status = HTTPStatus.PRECONDITION_FAILED
            response.json({"error": {"code": 412, "message": "At least one of the pre-conditions did not hold."}})
            return None
        return handler(request, response, storage, *more)

    return guarded


def _is_there(request: Any, storage: Storage) -> bool:  # noqa: ANN401
    from gcp_storage_emulator.exceptions import NotFound

    if "upload_id" in request.query:
        name = storage.get_resumable_file_obj(request.query["upload_id"][0])["name"]
    else:
        name = request.query.get("name", [None])[0] or (request.data.get("meta") or request.data)["name"]
    try:
        storage.get_file_obj(request.params["bucket_name"], name)
    except NotFound:
        return False
    return True
