"""`benchmark_report` as Dagster runs it."""

from __future__ import annotations

import struct
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from chom_pipelines.benchmarks.kept_reports import kept_reports
from chom_pipelines.benchmarks.weeks import GRACE, refuse_other_weeks
from chom_pipelines.defs.benchmarks.metadata import ladder, numbers, slug
from chom_pipelines.defs.resources import Chom
from chom_pipelines.errors import BenchmarkRefusedError
from chom_pipelines_tests.benchmarks.made import limit, report, rung
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, check_outcomes, failure, metadata
from chom_pipelines_tests.servers import PrivateServer


def week() -> str:
    """Of now."""
    now = datetime.now(UTC)
    return f"{now - timedelta(days=now.weekday()):%Y-%m-%d}"


def measured(deployed: Deployment, partition: str, **config: int) -> dg.ExecuteInProcessResult:
    return deployed.run("benchmark_job", "benchmark_report", day=partition, instance=None, **config)


def test_a_materialisation_is_a_report_of_the_latest_backup_with_its_charts(
    mariadb: PrivateServer, tmp_path: Path
) -> None:
    database = mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY, s TEXT, KEY (s(9)))")
        session.execute(f"INSERT INTO {database}.t VALUES (1, 'a'), (2, NULL)")
    deployed = Deployment.of(tmp_path, mariadb, (database,), verification="none")
    assert "there is no full backup of rows" in failure(measured(deployed, week())).description
    back_up(deployed)
    result = measured(deployed, week(), rounds=1)
    assert result.success
    shown = metadata(result)
    (kept,) = kept_reports(deployed.repository, NAME).reports
    assert (shown["outcome"], shown["data"]) == ("passed", deployed.entries()[0].id)
    assert shown["seconds_ram_disk"] == round(kept.ladder[7].timed.median, 3)  # type: ignore[union-attr]
    assert len(shown["restores"]) == 10
    image = b64decode(shown["report"].partition("![Restores](data:image/png;base64,")[2].partition(")")[0])
    assert struct.unpack(">I", image[16:20]) == (900,)
    assert Path(shown["file"]).exists()
    assert check_outcomes(result) == {"nothing_slower": (False, "WARN", "not_verified")}


def test_what_was_not_measured_has_no_number_to_plot() -> None:
    found = report({"parallel": [4.0]}).model_copy(update={"peers": (rung("myloader"),)})
    assert numbers(found)["seconds_parallel"] == 4.0
    assert not [name for name in numbers(found) if "myloader" in name]
    last = ladder(found)[-1]
    assert (last["seconds"], last["outcome"]) == ("", "not verified: it is not installed")


def test_labels_are_words_that_fit_the_uis_column() -> None:
    assert slug("data files, RAM disk") == "data_files_ram_disk"
    found = report({"data files, RAM disk": [4.0]}).model_copy(update={"limits": (limit("zstd -1, one core", 1.0),)})
    assert "limit_mb_s_zstd_1_one_core" in numbers(found)
    assert max(map(len, numbers(found))) <= 32


def test_only_this_week_can_be_measured(mariadb: PrivateServer, tmp_path: Path) -> None:
    deployed = Deployment.of(tmp_path, mariadb, ("shop",))
    earlier = measured(deployed, "2026-01-05")
    assert "the week from 2026-01-05 is not this one" in failure(earlier).description


@pytest.mark.parametrize(
    ("moment", "is_of_it"),
    [
        (datetime(2026, 1, 4, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 5, tzinfo=UTC), True),
        (datetime(2026, 1, 12, tzinfo=UTC) + GRACE - timedelta(seconds=1), True),
        (datetime(2026, 1, 12, tzinfo=UTC) + GRACE, False),
    ],
)
def test_one_that_waited_in_the_queue_still_counts_for_its_week(moment: datetime, *, is_of_it: bool) -> None:
    start, end = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)
    if is_of_it:
        refuse_other_weeks("2026-01-05", start, end, moment)
    else:
        with pytest.raises(BenchmarkRefusedError):
            refuse_other_weeks("2026-01-05", start, end, moment)


def test_it_is_scheduled_where_somebody_asks_for_it_and_for_the_week_that_is_running(
    mariadb: PrivateServer, tmp_path: Path
) -> None:
    deployed = Deployment.of(tmp_path, mariadb, ("shop",))
    names = {schedule.name for schedule in deployed.definitions().schedules or ()}
    assert not [name for name in names if name.startswith("benchmark")]
    deployed.write({**deployed.written, "schedules": {"benchmark": "0 5 * * 6"}})
    definitions = deployed.definitions()
    schedule = definitions.resolve_schedule_def("benchmark_report_schedule_0_5_x_x_6_UTC")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 28, 5, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
        resources={"chom": Chom(config=str(deployed.config))},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == "2026-11-23"
    assert request.asset_selection == [dg.AssetKey([NAME, "benchmark_report"])]
