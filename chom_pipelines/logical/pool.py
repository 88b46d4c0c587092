"""The worker processes of a dump: started, given tasks, and ended on every way out."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, cast

from chom_pipelines import errors
from chom_pipelines.errors import BackupFailedError, ChomError, SnapshotTooSlowError
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.store import Folder
from chom_pipelines.server.connection import Endpoint

Message = dict[str, Any]
_LAST_WORDS = 2_000


@dataclass(frozen=True)
class Setup:
    """What every worker is told at its start. Without a `folder`, rows are hashed and not stored."""

    endpoint: Endpoint
    statements: tuple[str, ...]
    folder: Folder | None = None
    codec: Codec = Codec.NONE
    level: int = 0
    key: DataKey | None = None

    def to_json(self) -> Message:
        """For the pipe: it holds the password and the key."""
        key = {"encryption": self.key.encryption.hex(), "mac": self.key.mac.hex()} if self.key else None
        return {
            "endpoint": self.endpoint.to_json(),
            "statements": self.statements,
            "folder": [self.folder.store.address.to_json(), self.folder.name] if self.folder else None,
            "codec": self.codec.value,
            "level": self.level,
            "key": key,
        }


class _Process:
    """One worker and its pipes."""

    def __init__(self, setup: Setup) -> None:
        self.last_words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `end`)
        self.process = subprocess.Popen(
            # -P: nothing is imported from the directory that this happens to run in
            [sys.executable, "-P", "-m", "chom_pipelines.logical.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.last_words,
            start_new_session=True,  # the terminal's interrupt is for the owner, who ends the workers
            text=True,
        )
        self.input, self.output = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)
        self.send(setup.to_json())

    def send(self, message: Message) -> None:
        try:
            self.input.write(json.dumps(message) + "\n")
            self.input.flush()
        except BrokenPipeError:
            return  # why it ended is read next

    def receive(self) -> Message:
        """The next message. Raises what the worker raised, or BackupFailedError where it died."""
        line = self.output.readline()
        if not line:
            self.process.wait()
            self.last_words.seek(0)
            words = self.last_words.read()[-_LAST_WORDS:].decode(errors="replace").strip()
            message = f"a dump worker ended with code {self.process.returncode}: {words or 'without a word'}"
            raise BackupFailedError(message, "run again; report it if it happens again")
        message = json.loads(line)
        if "error" in message:
            kind, what, remedy = message["error"]
            raise getattr(errors, kind)(what, remedy)
        return dict(message)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.input, self.output, self.last_words):
            with suppress(BrokenPipeError):
                pipe.close()


class Pool:
    """Running workers, each with its own connection."""

    def __init__(self, processes: list[_Process]) -> None:
        self._processes = processes
        self._connected = False

    def connected(self) -> None:
        """Wait until every worker is; they start while the owner does other things."""
        if not self._connected:
            for process in self._processes:
                process.receive()
            self._connected = True

    def ask(self, execute: str, query: str, seconds: float) -> list[list[list[str]]]:
        """Have every worker execute a statement and answer a query, at the same time; one list of rows each.

        Raises SnapshotTooSlowError where not all have answered in so many seconds; the pool is then of no more use.
        """
        self.connected()
        answers: queue.SimpleQueue[Message | ChomError] = queue.SimpleQueue()
        for process in self._processes:
            process.send({"execute": execute, "query": query})
            threading.Thread(target=_receive, args=(process, answers), daemon=True).start()
        until, rows = time.monotonic() + seconds, []
        for missing in range(len(self._processes), 0, -1):
            try:
                answer = answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                what = f"{missing} of {len(self._processes)} dump workers did not begin their snapshot in {seconds:g} s"
                raise SnapshotTooSlowError(what, "look at what holds them up (memory, CPU), and run again") from None
            if isinstance(answer, ChomError):
                raise answer
            rows.append(answer["rows"])
        return rows

    def run(self, tasks: Iterable[Message], progress: Callable[[int, int], None]) -> Iterator[tuple[Message, Message]]:
        """Yield (task, result) as tasks are done; `progress` is told bytes and rows since it was last.

        Raises the first error of any worker; the others are then ended with the pool.
        """
        self.connected()
        waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        events: queue.SimpleQueue[tuple[Message | None, Message | ChomError | None]] = queue.SimpleQueue()
        for process in self._processes:
            threading.Thread(target=_serve, args=(process, waiting, events), daemon=True).start()
        running = len(self._processes)
        while running:
            task_done, event = events.get()
            if isinstance(event, ChomError):
                raise event
            if event is None:
                running -= 1
            elif "progress" in event:
                progress(*event["progress"])
            elif task_done is not None:
                yield task_done, event["result"]


def _receive(process: _Process, answers: queue.SimpleQueue[Message | ChomError]) -> None:
    try:
        answers.put(process.receive())
    except ChomError as error:
        answers.put(error)
    except (OSError, ValueError):  # the pool was closed meanwhile
        answers.put(BackupFailedError("the dump was ended", "run again"))


def _serve(
    process: _Process,
    waiting: queue.SimpleQueue[Message],
    events: queue.SimpleQueue[tuple[Message | None, Message | ChomError | None]],
) -> None:
    try:
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                events.put((None, None))
                return
            process.send({"task": task})
            while "result" not in (event := process.receive()):
                events.put((None, event))
            events.put((task, event))
    except ChomError as error:
        events.put((None, error))
    except (OSError, ValueError):  # the pool was closed meanwhile
        events.put((None, BackupFailedError("the dump was ended", "run again")))


@contextmanager
def pool(size: int, setup: Setup) -> Iterator[Pool]:
    """Start workers; kill them at the end, whatever happened."""
    processes: list[_Process] = []
    try:
        for _ in range(size):
            processes.append(_Process(setup))  # noqa: PERF401  (one that cannot start must not lose the others)
        yield Pool(processes)
    finally:
        for process in processes:
            process.end()
