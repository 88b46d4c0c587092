"""A dump's worker process: one connection with the snapshot, ranges in, stored objects out.

`python -m chom_pipelines.logical.worker OWNER SOCKET...` forks a worker for each of these descriptors, so that what
they import is imported once. A worker talks JSON lines through its socket; what is secret comes that way and no other.
It ends when the other side is closed; and the kernel kills it, stopped or not, when the process OWNER ends.

A process and not a thread: parsing holds the interpreter's lock while another connection's data waits.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import tarfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chom_pipelines.errors import (
    ChomError,
    DefinitionChangedError,
    LockNotObtainedError,
    ServerError,
    UnknownDatabaseError,
)
from chom_pipelines.logical.losses import losses
from chom_pipelines.logical.queries import LossReading, Reading
from chom_pipelines.logical.sink import Sink
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.dump_records import Lost
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.objects import ObjectWriter
from chom_pipelines.repository.store import Folder, StoreAddress
from chom_pipelines.repository.stores import open_store
from chom_pipelines.server.connection import Endpoint, Session, error_number
from chom_pipelines.server.driver_errors import DEADLOCK
from chom_pipelines.server.supervisor import die_with
from chom_pipelines.server.wire import Block, ExpectedCounts, UnfitRowError, rendered_rows, separate_rows

_TELL_SECONDS = 0.5
_AGAIN = "run again when no migration is running; nothing was published"

Message = dict[str, Any]


class Worker:
    """Holds the connection and does tasks; `send` is told how far it is, and else the owner through the socket."""

    def __init__(self, setup: Message, send: Callable[[Message], None] | None = None) -> None:
        self.send = send or _send
        self.endpoint = Endpoint.from_json(setup["endpoint"])
        self.folder: Folder | None = None
        if setup["folder"]:
            address, name = setup["folder"]
            self.folder = Folder(open_store(StoreAddress(**address)), name)
        self.codec, self.level = Codec(setup["codec"]), int(setup["level"])
        key = setup["key"]
        self.key = DataKey(bytes.fromhex(key["encryption"]), bytes.fromhex(key["mac"])) if key else None
        self.session = Session(self.endpoint, purpose="backup" if self.folder else "verification")
        for statement in setup["statements"]:
            self.session.execute(statement)
        self.done_bytes = self.done_rows = 0
        self.told = time.monotonic()
        self.unfit: dict[str, int] = {}
        """By table, how many renderings were found not to fit it: another range's rows are like these."""
        self.in_snapshot = False

    def writer(self, folder: Folder, name: str) -> ObjectWriter:
        """A new object in the backup's folder."""
        return ObjectWriter(folder, name, self.codec, self.level, self.key)

    def count(self, size: int, rows: int) -> None:
        """Tell the owner how far it is, not too often."""
        self.done_bytes += size
        self.done_rows += rows
        if time.monotonic() - self.told >= _TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Send the bytes and rows since the last time."""
        if self.done_bytes:
            self.send({"progress": [self.done_bytes, self.done_rows]})
        self.done_bytes = self.done_rows = 0
        self.told = time.monotonic()

    def answer(self, message: Message) -> Message:
        """Do what a message asks; return the answer."""
        if "execute" in message:
            self.session.execute(message["execute"])
            self.in_snapshot = True
            return {"rows": [[str(value) for value in row] for row in self.session.rows(message["query"])]}
        task = message["task"]
        result = self._bundle(task) if "members" in task else self._range(task)
        self.tell()
        return {"result": result}

    def _range(self, task: Message) -> Message:
        sink = self._read(task, buffered=False)
        sink.finish()
        objects = [asdict(stored) for stored in sink.stored]
        return {"parts": [sink.part([stored.path for stored in sink.stored])], "objects": objects}

    def _bundle(self, task: Message) -> Message:
        """Several small tables as the members of one tar file."""
        parts, objects = [], []
        bundle = self.writer(self.folder, f"{task['name']}.tar") if self.folder else None
        path = ""
        held = False
        members: list[tuple[int, str]] = []
        try:
            for number, member in enumerate(task["members"]):
                sink = self._read(member, buffered=True)
                sink.finish()
                if bundle and sink.buffered:
                    name = Path(member["name"]).name + ".tsv"
                    header = tarfile.TarInfo(name)
                    header.size, header.mode = sink.bytes, 0o600
                    padding = -sink.bytes % tarfile.BLOCKSIZE
                    bundle.write(b"".join([header.tobuf(tarfile.GNU_FORMAT), *sink.held, bytes(padding)]))
                    members.append((number, name))
                    held = True
                objects += [asdict(stored) for stored in sink.stored]
                parts.append(sink.part([stored.path for stored in sink.stored]))
            if bundle and held:
                bundle.write(bytes(2 * tarfile.BLOCKSIZE))
                stored = bundle.close()
                path = stored.path
                objects.append(asdict(stored))
            elif bundle:
                bundle.abort()
        except BaseException:  # however it ends, nothing half-written stays
            if bundle:
                bundle.abort()
            raise
        for number, name in members:
            parts[number]["objects"] = [f"{path}#{name}"]
        return {"parts": parts, "objects": objects}

    def _read(self, task: Message, *, buffered: bool) -> Sink:
        """Read a range, and let go of its table: an ALTER that waits for us would hold up everyone behind it.

        MariaDB lets go only where the session writes no binary log; with one, the ALTER waits until the dump has ended.
        """
        if not self.in_snapshot:
            return self._rendered(task, Reading.from_json(task["reading"]), self.folder, buffered=buffered)
        self.session.execute("SAVEPOINT chom")
        sink = self._rendered(task, Reading.from_json(task["reading"]), self.folder, buffered=buffered)
        try:
            self._find_losses(task, sink)
        except BaseException:  # however it ends, nothing half-written stays
            sink.abort()
            raise
        # the snapshot stays; the metadata locks that were taken since the savepoint do not
        self.session.execute("ROLLBACK TO SAVEPOINT chom")
        return sink

    def _find_losses(self, task: Message, sink: Sink) -> None:
        """What the text of these rows does not carry; where a copy's text will be another, also what it will be."""
        if not sink.seeks_losses:
            return
        how = LossReading.from_json(task["losses"])
        if not sink.suspect and not self.session.value(how.whole):
            return
        counts = self.session.row(how.counts) or ()
        sink.losses = losses(how.columns, [int(count) for count in counts])
        if any(loss.lost is Lost.DIGITS for loss in sink.losses):
            sink.restored = self._rendered(task, how.restored, None, buffered=False).hash.hexdigest()

    def _rendered(self, task: Message, how: Reading, folder: Folder | None, *, buffered: bool) -> Sink:
        """Read a range by the first rendering that fits it; what the server refuses is told with the table's name."""
        try:
            return self._first_fitting(task, how, folder, buffered=buffered)
        except (UnknownDatabaseError, DefinitionChangedError, LockNotObtainedError) as error:
            raise _of_table(error, f"{self.endpoint.where}: table {task['table']}") from error

    def _first_fitting(self, task: Message, how: Reading, folder: Folder | None, *, buffered: bool) -> Sink:
        tried = self.unfit.get(task["table"], 0)
        for number, attempt in enumerate(how.attempts[tried:], tried + 1):
            expected = ExpectedCounts(attempt.tabs_a_row, attempt.counts_separators, attempt.counts_backslashes)
            sink = Sink(self, task, buffered=buffered, folder=folder)
            try:
                self._fill(sink, rendered_rows(self.session, attempt.sql, expected, self.session.interrupt))
            except UnfitRowError:
                sink.abort()
                self.unfit[task["table"]] = number
                continue
            return sink
        sink = Sink(self, task, buffered=buffered, folder=folder)
        self._fill(sink, separate_rows(self.session, how.separate, how.escaped))
        return sink

    @staticmethod
    def _fill(sink: Sink, blocks: Iterator[Block]) -> None:
        try:
            for block in blocks:
                sink.add(block)
        except UnfitRowError:
            raise
        except BaseException:  # however it ends, nothing half-written stays
            sink.abort()
            raise


