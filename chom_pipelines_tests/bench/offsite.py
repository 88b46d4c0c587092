"""`make bench-offsite`: a push and a pull by chom, and `aws s3 cp` of the same files to the same local server.

The server is moto's, over HTTP in a process of its own. chom compares each object with its manifest as it is read, and
asks the store for the checksum of what it has; a pull hashes again, and syncs what it writes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import yaml

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.objects import ObjectWriter
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.scratch import free_port
from chom_pipelines_tests.repository.samples import NOON, a_manifest

_OBJECT = 64 << 20
_PIECE = 1 << 20
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Contestant:
    """A command, what makes room for it, and what it took."""

    name: str
    command: list[str]
    prepare: Callable[[], None]
    seconds: list[float] = field(default_factory=list)
    peak: int = 0


def main() -> None:
    """Print MB/s and memory of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chom-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:  # noqa: S108
        directory = Path(name)
        count = _fill(directory, options.megabytes)
        print(f"{count / 1e6:,.0f} MB in objects of {_OBJECT >> 20} MiB, {options.rounds} rounds", end="\n\n")
        with _store(directory) as endpoint:
            contestants = _contestants(directory, endpoint)
            for number in range(options.rounds):
                for each in contestants if number % 2 == 0 else contestants[::-1]:
                    each.prepare()
                    os.sync()
                    _run(each)
        for each in contestants:
            took = median(each.seconds)
            rounds = ", ".join(f"{seconds:.2f}" for seconds in each.seconds)
            print(f"{each.name:<24} {count / 1e6 / took:7.1f} MB/s  {took:6.2f} s ({rounds})  {each.peak >> 20:4d} MiB")


def _fill(directory: Path, megabytes: int) -> int:
    """A backup of random bytes, as encrypted ones are; its keys and chom.yaml."""
    keyring, key = Keyring().generate("bench", KeyKind.AES_256), DataKey.generate()
    keyring.save(directory / "keys.json")
    repository = Repository(LocalStore(directory / "repository"))
    repository.create()
    with repository.stream("bench").begin(Kind.FULL, NOON) as draft:
        objects = []
        for number in range(megabytes * _PIECE // _OBJECT):
            with ObjectWriter(draft.folder, f"data/{number:05d}.tsv", Codec.NONE, 0, key) as writer:
                for _ in range(_OBJECT // _PIECE):
                    writer.write(random.randbytes(_PIECE))
            objects.append(writer.close())
        draft.publish(a_manifest("bench", draft.id, tuple(objects), keyring.wrap(key)), key)
    return sum(stored.bytes for stored in objects)


@contextmanager
def _store(directory: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"]
    environment = {**os.environ, **_ENVIRONMENT, "TMPDIR": str(directory)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            if not _aws(endpoint, "mb", "s3://bench", check=False).returncode:
                break
            time.sleep(0.1)  # it tells nobody that it listens
        yield endpoint
    finally:
        process.terminate()
        process.wait()


def _contestants(directory: Path, endpoint: str) -> list[Contestant]:
    config, files = directory / "chom.yaml", directory / "repository" / "bench"
    body = {
        "repository": {
            "path": str(directory / "repository"),
            "offsite": {"url": "s3://bench/chom", "endpoint_url": endpoint, "region": "us-east-1"},
            "encryption": {"keys": {"file": str(directory / "keys.json")}},
        },
        "servers": [{"name": "bench", "socket": "/none", "user": "none"}],
    }
    config.write_text(yaml.safe_dump(body))
    back = directory / "back.yaml"
    body["repository"]["path"] = str(directory / "back")  # type: ignore[index]
    back.write_text(yaml.safe_dump(body))
    chom = str(Path(sys.executable).with_name("chom"))

    def cleared(prefix: str) -> Callable[[], None]:
        return lambda: (_aws(endpoint, "rm", "--recursive", "--quiet", f"s3://bench/{prefix}"), None)[1]

    def removed(name: str) -> Callable[[], None]:
        return lambda: shutil.rmtree(directory / name, ignore_errors=True)

    aws = ["aws", "--endpoint-url", endpoint, "s3", "cp", "--recursive", "--quiet"]
    return [
        Contestant("chom offsite push", [chom, "offsite", "push", "--config", str(config)], cleared("chom")),
        Contestant("aws s3 cp, up", [*aws, str(files), "s3://bench/aws"], cleared("aws")),
        Contestant("chom offsite pull", [chom, "offsite", "pull", "--all", "--config", str(back)], removed("back")),
        Contestant("aws s3 cp, down", [*aws, "s3://bench/aws", str(directory / "down")], removed("down")),
    ]


def _aws(endpoint: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    command = ["aws", "--endpoint-url", endpoint, "s3", *arguments]
    return subprocess.run(command, env={**os.environ, **_ENVIRONMENT}, check=check, capture_output=True)


def _run(contestant: Contestant) -> None:
    began = time.monotonic()
    environment = {**os.environ, **_ENVIRONMENT}
    process = psutil.Popen(contestant.command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            contestant.peak = max(contestant.peak, process.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.02)  # how often memory is looked at
    if process.wait():
        message = f"{contestant.name} failed with {process.returncode}"
        raise RuntimeError(message)
    contestant.seconds.append(time.monotonic() - began)


if __name__ == "__main__":
    main()
