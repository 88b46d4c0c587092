"""What benchmarks tell of restores of backups. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chom_pipelines.benchmarks.report import ENOUGH, Means, Place, Prediction, Report, Rung
from chom_pipelines.log_lines import size
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload, Method
from chom_pipelines.repository.timing import Amounts, Into, Timing, Way
from chom_pipelines.restores.predicting import Origin, Rate
from chom_pipelines.server.machine import machine

_WAYS = {
    (Means.ROWS, Place.MEMORY): (Method.LOGICAL, "data", (Into.PRIVATE,)),
    (Means.ROWS, Place.RELAXED): (Method.LOGICAL, "data", (Into.DIRECTORY,)),
    (Means.FILES, Place.MEMORY): (Method.PHYSICAL, "unpack", (Into.PRIVATE,)),
    (Means.FILES, Place.DISK): (Method.PHYSICAL, "unpack", (Into.PRIVATE, Into.DIRECTORY)),
}
"""Of rungs that restore as the project itself does: of which backups, in which phase most of it is, and into what."""


def rates(reports: Iterable[Report]) -> Iterator[Rate]:
    """What tells of restores by the project itself: reports that were undisturbed and of enough data."""
    for report in reports:
        if report.was_disturbed or report.data.text_bytes < ENOUGH:
            continue
        for rung in report.ladder:
            method, phase, targets = _WAYS.get((rung.means, rung.place), (Method.LOGICAL, "", ()))
            if not rung.timed or not rung.bytes:
                continue
            for into in targets:
                way = Way(
                    flavour=report.measured_on.partition(" ")[0].lower(),
                    method=method,
                    into=into,
                    on="memory" if rung.place is Place.MEMORY else report.host.disk,
                    machine=machine(report.host.cpu, report.host.cores),
                    threads=rung.threads,
                )
                amounts = Amounts(bytes=rung.bytes, tables=report.data.tables)
                timing = Timing(way=way, amounts=amounts, phases={phase: rung.timed.median})
                yield Rate(timing, Origin.BENCHMARK, report.started)


def bytes_of(manifest: Manifest) -> tuple[int, int]:
    """Of text of rows, and of files: a backup has the one or the other."""
    if isinstance(manifest.payload, LogicalPayload):
        return sum(table.bytes for table in manifest.payload.tables), 0
    return 0, manifest.raw_bytes


def predictions(
    backup: str, text_bytes: int, file_bytes: int, ladder: Sequence[Rung], measured_seconds: float | None
) -> tuple[Prediction, ...]:
    """How long that backup's restore takes by each way of this project that was measured, where its bytes are known.

    It is taken for granted that time grows with the bytes. `measured_seconds` is what a private server took for it.
    """
    found = []
    for rung in ladder:
        count = {Means.ROWS: text_bytes, Means.FILES: file_bytes}.get(rung.means, 0)
        if not rung.timed or not rung.bytes or not count or rung.threads == 1 < _most_threads(ladder):
            continue
        kind = "of files" if rung.means is Means.FILES else "of text"
        found.append(
            Prediction(
                backup=backup,
                way=rung.name,
                bytes=count,
                seconds=rung.timed.median * count / rung.bytes,
                basis=f"{size(rung.bytes)} {kind} in {rung.timed.median:.2f} s",
                measured_seconds=measured_seconds if rung.means is Means.ROWS and _is_private(rung) else None,
            )
        )
    return tuple(found)


def _most_threads(ladder: Sequence[Rung]) -> int:
    return max((rung.threads for rung in ladder), default=1)


def _is_private(rung: Rung) -> bool:
    """A verification restores so, where memory suffices."""
    return rung.place is Place.MEMORY
