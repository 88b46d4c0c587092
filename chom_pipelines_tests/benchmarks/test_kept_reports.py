"""Reports in the repository, and what people and pandas see of them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
import yaml

from chom_pipelines.benchmarks import history
from chom_pipelines.benchmarks.charts import drawn, where_and_when
from chom_pipelines.benchmarks.kept_reports import kept_reports, report_name
from chom_pipelines.benchmarks.markdown import markdown
from chom_pipelines.benchmarks.predicting import predictions
from chom_pipelines.benchmarks.publishing import publish
from chom_pipelines.benchmarks.report import Means, Report, Sizes, TableSize
from chom_pipelines.benchmarks.words import tables
from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.benchmarks.made import backup, codec, limit, report, rung

RUNGS = {"piped dump": [20.0, 21.0], "parallel": [4.0, 4.5]}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(LocalStore(tmp_path / "repository"))
    made.create()
    return made


def whole(week: int = 0) -> Report:
    """With something of everything, and a peer that is missing."""
    named = report(RUNGS, week=week)
    table = TableSize(table="a|b.c", engine="InnoDB", rows=5, data_bytes=9, index_bytes=8, reclaimable_bytes=7)
    return named.model_copy(
        update={
            "limits": (limit("unix socket", 0.1),),
            "compression": (codec(Codec.ZSTD, 3, 0.2, 8_000_000),),
            "backups": (backup(2.0),),
            "peers": (rung("myloader", means=Means.PEER),),
            "predictions": predictions("full_20260102_010000", 10**9, 0, named.ladder, 30.0),
            "sizes": Sizes(tables=1, rows=5, data_bytes=9, index_bytes=8, reclaimable_bytes=7, largest=(table,)),
        }
    )


def test_a_report_is_found_again_with_its_markdown_and_its_charts_beside_it(repository: Repository) -> None:
    kept, _, where = publish(repository, whole())
    assert where.endswith("chom/benchmarks/benchmark_20260102_020000.json")
    names = [each.name for each in repository.benchmarks_of("chom").below()]
    assert names == [
        "benchmark_20260102_020000.json",
        "benchmark_20260102_020000.md",
        "benchmark_20260102_020000_compression.png",
        "benchmark_20260102_020000_restores.png",
    ]
    found = kept_reports(repository, "chom")
    assert (found.reports, found.problems) == ((kept,), ())
    text = repository.benchmarks_of("chom").read(names[1]).decode()
    assert "![Restores](benchmark_20260102_020000_restores.png)" in text


def test_a_report_that_cannot_be_drawn_is_kept_and_says_so(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Report) -> None:
        raise RuntimeError("no font is found")

    monkeypatch.setattr("chom_pipelines.benchmarks.publishing.drawn", broken)
    publish(repository, whole())
    (kept,) = kept_reports(repository, "chom").reports
    assert kept.unmeasured[-1].reason == "RuntimeError: no font is found"
    assert [each.name for each in repository.benchmarks_of("chom").below()] == [
        "benchmark_20260102_020000.json",
        "benchmark_20260102_020000.md",
    ]


def test_two_reports_of_one_second_are_both_kept(repository: Repository) -> None:
    names = [report_name(publish(repository, whole())[0]) for _ in range(2)]
    assert names == ["benchmark_20260102_020000", "benchmark_20260102_020001"]


def test_a_report_that_was_edited_or_moved_is_named_and_hides_no_other(repository: Repository) -> None:
    folder = repository.benchmarks_of("chom")
    for week in range(3):
        publish(repository, whole(week))
    first, second, third = (each.name for each in folder.below() if each.name.endswith(".json"))
    folder.replace(first, folder.read(first).replace(b"20.0", b"10.0"))
    folder.replace(second, folder.read(third))
    found = kept_reports(repository, "chom")
    assert [report_name(each) for each in found.reports] == ["benchmark_20260116_020000"]
    assert [type(each) for each in found.problems] == [DamagedError] * 2
    assert [first in found.problems[0].what, second in found.problems[1].what] == [True, True]


def test_history_is_a_frame_of_every_figure_with_its_unit(repository: Repository, tmp_path: Path) -> None:
    server = {"name": "chom", "host": "db.invalid", "user": "u", "password": {"env": "NOT_SET"}}
    config = tmp_path / "chom.yaml"
    config.write_text(yaml.safe_dump({"repository": {"path": "repository"}, "servers": [server]}))
    assert history(config=config).empty
    for week in range(2):
        publish(repository, whole(week))
    frame = history("chom", config)
    assert list(frame["report"].unique()) == ["benchmark_20260102_020000", "benchmark_20260109_020000"]
    assert str(frame["time"].dt.tz) == "UTC"
    times = frame[(frame["name"] == "parallel") & (frame["quantity"] == "time")]
    assert times[["value", "unit", "lowest", "highest", "runs"]].to_numpy().tolist() == [[4.25, "s", 4.0, 4.5, 2]] * 2
    assert "myloader" not in set(frame["name"])
    folder = repository.benchmarks_of("chom")
    folder.replace("benchmark_20260102_020000.json", b"{}")
    with pytest.raises(DamagedError, match="benchmark_20260102_020000"):
        history("chom", config)


def test_charts_are_images_that_the_ui_shows_without_scaling(repository: Repository) -> None:
    _, charts, _ = publish(repository, whole())
    for image in (charts.ladder, charts.compression):
        assert image
        assert image.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", image[16:24])
        assert width == 900
        assert 150 < height < 1200


def test_a_chart_says_of_which_server_and_day_it_is_and_what_keeps_it_from_telling() -> None:
    one = whole()
    said = where_and_when(one)
    assert said.startswith(f"{one.server}, 2026-01-02 02:00:00 UTC; ")
    few = one.model_copy(update={"data": one.data.model_copy(update={"text_bytes": 1})})
    assert where_and_when(few).endswith("too little data to tell")
    assert "other processes took 50%" in where_and_when(one.model_copy(update={"elsewhere": 0.5}))


def test_nothing_is_drawn_of_what_was_not_measured() -> None:
    charts = drawn(report({}).model_copy(update={"ladder": (rung("piped dump"),)}))
    assert (charts.ladder, charts.compression) == (None, None)


def test_markdown_has_every_table_the_settings_and_what_was_not_measured() -> None:
    text = markdown(whole(), "data:image/png;base64,AAAA", None)
    assert "![Restores](data:image/png;base64,AAAA)" in text
    assert "![Compression" not in text
    assert "- myloader: not verified: it is not installed" in text
    assert "| myloader | not measured |" in text
    assert "| a\\|b.c |" in text  # a name cannot break the table
    assert "innodb_buffer_pool_size=134217728" in text
    assert "| parallel | 21.2 s | - | 200 MB of text in 4.25 s |" in text
    for table in tables(whole()):
        assert f"## {table.title}" in text.replace("\\|", "|")
    widths = [row.count("|") - row.count("\\|") for row in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert all(widths)


def test_each_row_of_a_table_has_a_cell_for_each_column() -> None:
    found = list(tables(whole()))
    assert [table.title.split()[0] for table in found] == [
        *("Restores", "Backups", "Compression", "Limits", "Restoring", "The")
    ]
    assert all(len(row) == len(table.columns) for table in found for row in table.rows)
