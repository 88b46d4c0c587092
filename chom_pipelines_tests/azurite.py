"""An Azure Blob Storage for tests: Azurite in a process of its own, asked over HTTP."""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from chom_pipelines.cache import cache_directory
from chom_pipelines.repository.store import StoreAddress

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

ACCOUNT: Final = "chomtest"
KEY: Final = base64.b64encode(b"a key of nothing").decode()
_FORGOTTEN = ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN")
_containers = itertools.count(1)


@dataclass(frozen=True)
class Azurite:
    """A running one."""

    endpoint_url: str
    client: BlobServiceClient

    def fresh_container(self) -> str:
        """The name of a new container, empty."""
        name = f"chom-test-{next(_containers)}"
        self.client.create_container(name)
        return name

    def fresh_address(self) -> StoreAddress:
        """The address of an empty store: what is below a prefix of a new container."""
        return StoreAddress(f"az://{self.fresh_container()}/some/prefix", self.endpoint_url)


@contextmanager
def azurite() -> Iterator[Azurite]:
    """Start it on a free port; while it runs, the environment has its credentials, for subprocesses too.

    Raises FileNotFoundError where it was not installed: `make azurite` does that.
    """
    from azure.storage.blob import BlobServiceClient

    program = cache_directory() / "azurite/node_modules/azurite/dist/src/blob/main.js"
    if not program.exists():
        raise FileNotFoundError(f"{program} is not there: run make azurite")
    command: list[str] = [
        "node",
        str(program),
        "--blobPort",
        "0",
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--silent",
        "--skipApiVersionCheck",
    ]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path("/")) as process:
        try:
            assert process.stdout
            url = next(line.split()[-1] for line in process.stdout if "successfully listens on" in line)
            endpoint_url = f"{url.rstrip('/')}/{ACCOUNT}"
            with pytest.MonkeyPatch.context() as variables:
                for name in _FORGOTTEN:
                    variables.delenv(name, raising=False)
                variables.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
                variables.setenv("AZURE_STORAGE_KEY", KEY)
                credential = {"account_name": ACCOUNT, "account_key": KEY}
                yield Azurite(endpoint_url, BlobServiceClient(endpoint_url, credential=credential))
        finally:
            process.terminate()
            process.communicate()  # it still has things to say
