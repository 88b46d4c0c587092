"""How long a restore of a backup takes, by the rates that a benchmark of this machine measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chom_pipelines.benchmarks.report import ENOUGH, Means, Place, Prediction, Report, Rung
from chom_pipelines.log_lines import size
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload


def newest(reports: Iterable[Report], processor: str, cores: int) -> Report | None:
    """The last report of this machine by which one can predict: undisturbed, and of enough data; else None."""
    fit = [
        report
        for report in reports
        if (report.host.cpu, report.host.cores) == (processor, cores)
        and not report.was_disturbed
        and report.data.text_bytes >= ENOUGH
    ]
    return max(fit, key=lambda report: report.started.timestamp(), default=None)


def restore_of(manifest: Manifest, report: Report, measured_seconds: float | None) -> Prediction | None:
    """By the fastest way onto a disk; None where none of them was measured for such a backup.

    A chain is predicted by nothing: what its incremental backups take to be applied is not measured.
    """
    source = manifest.source
    if manifest.kind is not Kind.FULL or not report.measured_on.lower().startswith(source.flavour.lower()):
        return None
    rungs = [rung for rung in report.ladder if rung.place is not Place.MEMORY]
    found = predictions(manifest.id, *bytes_of(manifest), rungs, measured_seconds)
    return min(found, key=lambda each: each.seconds, default=None)


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
