"""`make bench-stream`: `chom stream` under load, with the server restarted, the service killed and the network cut.

It prints what was lost or doubled, which is found by comparing the archive with the server's own files, and for how
long how much was at stake. That is measured from outside: a probe inserts the time, and looks in the archive for when
the log's position behind it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from chom_pipelines.binlogs.streaming.lag import Place, place_of
from chom_pipelines.errors import ChomError
from chom_pipelines.repository.layout import parse_id
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive
from chom_pipelines_tests.binlogs.streams import Relay, Restartable, Writer, configured, differences
from chom_pipelines_tests.logical.taking import NAME, TOGETHER, Backups

_SETTLES = 15.0
"""Seconds after a disturbance was ended that are not counted as calm: the connection is made again."""


@dataclass
class Probe:
    """Every half second, where the server stands; and what of that is in the archive."""

    own: Restartable
    archive: Archive
    samples: list[tuple[float, float]] = field(default_factory=list)
    """When, and how much was at stake then, in seconds."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _pending: list[tuple[float, Place]] = field(default_factory=list)

    def run(self) -> None:
        """Until it is stopped."""
        all_until = time.monotonic()
        while not self._stopped.wait(0.5):
            now = time.monotonic()
            with suppress(ChomError, AssertionError), Session(self.own.server.root, connect_timeout=1) as session:
                self._pending.append((now, place_of(session, self.own.server.facts)))
            archived = self._archived()
            while self._pending and archived and self._pending[0][1] <= archived:
                all_until = self._pending.pop(0)[0]
            self.samples.append((now, (now - all_until) if self._pending else 0.0))

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    def _archived(self) -> Place | None:
        """Up to where the archive goes, by its newest manifest alone."""
        repository = self.archive.backups.repository
        places = []
        for name in repository.histories(NAME):
            for stream in (repository.binlogs(NAME, name), repository.streamed(NAME, name)):
                entries = [each for each in stream.entries() if parse_id(each.id)]
                with suppress(ChomError):
                    end = entries[-1].manifest(None).coordinates.end if entries else None
                    places += [Place(end.file, end.position)] if end else []
        return max(places, default=None)


def main() -> None:
    """Run it for each family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour))
    parser.add_argument("--writers", type=int, default=2)
    options = parser.parse_args()
    for flavour in [options.flavour] if options.flavour else list(Flavour):
        with tempfile.TemporaryDirectory() as directory:
            tried(flavour, Path(directory), options.minutes * 60, options.writers)


def tried(flavour: Flavour, directory: Path, seconds: float, count: int) -> None:
    """One family."""
    own = Restartable(flavour, directory, "--max-binlog-size=32M")
    relay = Relay(own.backup.port)
    config = configured(directory, own.backup, relay.port)
    archive = Archive(own.server, Backups(directory, policy=TOGETHER))
    probe = Probe(own, archive)
    service = Service(config, directory / "status.json")
    service.start()
    thread = threading.Thread(target=probe.run)
    thread.start()
    disturbed: list[tuple[float, float, str]] = []
    writers = [Writer(lambda: own.server.root, 0.001, 20) for _ in range(count)]
    for writer in writers:
        writer.__enter__()
    began = time.monotonic()
    chance = random.Random(4)
    kinds = ["server restarted", "service killed", "network cut", "server crashed", "service killed", "network silent"]
    pause = seconds / (len(kinds) + 1)
    for number, kind in enumerate(kinds):
        time.sleep(max(0.0, began + (number + 0.5 + chance.random() * 0.3) * pause - time.monotonic()))
        start = time.monotonic()
        disturb(kind, own, relay, service)
        disturbed.append((start, time.monotonic(), kind))
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    for writer in writers:
        writer.__exit__()
    told = json.loads(service.status.read_text())
    until = time.monotonic() + 60
    wrong = ["?"]
    while wrong and time.monotonic() < until:
        time.sleep(1)
        wrong = differences(replace(archive, server=own.server))
    probe.stop()
    thread.join()
    code = service.stop()
    committed = sum(writer.committed for writer in writers)
    print(f"{flavour.value}: {committed:,} transactions committed in {seconds:.0f} s")
    print(f"  lost, doubled or otherwise than the server has it: {'; '.join(wrong) or 'nothing'}")
    show(probe, disturbed, began)
    found = archive.histories()[-1].segments
    print(f"  {sum(each.transactions for each in found):,} transactions in {len(found)} segments of the archive")
    told_lag = f"{told['lag_bytes']} bytes, {told['lag_seconds']} s"
    print(f"  told by the service itself under load: {told['state']}, {told_lag}; after SIGTERM: exit code {code}")
    relay.close()
    own.stop()


@dataclass
class Service:
    """`chom stream` in a process, started again when it was killed, as systemd does."""

    config: Path
    status: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        chom = [sys.executable, "-c", "from chom_pipelines.cli.main import main; main()"]
        with (self.config.parent / "stream.log").open("ab") as log:
            command = [*chom, "stream", "--config", str(self.config), "--status", str(self.status)]
            self.process = subprocess.Popen(command, stderr=log)

    def kill(self) -> None:
        """As `kill -9`."""
        assert self.process
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """In order; returns the exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait()


def disturb(kind: str, own: Restartable, relay: Relay, service: Service) -> None:
    """Do it, and end it."""
    if kind.startswith("server"):
        own.stop() if kind == "server restarted" else own.kill()
        time.sleep(1)
        own.start()
    elif kind == "service killed":
        service.kill()
        time.sleep(1)
        service.start()
    else:
        relay.cut() if kind == "network cut" else relay.silence()
        time.sleep(12)
        relay.mend()


def show(probe: Probe, disturbed: list[tuple[float, float, str]], began: float) -> None:
    """What was at stake when."""
    for start, end, kind in disturbed:
        most = max((stake for at, stake in probe.samples if start <= at <= end + _SETTLES), default=0)
        after = [at - end for at, stake in probe.samples if at > end and stake <= 10]
        back = f"under 10 s again {after[0]:.1f} s after its end" if after else "never under 10 s again"
        print(f"  {start - began:5.0f} s  {kind:17s} {end - start:5.1f} s  at most {most:5.1f} s at stake, {back}")
    calm = [
        stake
        for at, stake in probe.samples
        if at > began + _SETTLES and not any(start <= at <= end + _SETTLES for start, end, _ in disturbed)
    ]
    mean = sum(calm) / max(len(calm), 1)
    print(f"  at stake at other times: at most {max(calm, default=0):.1f} s, {mean:.1f} s in the mean")


if __name__ == "__main__":
    main()
