"""Every expression that is shipped, answered by a real Prometheus; what it scrapes has the real exporter's names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chom_pipelines_tests.deploy.expressions import (
    Expression,
    Prometheus,
    answers,
    panel_expressions,
    prometheus,
    rule_expressions,
    rule_selectors,
)
from chom_pipelines_tests.deploy.made_up import SERVERS, made_up_exporter
from chom_pipelines_tests.deploy.rules import PROMETHEUS, alerts, rules

PROBE = "chom-exporter-probe"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with made_up_exporter() as target, prometheus(target, folder, [probe(target, folder)]) as started:
        started.wait_for_scrapes(3)
        yield started


def probe(target: str, folder: Path) -> dict[str, Any]:
    """The job that is shipped for many servers, with the address of the exporter, and the list of servers it wants."""
    shipped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    (job,) = (each for each in shipped if each["job_name"] == PROBE)
    for relabelled in job["relabel_configs"]:
        if "replacement" in relabelled:
            relabelled["replacement"] = target
    (folder / "servers").mkdir()
    (folder / "servers" / "all.yml").write_text(yaml.safe_dump([{"targets": list(SERVERS)}]))
    return dict(job)


def test_every_expression_of_every_panel_has_data(running: Prometheus) -> None:
    found = answers(running, panel_expressions())
    assert len(found) > 40
    assert [expression for expression, result in found.items() if not result] == []


def test_no_panel_shows_what_is_no_number(running: Prometheus) -> None:
    values = {
        expression: [float(each["value"][1]) for each in result]
        for expression, result in answers(running, panel_expressions()).items()
    }
    assert [each for each, numbers in values.items() if any(number != number for number in numbers)] == []  # noqa: PLR0124  (NaN)


def test_panels_keep_the_servers_apart(running: Prometheus) -> None:
    found = answers(running, [each for each in panel_expressions() if "by (server" in each.text])
    alone = {
        expression.where: {each["metric"].get("server") for each in result}
        for expression, result in found.items()
        if not expression.text.startswith("max(")
    }
    assert {where: servers for where, servers in alone.items() if servers != set(SERVERS)} == {}


def test_every_series_that_a_rule_reads_is_there(running: Prometheus) -> None:
    found = answers(running, rule_selectors())
    assert len({each.text for each in found}) > 30
    assert [expression for expression, result in found.items() if not result] == []


def test_every_recorded_series_has_data(running: Prometheus) -> None:
    recorded = [Expression(rule.name, rule.name) for rule in rules() if not rule.is_alert]
    assert [expression for expression, result in answers(running, recorded).items() if not result] == []


def test_no_rule_fails_with_two_servers_and_none_fires_where_all_is_well(running: Prometheus) -> None:
    loaded = running.rules()
    assert {rule["name"] for rule in loaded} == {rule.name for rule in rules()}
    assert {rule["name"]: rule.get("lastError") for rule in loaded if rule["health"] != "ok"} == {}
    names = {rule.name for rule in alerts()}
    fire = {
        expression.where: result
        for expression, result in answers(running, rule_expressions()).items()
        if expression.where in names and result
    }
    assert fire == {}


def test_the_job_for_many_servers_asks_for_each_by_its_name(running: Prometheus) -> None:
    found = running.ask(f'chom_up{{job="{PROBE}"}}')
    assert {(each["metric"]["instance"], each["metric"]["server"]) for each in found} == {(it, it) for it in SERVERS}
    up = running.ask(f'up{{job="{PROBE}"}} == 1')
    assert {each["metric"]["instance"] for each in up} == set(SERVERS)
