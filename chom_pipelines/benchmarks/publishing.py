"""Putting a report into the repository, with its charts and Markdown."""

from __future__ import annotations

from chom_pipelines.benchmarks.charts import Charts, drawn
from chom_pipelines.benchmarks.kept_reports import free_moment, keep, report_name
from chom_pipelines.benchmarks.markdown import markdown
from chom_pipelines.benchmarks.report import Report, Unmeasured
from chom_pipelines.repository.repository import Repository


def publish(repository: Repository, report: Report) -> tuple[Report, Charts, str]:
    """Draw and keep it: as it was kept, its charts, and where its JSON is.

    A report that cannot be drawn is kept without charts, and says so. Raises DiskFullError, RepositoryError; the JSON,
    by which it is found, is put last.
    """
    report, charts = _drawn(free_moment(repository, report))
    name = report_name(report)
    images = {f"{name}_restores.png": charts.ladder, f"{name}_compression.png": charts.compression}
    beside = {other: data for other, data in images.items() if data is not None}
    ladder, compression = (other if other in beside else None for other in images)
    text = markdown(report, ladder, compression).encode()
    return report, charts, keep(repository, report, {**beside, f"{name}.md": text})


def _drawn(report: Report) -> tuple[Report, Charts]:
    try:
        return report, drawn(report)
    except Exception as error:  # noqa: BLE001  (a library's; what took hours to measure is not lost for a picture)
        lacking = Unmeasured(what="the charts", reason=f"{type(error).__name__}: {error}")
        return report.model_copy(update={"unmeasured": (*report.unmeasured, lacking)}), Charts(None, None)
