"""Putting a report into the repository, with its charts and Markdown."""

from __future__ import annotations

from chom_pipelines.benchmarks.charts import Charts, drawn
from chom_pipelines.benchmarks.markdown import markdown
from chom_pipelines.benchmarks.report import Report
from chom_pipelines.benchmarks.reports import free_moment, keep, report_name
from chom_pipelines.repository.repository import Repository


def publish(repository: Repository, report: Report) -> tuple[Report, Charts, str]:
    """Draw and keep it: as it was kept, its charts, and where its JSON is.

    Raises DiskFullError, RepositoryError; the JSON, by which it is found, is put last.
    """
    report = free_moment(repository, report)
    charts, name = drawn(report), report_name(report)
    images = {f"{name}_restores.png": charts.ladder, f"{name}_compression.png": charts.compression}
    beside = {other: data for other, data in images.items() if data is not None}
    ladder, compression = (other if other in beside else None for other in images)
    text = markdown(report, ladder, compression).encode()
    return report, charts, keep(repository, report, {**beside, f"{name}.md": text})