def _of_table(error: ServerError, table: str) -> ServerError:
    """The same of a table that was there when the dump began."""
    if isinstance(error, UnknownDatabaseError):
        return DefinitionChangedError(f"{table} was dropped or renamed while it was dumped", _AGAIN)
    if isinstance(error, DefinitionChangedError):
        return DefinitionChangedError(f"{table} was altered, emptied or replaced while it was dumped", _AGAIN)
    met = "a deadlock with another session" if error_number(error) == DEADLOCK else "the lock of another session"
    return LockNotObtainedError(f"{table} could not be read: {met} ({error.what})", error.remedy)


def _send(message: Message) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _listen(messages: queue.Queue[Message]) -> None:
    try:
        for line in sys.stdin:
            messages.put(json.loads(line))
    finally:  # the owner closed its side, or is gone, perhaps within a message: nothing here is worth finishing
        os._exit(0)


def work() -> None:
    """Answer messages until the input ends."""
    messages: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_listen, args=(messages,), daemon=True).start()
    try:
        worker = Worker(messages.get())
        _send({"ready": worker.session.id})
        while True:
            _send(worker.answer(messages.get()))
    except ChomError as error:
        _send({"error": [type(error).__name__, error.what, error.remedy]})
    except BrokenPipeError:
        os._exit(0)


def main(owner: int, sockets: list[int]) -> None:
    """Have a worker at each, tell there with which code it ended, and end when all have; they die with this process.

    Which dies with its owner.
    """
    die_with(owner)
    workers = {_forked(each, sockets): each for each in sockets}
    while workers:
        worker, status = os.wait()
        with socket.socket(fileno=workers.pop(worker)) as side, suppress(OSError):  # the owner may be gone
            side.sendall(b'{"ended": %d}\n' % os.waitstatus_to_exitcode(status))


def _forked(side: int, sockets: list[int]) -> int:
    """The process of a worker that has this one of the sockets as its input and output."""
    maker = os.getpid()
    if process := os.fork():
        return process
    code = 1
    try:
        die_with(maker)
        os.setsid()  # where the kernel shares the cores among sessions, each worker is to have its part
        os.dup2(side, sys.stdin.fileno())
        os.dup2(side, sys.stdout.fileno())
        for each in sockets:
            os.close(each)
        work()
        code = 0
    except Exception:  # noqa: BLE001  (the owner is told its last words)
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])
    os._exit(0)  # the dump waits for its end, and the interpreter's own takes 20 ms
