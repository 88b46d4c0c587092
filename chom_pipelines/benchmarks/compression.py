"""What each codec makes of the data: size, and the time of both directions, on one core and in memory.

The code that compresses backups does it, and it counts once the sample was decompressed to the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from chom_pipelines.benchmarks.figures import Run, Timed
from chom_pipelines.benchmarks.judging import share_of
from chom_pipelines.benchmarks.report import Compression, Limit
from chom_pipelines.benchmarks.stopwatch import Stopwatch
from chom_pipelines.errors import DamagedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.repository.codecs import Codec, compressor, decompressed

CODECS = (
    (Codec.NONE, 0),
    (Codec.GZIP, 6),
    (Codec.BZIP2, 9),
    (Codec.XZ, 6),
    (Codec.ZSTD, 1),
    (Codec.ZSTD, 3),
    (Codec.ZSTD, 9),
)
"""Each with its level."""

_PIECE = 1 << 20


def label(codec: Codec, level: int) -> str:
    """As `zstd -3`."""
    return codec.value if codec is Codec.NONE else f"{codec.value} -{level}"


def measured_codecs(sample: bytes, rounds: int, write: Limit | None, report: Report) -> Iterator[Compression]:
    """Each codec as it is measured; its share is of `write`, the disk's limit, by what is stored in a second."""
    pieces = [sample[start : start + _PIECE] for start in range(0, len(sample), _PIECE)]
    digest = hashlib.sha256(sample).digest()
    for codec, level in CODECS:
        packed: list[bytes] = []
        packing, unpacking, reason = [], [], ""
        for turn in range(rounds):
            report(turn * len(sample), rounds * len(sample), f"compress with {label(codec, level)}")
            packed, run = _packed(codec, level, pieces)
            packing.append(run)
            found, run = _unpacked(codec, packed)
            unpacking.append(run)
            if found != digest:
                reason = "what was decompressed is not what was compressed"
        stored = sum(map(len, packed))
        timed = None if reason else Timed.of(packing)
        yield Compression(
            name=label(codec, level),
            outcome=Outcome.FAILED if reason else Outcome.PASSED,
            reason=reason,
            timed=timed,
            share=share_of(stored / timed.median, write) if timed and codec is not Codec.NONE else None,
            codec=codec,
            level=level,
            raw_bytes=len(sample),
            stored_bytes=stored,
            unpacking=None if reason else Timed.of(unpacking),
        )


def _packed(codec: Codec, level: int, pieces: Sequence[bytes]) -> tuple[list[bytes], Run]:
    watch = Stopwatch.of()
    packer = compressor(codec, level)
    packed = [packer.compress(piece) for piece in pieces]
    packed.append(packer.flush())
    return packed, watch.run()


def _unpacked(codec: Codec, packed: Sequence[bytes]) -> tuple[bytes, Run]:
    """The digest of what it was; hashing is not measured."""
    watch = Stopwatch.of()
    try:
        found = list(decompressed(codec, packed))
    except DamagedError:
        found = []
    run = watch.run()
    return hashlib.sha256(b"".join(found)).digest(), run
