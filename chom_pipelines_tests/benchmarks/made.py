"""Reports that nobody measured, for tests of what is concluded from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from chom_pipelines.benchmarks.figures import Run, Timed
from chom_pipelines.benchmarks.report import Advice, Backup, Compression, Data, Host, Limit, Means, Place, Report, Rung
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.codecs import Codec

BEGAN = datetime(2026, 1, 2, 2, 0, 0, tzinfo=UTC)
TEXT = 200_000_000
UNTOLD = Advice(
    compression=None,
    compression_reason="none",
    threads=None,
    threads_reason="none",
    method=None,
    method_reason="none",
)


def timed(*seconds: float) -> Timed:
    return Timed.of(Run(seconds=each, cpu_seconds=each / 2) for each in seconds)


def rung(name: str, *seconds: float, means: Means = Means.ROWS, threads: int = 2, size: int = TEXT) -> Rung:
    """Without seconds it was not measured."""
    return Rung(
        name=name,
        outcome=Outcome.PASSED if seconds else Outcome.NOT_VERIFIED,
        reason="" if seconds else "it is not installed",
        timed=timed(*seconds) if seconds else None,
        means=means,
        place=Place.DEFAULTS,
        settings=("a setting",),
        threads=threads,
        bytes=size,
        tables=5 if seconds else 0,
    )


def codec(kind: Codec, level: int, packing: float, stored: int, unpacking: float = 0.1) -> Compression:
    return Compression(
        name=f"{kind.value} -{level}",
        outcome=Outcome.PASSED,
        timed=timed(packing),
        codec=kind,
        level=level,
        raw_bytes=32_000_000,
        stored_bytes=stored,
        unpacking=timed(unpacking),
    )


def limit(name: str, seconds: float) -> Limit:
    return Limit(name=name, outcome=Outcome.PASSED, timed=timed(seconds), bytes=100_000_000)


def backup(seconds: float, threads: int = 2) -> Backup:
    return Backup(
        name="logical backup",
        outcome=Outcome.PASSED,
        timed=timed(seconds),
        threads=threads,
        raw_bytes=TEXT,
        stored_bytes=TEXT // 3,
    )


def data(text: int = TEXT, origin: str = "generated") -> Data:
    return Data(origin=origin, tables=5, rows=1000, text_bytes=text, file_bytes=2 * text, sample_bytes=32_000_000)


def report(
    rungs: Mapping[str, Sequence[float]],
    *,
    week: int = 0,
    text: int = TEXT,
    cpu: str = "a processor",
    disk: str = "ext4 on /dev/vda",
    elsewhere: float = 0.02,
) -> Report:
    """Of some week, with these seconds of each rung."""
    host = Host(cpu=cpu, cores=2, memory_bytes=24 << 30, kernel="Linux", disk=disk, python="3.11.7")
    began = BEGAN + timedelta(weeks=week)
    return Report(
        tool="chom_pipelines 0",
        server="chom",
        started=began,
        finished=began + timedelta(minutes=10),
        host=host,
        source_version="MariaDB 10.11.19",
        measured_on="MariaDB 10.11.19",
        defaults={"innodb_buffer_pool_size": "134217728"},
        rounds=3,
        elsewhere=elsewhere,
        data=data(text),
        ladder=tuple(rung(name, *seconds, size=text) for name, seconds in rungs.items()),
        advice=UNTOLD,
    )


def ladder(one: float = 8.0, many: float = 4.0, files: float | None = 1.0) -> tuple[Rung, ...]:
    """The stock client, rows by one connection and by several, and files; seconds of each."""
    return (
        rung("piped dump", 20.0, means=Means.STOCK, threads=1),
        rung("LOAD DATA", one, threads=1),
        rung("parallel", many),
        rung("data files", *([files] if files else []), means=Means.FILES),
    )
