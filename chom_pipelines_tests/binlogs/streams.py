"""What a stream is tried with: a server that can be restarted, a network that can be cut, and something that writes."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import yaml

from chom_pipelines.binlogs.archive.archiving import LogArchive
from chom_pipelines.binlogs.archive.histories import reading_histories
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.streaming.connection import PARTS, Pace
from chom_pipelines.binlogs.streaming.lag import LagReport, State
from chom_pipelines.binlogs.streaming.service import Streaming
from chom_pipelines.errors import ChomError
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import account, literal
from chom_pipelines.server.privileges import grants_for_backup
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import ScratchServer, free_port, listening_on, start_scratch_server, with_binary_log
from chom_pipelines_tests.binlogs.archives import Archive
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.servers import PrivateServer

LIMIT = 40.0
"""Seconds after which what does not happen is a failure: none of it takes so long."""
EVERY = 0.5
RESET = {Flavour.MARIADB: "RESET MASTER", Flavour.MYSQL: "RESET BINARY LOGS AND GTIDS"}
"""Has a server begin its log anew."""
_LOOK = 0.05


class Relay:
    """A port that leads to another one; it can be cut, as a cable is, go silent, or be slow."""

    def __init__(self, target: int) -> None:
        self.slowness = 0.0
        """Seconds that a byte takes."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._passes, self._is_cut, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._passes.set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._is_cut.set()

    def silence(self) -> None:
        """Pass on nothing more, and say nothing about it."""
        self._passes.clear()

    def mend(self) -> None:
        """Pass on everything again: new connections, and what was held back."""
        self._is_cut.clear()
        self._passes.set()

    def close(self) -> None:
        """End for good."""
        self._closed.set()
        self._passes.set()
        self.cut()
        for each in self._threads:
            each.join()

    def _accept(self) -> None:
        with self._listener:
            while not self._closed.is_set():
                if not select.select([self._listener], [], [], _LOOK)[0]:
                    continue
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._pass, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._is_cut.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                while not self._is_cut.is_set():
                    for source in select.select([client, server], [], [], _LOOK)[0]:
                        data = source.recv(1 << 16)
                        if not data:
                            return
                        self._passes.wait()
                        time.sleep(len(data) * self.slowness)  # that is what a slow network is
                        (server if source is client else client).sendall(data)


class Restartable:
    """A server on a data directory, that keeps its port and its log when it is stopped or killed and started again."""

    def __init__(self, flavour: Flavour, directory: Path, *options: str) -> None:
        self.flavour, self._data = flavour, directory / "data"
        port = free_port()
        self._options = (*listening_on(port), *with_binary_log(flavour, 11, "mysql-bin"), *options)
        self.backup = Endpoint("streamed", "chom_backup", secrets.token_urlsafe(16), host="127.0.0.1", port=port)
        create_datadir(server_program(flavour), (), self._data)
        self.running: ScratchServer | None = None
        self.start()
        with Session(self.server.root) as session:
            user = account(self.backup.user, "%")
            session.execute(f"CREATE USER {user} IDENTIFIED BY {literal(self.backup.password)}")
            for grant in grants_for_backup(self.server.facts, self.backup.user, "%"):
                session.execute(grant)
            session.execute("CREATE DATABASE shop")
            session.execute("CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, s LONGTEXT)")

    @property
    def server(self) -> PrivateServer:
        """As it runs now."""
        assert self.running is not None
        return PrivateServer(self.flavour, self.running.endpoint, self.backup, self.running.facts)

    def start(self) -> None:
        """Start it."""
        self.running = start_scratch_server(self.flavour, data_directory=self._data, options=self._options)

    def stop(self) -> None:
        """Shut it down in order."""
        if self.running:
            self.running.stop()
            self.running = None

    def kill(self) -> None:
        """Have it crash."""
        if self.running:
            with Session(self.running.endpoint) as session:
                process = int(Path(str(session.value("SELECT @@pid_file"))).read_text())
            os.kill(process, signal.SIGKILL)
            with suppress(ChomError):  # it cannot be shut down in order any more
                self.running.stop()
            self.running = None


