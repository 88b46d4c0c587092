"""The worker processes of a dump: started, given tasks, and ended on every way out."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from chom_pipelines import errors
from chom_pipelines.errors import BackupFailedError, ChomError, SnapshotTooSlowError
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.store import Folder
from chom_pipelines.server.connection import Endpoint

Message = dict[str, Any]
_Event = tuple[Message | None, Message | ChomError | None]
"""What a worker says of a task, or that it has none left."""

_LAST_WORDS = 2_000
_END_SECONDS = 3


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
        """For the socket: it holds the password and the key."""
        key = {"encryption": self.key.encryption.hex(), "mac": self.key.mac.hex()} if self.key else None
        return {
            "endpoint": self.endpoint.to_json(),
            "statements": self.statements,
            "folder": [self.folder.store.address.to_json(), self.folder.name] if self.folder else None,
            "codec": self.codec.value,
            "level": self.level,
            "key": key,
        }


class _Worker:
    """What one worker is told and answers; `last_words` are of all of them."""

    def __init__(self, side: socket.socket, last_words: IO[bytes]) -> None:
        self._side, self._last_words = side, last_words
        self._input, self._output = side.makefile("w"), side.makefile("r")

    def send(self, message: Message) -> None:
        try:
            self._input.write(json.dumps(message) + "\n")
            self._input.flush()
        except ConnectionError:
            return  # why it ended is read next

    def receive(self) -> Message:
        """The next message. Raises what the worker raised, or BackupFailedError where it died."""
        try:
            message = json.loads(self._output.readline())
        except (json.JSONDecodeError, ConnectionResetError):  # nothing more comes, or it ended within a message
            message = {"ended": None}
        if "error" in message:
            kind, what, remedy = message["error"]
            raise getattr(errors, kind)(what, remedy)
        if "ended" in message:
            written = self._last_words.fileno()  # several may read at once, while others write
            words = os.pread(written, os.fstat(written).st_size, 0)[-_LAST_WORDS:].decode(errors="replace").strip()
            code = "" if message["ended"] is None else f" with code {message['ended']}"
            what = f"a dump worker ended{code}: {words or 'without a word'}"
            raise BackupFailedError(what, "run again; report it if it happens again")
        return dict(message)

    def dismiss(self) -> None:
        """Have it end, however busy it is; a thread that waits for its answer gets none."""
        with suppress(OSError):  # it has ended
            self._side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give its descriptors back, once nobody waits for its answer."""
        for each in (self._input, self._output, self._side):
            with suppress(ConnectionError):
                each.close()


class Pool:
    """Running workers, each with its own connection."""

    def __init__(self, workers: list[_Worker]) -> None:
        self._workers = workers
        self._connected = False

    def connected(self) -> None:
        """Wait until every worker is; they start while the owner does other things."""
        if not self._connected:
            for worker in self._workers:
                worker.receive()
            self._connected = True

    def ask(self, execute: str, query: str, seconds: float) -> list[list[list[str]]]:
        """Have every worker execute a statement and answer a query, at the same time; one list of rows each.

        Raises SnapshotTooSlowError where not all have answered in so many seconds; the pool is then of no more use.
        """
        self.connected()
        answers: queue.SimpleQueue[Message | ChomError] = queue.SimpleQueue()
        for worker in self._workers:
            worker.send({"execute": execute, "query": query})
            threading.Thread(target=_receive, args=(worker, answers), daemon=True).start()
        until, rows = time.monotonic() + seconds, []
        for missing in range(len(self._workers), 0, -1):
            try:
                answer = answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                what = f"{missing} of {len(self._workers)} dump workers did not begin their snapshot in {seconds:g} s"
                raise SnapshotTooSlowError(what, "look at what holds them up (memory, CPU), and run again") from None
            if isinstance(answer, ChomError):
                raise answer
            rows.append(answer["rows"])
        return rows

    def run(self, tasks: Iterable[Message], progress: Callable[[int, int], None]) -> Iterator[tuple[Message, Message]]:
        """Have the tasks done, at once; yield (task, result) as they are, and tell `progress` bytes and rows meanwhile.

        Raises the first error of any worker; the others are then ended with the pool.
        """
        self.connected()
        waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        for worker in self._workers:
            threading.Thread(target=_serve, args=(worker, waiting, events), daemon=True).start()
        return _results(events, len(self._workers), progress)


def _results(
    events: queue.SimpleQueue[_Event], running: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[Message, Message]]:
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


def _receive(worker: _Worker, answers: queue.SimpleQueue[Message | ChomError]) -> None:
    try:
        answers.put(worker.receive())
    except ChomError as error:
        answers.put(error)
    except (OSError, ValueError):  # the pool was closed meanwhile
        answers.put(BackupFailedError("the dump was ended", "run again"))


def _serve(
    worker: _Worker,
    waiting: queue.SimpleQueue[Message],
    events: queue.SimpleQueue[_Event],
) -> None:
    try:
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                events.put((None, None))
                return
            worker.send({"task": task})
            while "result" not in (event := worker.receive()):
                events.put((None, event))
            events.put((task, event))
    except ChomError as error:
        events.put((None, error))
    except (OSError, ValueError):  # the pool was closed meanwhile
        events.put((None, BackupFailedError("the dump was ended", "run again")))


@contextmanager
def pool(size: int, setup: Setup) -> Iterator[Pool]:
    """Start workers; kill them at the end, whatever happened."""
    with ExitStack() as stack:
        last_words = stack.enter_context(tempfile.TemporaryFile())
        (ended, held), *pairs = _pairs(size)
        stack.enter_context(ended)
        workers = [_Worker(ours, last_words) for ours, _ in pairs]
        for worker in workers:
            stack.callback(worker.close)
        with ExitStack() as handed_over:
            theirs = [handed_over.enter_context(side).fileno() for _, side in pairs]
            handed_over.enter_context(held)
            process = subprocess.Popen(
                # -P: nothing is imported from the directory that this happens to run in
                [sys.executable, "-P", "-m", "chom_pipelines.logical.worker", str(os.getpid()), *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=last_words,
                pass_fds=[*theirs, held.fileno()],
                start_new_session=True,  # the terminal's interrupt is for the owner, who ends the workers
            )
        stack.callback(_end, process, workers, ended)
        for worker in workers:
            worker.send(setup.to_json())
        yield Pool(workers)


def _pairs(size: int) -> list[tuple[socket.socket, socket.socket]]:
    """One for each worker, and one before them."""
    try:
        return [socket.socketpair() for _ in range(1 + size)]
    except OSError as error:
        what = f"{size} dump workers cannot be started: {error.strerror}"
        raise BackupFailedError(what, "lower backup.threads, or raise the limit of open files (ulimit -n)") from error


def _end(process: subprocess.Popen[bytes], workers: list[_Worker], ended: socket.socket) -> None:
    """Have them end in order, and kill what has not after a while: they die with their maker.

    `ended` ends when nobody has its other side any more, which the maker and each worker hold as long as they live.
    """
    for worker in workers:
        worker.dismiss()
    ended.settimeout(_END_SECONDS)
    try:
        with suppress(TimeoutError):  # something has stopped a worker, or their maker
            ended.recv(1)
    finally:
        process.kill()
        process.wait()
    with suppress(TimeoutError):  # the kernel kills them after their maker
        ended.recv(1)
