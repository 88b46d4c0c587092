"""Benchmark reports in the repository: each is a JSON document, with its Markdown and charts beside it.

The JSON is put last, and whole: where it is, the rest is too. Its seal is a plain SHA-256: no decision about a backup
rests on a report, so that it finds rot and is no protection from forgery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta

from chom_pipelines.benchmarks.report import DOCUMENT, Report
from chom_pipelines.errors import DamagedError, RepositoryError
from chom_pipelines.repository.repository import Repository

_NAME = re.compile(r"benchmark_\d{8}_\d{6}\.json")


@dataclass(frozen=True)
class Kept:
    """What was found in the repository: the reports, oldest first, and those that cannot be read with the reason."""

    reports: tuple[Report, ...]
    problems: tuple[RepositoryError, ...]


def report_name(report: Report) -> str:
    """Such as benchmark_20260102_020000, without an ending."""
    return f"benchmark_{report.started.astimezone(UTC):%Y%m%d_%H%M%S}"


def free_moment(repository: Repository, report: Report) -> Report:
    """The same report, of the next second where there is one of this already."""
    folder = repository.benchmarks_of(report.server)
    while folder.exists(f"{report_name(report)}.json"):
        report = report.model_copy(update={"started": report.started + timedelta(seconds=1)})
    return report


def keep(repository: Repository, report: Report, beside: Mapping[str, bytes]) -> str:
    """Put a report into the repository, after what belongs `beside` it, by whole names; say where.

    Raises DiskFullError, RepositoryError, or ObjectExistsError.
    """
    folder, name = repository.benchmarks_of(report.server), f"{report_name(report)}.json"
    for other, data in beside.items():
        folder.write(other, data)
    folder.write(name, DOCUMENT.seal(report, None))
    return folder.where(name)


def kept_reports(repository: Repository, server: str) -> Kept:
    """All of a server. Raises RepositoryError where the repository cannot be read."""
    folder = repository.benchmarks_of(server)
    reports, problems = [], []
    for name in sorted(each.name for each in folder.below() if _NAME.fullmatch(each.name)):
        try:
            report = DOCUMENT.unseal(folder.read(name), None, folder.where(name))
            if (report.server, f"{report_name(report)}.json") != (server, name):
                what = f"{folder.where(name)} is the report of another server or time"
                raise DamagedError(what, "remove it, or move it back to where it belongs")
            reports.append(report)
        except RepositoryError as error:
            problems.append(error)
    return Kept(tuple(reports), tuple(problems))
