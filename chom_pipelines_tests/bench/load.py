"""`make bench-load`: what a code server does before a deployment is in the UI, each round in a fresh process.

The steps are those of Dagster's code server, in its order; what it sends to the webserver has no public name.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import yaml

Result = TypeVar("Result")


@dataclass(frozen=True)
class Loaded:
    """One process: seconds of its steps, all of it, its CPU; bytes of its peak of memory and of the snapshot."""

    steps: dict[str, float]
    wall: float
    cpu: float
    peak: int
    snapshot: int


def main() -> None:
    """Print the medians; with --config one round's figures as JSON, which is how this program calls itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--config", type=Path, help="load this chom.yaml, once")
    options = parser.parse_args()
    if options.config:
        print(json.dumps(load(options.config)), flush=True)
        os._exit(0)  # a code server stays: how long its memory takes to be given back is no part of loading
    with tempfile.TemporaryDirectory() as directory:
        config = chom_yaml(Path(directory), options.servers)
        measured(config)  # writes the compiled modules, which an installed project has
        show(options.servers, [measured(config) for _ in range(options.rounds)])


def chom_yaml(directory: Path, servers: int) -> Path:
    """Of so many servers, each tenth of which has its own schedule and is always restored."""
    written = [
        {
            "name": f"db-{number:03d}.eu",
            "host": f"db-{number:03d}.eu.example.com",
            "user": "chom_backup",
            "password": {"env": "CHOM_DB_PASSWORD"},
            "databases": ["chom"],
            **({"backup": {"verification": "full"}, "schedules": {"full": "30 1 * * *"}} if number % 10 == 0 else {}),
        }
        for number in range(servers)
    ]
    path = directory / "chom.yaml"
    path.write_text(yaml.safe_dump({"repository": {"path": "repository"}, "servers": written}))
    return path


def measured(config: Path) -> Loaded:
    """A process of its own. Raises RuntimeError with what it said where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "CHOM_CONFIG"}
    began = time.monotonic()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-m", __spec__.name, "--config", str(config)],
            env={**environment, "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        answer = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace"))
    steps = json.loads(answer)
    snapshot = int(steps.pop("snapshot_bytes"))
    return Loaded(steps, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, snapshot)


def load(config: Path) -> dict[str, float]:
    """Seconds of each step in this process, and the size of what the webserver is sent."""
    seconds: dict[str, float] = {}

    def step(name: str, work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - began
        return result

    os.chdir("/")  # where no chom.yaml is: the module's own definitions are none, and import is all that it does
    step("imports", imported)

    import dagster as dg
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    from chom_pipelines.definitions import deployment
    from chom_pipelines.inventory.loading import load_inventory

    inventory = step("chom.yaml", lambda: load_inventory(config))
    definitions = step("definitions", lambda: deployment(inventory, config, dg.DefaultScheduleStatus.STOPPED))
    repository = step("repository", definitions.get_repository_def)
    step("its jobs", repository.load_all_definitions)
    sent = step("snapshot", lambda: serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True)))
    return {**seconds, "snapshot_bytes": len(sent)}


def imported() -> None:
    """All modules that a code server needs for it."""
    import_module("dagster._core.remote_representation.external_data")
    import_module("chom_pipelines.definitions")


def show(servers: int, rounds: list[Loaded]) -> None:
    """The medians, and how far the rounds are apart."""
    print(f"{servers} servers, {len(rounds)} rounds, seconds\n\n{'':14s} {'median':>8s} {'least':>8s} {'most':>8s}")
    for name in rounds[0].steps:
        line(name, [each.steps[name] for each in rounds])
    line("whole process", [each.wall for each in rounds])
    line("its CPU", [each.cpu for each in rounds])
    peak = statistics.median(each.peak for each in rounds)
    print(f"\npeak of memory {peak / 1e6:.0f} MB, snapshot {rounds[0].snapshot / 1e6:.1f} MB")


def line(name: str, seconds: list[float]) -> None:
    """One row of the table."""
    print(f"{name:14s} {statistics.median(seconds):8.2f} {min(seconds):8.2f} {max(seconds):8.2f}")


if __name__ == "__main__":
    main()
