"""What the parts of this machine can do at the most, so that every other figure is a part of something."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import zstandard

from chom_pipelines.benchmarks.figures import Timed
from chom_pipelines.benchmarks.report import Limit
from chom_pipelines.benchmarks.stopwatch import Stopwatch
from chom_pipelines.outcome import Outcome
from chom_pipelines.server.claimed_directories import MEMORY

DISK = "write and fsync"
RAM = "write to memory"
SOCKET = "unix socket"
ZSTD = "zstd -1, one core"
SHA256 = "SHA-256, one core"
BLAKE2 = "BLAKE2b, one core"

_MIB = 1 << 20
_WRITTEN = 256 * _MIB
_SENT = 512 * _MIB
_HASHED = 128 * _MIB


def measured_limits(directory: Path, sample: bytes, rounds: int) -> Iterator[Limit]:
    """Each limit as it is measured; `directory` is on the disk that is meant, `sample` is what is compressed."""
    # bytes that neither a disk nor a file system can store as fewer
    block = os.urandom(_MIB)
    hashed = block * (_HASHED // _MIB)
    zstd = zstandard.ZstdCompressor(level=1)
    yield _limit(DISK, _WRITTEN, rounds, lambda: _write(directory, block))
    if MEMORY.is_dir():
        yield _limit(RAM, _WRITTEN, rounds, lambda: _write(MEMORY, block))
    else:
        yield Limit(name=RAM, outcome=Outcome.NOT_VERIFIED, reason=f"there is no {MEMORY}", bytes=_WRITTEN)
    yield _limit(SOCKET, _SENT, rounds, lambda: _send(block))
    yield _limit(ZSTD, len(sample), rounds, lambda: zstd.compress(sample))
    yield _limit(SHA256, _HASHED, rounds, lambda: hashlib.sha256(hashed).digest())
    yield _limit(BLAKE2, _HASHED, rounds, lambda: hashlib.blake2b(hashed).digest())


def _limit(name: str, size: int, rounds: int, action: Callable[[], object]) -> Limit:
    runs = []
    for _ in range(rounds):
        try:
            watch = Stopwatch.of()
            action()
            runs.append(watch.run())
        except OSError as error:
            what = error.strerror or str(error)
            return Limit(name=name, outcome=Outcome.NOT_VERIFIED, reason=what, bytes=size)
    return Limit(name=name, outcome=Outcome.PASSED, bytes=size, timed=Timed.of(runs))


def _write(directory: Path, block: bytes) -> None:
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(_WRITTEN // len(block)):
            rest = memoryview(block)
            while rest:
                rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def _send(block: bytes) -> None:
    """From one thread to another; neither holds the interpreter's lock while it sends or receives."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=_feed, args=(ours, block), daemon=True)
        sender.start()
        buffer, left = bytearray(_MIB), _SENT
        while left:
            got = theirs.recv_into(buffer)
            if not got:
                raise ConnectionError("the socket was closed")
            left -= got
        sender.join()


def _feed(end: socket.socket, block: bytes) -> None:
    with suppress(OSError):  # who receives sees that nothing comes
        for _ in range(_SENT // len(block)):
            end.sendall(block)
