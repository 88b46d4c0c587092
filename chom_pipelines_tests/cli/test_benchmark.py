"""`chom benchmark` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chom_pipelines.benchmarks.amounts import parsed_count, parsed_size
from chom_pipelines.benchmarks.kept_reports import kept_reports
from chom_pipelines.benchmarks.running import SAMPLE
from chom_pipelines.benchmarks.sources import asked
from chom_pipelines.errors import ConfigurationError
from chom_pipelines_tests.cli.setting import Setting


@pytest.mark.long
def test_generated_data_are_measured_on_private_servers_and_production_is_only_read(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    here = on_mariadb
    caplog.set_level("INFO")
    with here.server.connect() as session:
        before = session.rows("SHOW MASTER STATUS")
    code, body = here.document(capsys, "benchmark", "--size", "1MB", "--tables", "2", "--rounds", "1")
    with here.server.connect() as session:
        assert session.rows("SHOW MASTER STATUS") == before
    assert (code, [each["reason"] for each in body["ladder"]]) == (0, [""] * 10)
    assert "less than 100 MB: too little to recommend anything" in caplog.text
    assert body["sizes"]["tables"] == 2
    tables = {table["table"] for table in body["sizes"]["largest"]}
    assert tables == {f"{here.database}.{name}" for name in ("orders", "users")}
    assert body["measured_on"] == body["source_version"] == here.server.facts.label
    assert [each["outcome"] for each in body["compression"]] == ["passed"] * 7
    assert 0 < body["data"]["sample_bytes"] <= SAMPLE
    (kept,) = kept_reports(here.repository, "chom").reports
    assert Path(body["where"]).exists()
    assert json.loads(kept.model_dump_json())["ladder"] == body["ladder"]


@pytest.mark.long
def test_the_latest_backup_of_mysql_is_measured_and_a_restore_of_it_predicted(
    on_mysql: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_mysql.chom("backup", "--verification", "none") == 0
    on_mysql.server.fresh_database()
    code, body = on_mysql.document(capsys, "benchmark", "--rounds", "1")
    assert (code, body["data"]["origin"], body["data"]["share"]) == (0, on_mysql.latest.id, 1.0)
    assert [each["backup"] for each in body["predictions"]] == [on_mysql.latest.id] * 4
    assert on_mysql.chom("benchmark", "--rounds", "1") == 0
    printed = capsys.readouterr().out
    # where other work takes much of this machine, times are not compared
    assert "Compared with one earlier report" in printed or "Not compared with earlier reports" in printed
    assert f"Restoring {on_mysql.latest.id} would take" in printed


def test_without_a_backup_and_without_a_size_there_is_nothing_to_measure_with(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    code, body = on_mariadb.document(capsys, "benchmark")
    assert code == 1
    assert body["error"]["message"] == "there is no full backup of rows that could be restored"
    assert "--size" in body["error"]["remedy"]


def test_of_a_server_that_was_never_reached_the_family_is_not_guessed(
    on_mariadb: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    on_mariadb.write(port=1)
    code, body = on_mariadb.document(capsys, "benchmark", "--size", "1MB")
    assert (code, "of which family the server is, is not known" in body["error"]["message"]) == (1, True)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1MB", 10**6), ("200 MB", 2 * 10**8), ("1.5g", 15 * 10**8), ("5GB", 5 * 10**9), ("2000000", 2 * 10**6)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parsed_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1 XB", "5kB", "0", "1e6"])
def test_what_is_no_size_is_refused_before_anything_is_done(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no size of a megabyte or more"):
        parsed_size(text)


def test_a_size_that_is_none_is_a_matter_of_usage(on_mariadb: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    found: tuple[int, dict[str, Any]] = on_mariadb.document(capsys, "benchmark", "--size", "much")
    assert found[0] == 2


@pytest.mark.parametrize(("text", "count"), [("500000", 500_000), ("10M", 10_000_000), ("1.5k", 1500), ("1,000", 1000)])
def test_numbers_of_rows_are_read_as_people_write_them(text: str, count: int) -> None:
    assert parsed_count(text) == count


@pytest.mark.parametrize("text", ["", "0", "many", "-5", "5GB", "0.2"])
def test_what_is_no_number_of_rows_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no number of rows"):
        parsed_count(text)


@pytest.mark.parametrize(("tables", "rows", "what"), [(None, "10M", "rows"), (5, "", "tables")])
def test_what_describes_generated_data_is_not_silently_ignored_without_a_size(
    tables: int | None, rows: str, what: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"a number of {what} needs a size"):
        asked(size="", tables=tables, rows=rows, rounds=1, against="")


def test_five_tables_are_generated_where_nobody_says_how_many() -> None:
    assert asked(size="200MB", tables=None, rows="", rounds=1, against="").tables == 5