class Writer:
    """Writes into `shop.t` until it is stopped, and waits for a server that is away."""

    def __init__(self, root: Callable[[], Endpoint], pause: float = 0.002, size: int = 100) -> None:
        self._root, self._pause, self._size = root, pause, size
        self._stopped = threading.Event()
        self.committed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            with suppress(ChomError, AssertionError), Session(self._root()) as session:
                while not self._stopped.is_set():
                    self.committed += session.execute(f"INSERT INTO shop.t (s) VALUES (REPEAT(UUID(), {self._size}))")
                    self._stopped.wait(self._pause)
            self._stopped.wait(0.05)


@dataclass(frozen=True)
class Streamed:
    """An archive that is streamed into, through a relay."""

    archive: Archive
    relay: Relay
    streaming: Streaming
    reports: list[LagReport]

    @property
    def state(self) -> State | None:
        """What the stream told last."""
        return self.reports[-1].state if self.reports else None

    def all_is_archived(self) -> bool:
        """The archive has each of the server's files, byte for byte, and nothing else."""
        return differences(self.archive) == []

    def rotate(self) -> None:
        self.archive.work("FLUSH BINARY LOGS")


@contextmanager
def streamed(server: PrivateServer, directory: Path, parts: int = PARTS) -> Iterator[Streamed]:
    """Stream in a thread of this process, for the length of the block."""
    archive = Archive(server, Backups(directory))
    relay = Relay(server.backup.port)
    archive.backups.repository.create()
    reports: list[LagReport] = []
    inventory = archive.backups.inventory(replace(server, backup=replace(server.backup, port=relay.port)))
    backups = archive.backups
    streaming = Streaming(
        LogArchive(inventory, backups.policy, backups.repository, None), Pace(reports.append, EVERY, parts=parts)
    )
    errors: list[BaseException] = []

    def run() -> None:
        try:
            streaming.run()
        except BaseException as error:  # noqa: BLE001  (raised by the test)
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield Streamed(archive, relay, streaming, reports)
    finally:
        streaming.pace.stopped.set()
        relay.mend()
        thread.join()
        relay.close()
        for error in errors:
            raise error


def eventually(happens: Callable[[], bool]) -> None:
    """Wait until it does."""
    until = time.monotonic() + LIMIT
    while not happens():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.05)  # another process does it, and tells nobody


def differences(archive: Archive) -> list[str]:
    """What the newest history lacks, has twice or has otherwise than the server, which must not write meanwhile."""
    with reading_histories(archive.backups.repository, NAME, "comparison"):
        return list(_differences(archive))


def _differences(archive: Archive) -> Iterator[str]:
    histories = archive.histories()
    if not histories:
        yield "nothing is archived"
        return
    history = histories[-1]
    yield from (gap.why for gap in history.chain.gaps)
    yield from (f"{name}: {why}" for name, why in history.unreadable.items())
    for file in archive.files():
        on_disk = closed(archive.on_disk(file))
        stored = b"".join(archive.stored(history, each) for each in history.of_file(file))
        if stored != on_disk and (stored or _transactions(on_disk)):
            same = "the same" if on_disk.startswith(stored) else "others"
            yield f"{file}: {len(stored)} of {len(on_disk)} bytes, {same}"


def _transactions(log: bytes) -> int:
    """How many are in a file: one that has none yet is not archived."""
    scanner = Scanner("a file")
    scanner.feed(log)
    return scanner.finish().transactions


def closed(log: bytes) -> bytes:
    """A file without the flag in its first event that it is still written, which servers do not send."""
    return log[:21] + bytes([log[21] & ~1]) + log[22:]


def configured(directory: Path, backup: Endpoint, port: int) -> Path:
    """Write the chom.yaml for a subprocess."""
    (directory / "password").write_text(backup.password)
    server = {"name": NAME, "host": "127.0.0.1", "port": port, "user": backup.user, "password": {"file": "password"}}
    path = directory / "chom.yaml"
    path.write_text(yaml.safe_dump({"repository": {"path": str(directory / "repository")}, "servers": [server]}))
    return path


@contextmanager
def service(config: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`chom stream` in a process of its own."""
    chom = [sys.executable, "-c", "from chom_pipelines.cli.main import main; main()"]
    command = [*chom, "stream", "--config", str(config), "--every", "0.5", *options]
    with (config.parent / "stream.log").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
