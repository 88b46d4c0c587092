"""The dashboard is what the code builds, keeps to the rules for dashboards, and each rule refuses what breaks it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from chom_pipelines.monitoring.dashboard.dashboard import dashboard, text
from chom_pipelines.monitoring.dashboard.panels import Panel, Query, Row, selecting
from chom_pipelines_tests.deploy import linting
from chom_pipelines_tests.deploy.expressions import DASHBOARD
from chom_pipelines_tests.deploy.linting import Dashboard, Lint
from chom_pipelines_tests.deploy.rules import DEPLOY

PROVISIONING = DEPLOY / "grafana" / "provisioning"
Break = Callable[[Dashboard], object]


def _variable(broken: Dashboard, name: str) -> dict[str, Any]:
    return next(each for each in broken["templating"]["list"] if each["name"] == name)


def _panel(broken: Dashboard) -> dict[str, Any]:
    """The one of queries: a counter in each of two targets, and another axis."""
    return next(panel for panel in broken["panels"] if panel["title"] == "Queries")


def _ask(expression: str, kind: str = "prometheus") -> Break:
    new = {"expr": expression, "datasource": {"type": kind, "uid": "$datasource"}}
    return lambda broken: _panel(broken)["targets"][0].update(new)


_S = 'job=~"$job",instance=~"$instance"'
BROKEN: list[tuple[Lint, str, Break]] = [
    (linting.template_datasource, "of another type", lambda it: _variable(it, "datasource").update(query="loki")),
    (linting.template_job, "one job alone", lambda it: _variable(it, "job").update(multi=False)),
    (linting.template_job, "from a fixed source", lambda it: _variable(it, "job").update(datasource={"uid": "mine"})),
    (linting.template_instance, "no variable", lambda it: _variable(it, "instance").update(name="host")),
    (linting.template_label_promql, "no label", lambda it: _variable(it, "server").update(query={"query": "chom_up"})),
    (
        linting.template_label_promql,
        "not parsable",
        lambda it: _variable(it, "server").update(query={"query": "label_values(chom_up{, server)"}),
    ),
    (linting.template_on_time_change_reload, "loaded once", lambda it: _variable(it, "server").update(refresh=1)),
    (linting.panel_datasource, "a panel's own", lambda it: _panel(it).update(datasource={"uid": "mine"})),
    (linting.panel_datasource, "a target's own", lambda it: _panel(it)["targets"][0].update(datasource={"uid": "x"})),
    (linting.panel_title_description, "not described", lambda it: _panel(it).update(description="")),
    (linting.panel_title_description, "no title", lambda it: _panel(it).update(title="")),
    (linting.panel_units, "unknown", lambda it: _panel(it)["fieldConfig"]["defaults"].update(unit="apples")),
    (
        linting.panel_units,
        "unknown on the right axis",
        lambda it: _panel(it)["fieldConfig"]["overrides"][0]["properties"].append({"id": "unit", "value": "apples"}),
    ),
    (linting.panel_no_targets, "asks for nothing", lambda it: _panel(it).update(targets=[])),
    (linting.target_logql, "no stream", _ask("rate([$__auto])", "loki")),
    (linting.target_logql_auto, "a fixed range", _ask('rate({app="x"}[5m])', "loki")),
    (linting.target_promql, "not parsable", _ask("sum(chom_up")),
    (linting.target_promql, "not of this type", _ask("rate(chom_up)")),
    (linting.target_rate_interval, "a fixed range", _ask(f"sum(rate(chom_database_queries_total{{{_S}}}[5m]))")),
    (linting.target_job, "without", _ask('chom_up{instance=~"$instance"}')),
    (linting.target_job, "no labels", _ask("max by (job) (chom_up)")),
    (linting.target_instance, "without", _ask('chom_up{job=~"$job"}')),
    (linting.target_counter_agg, "a counter as it is", _ask(f"sum(chom_database_queries_total{{{_S}}})")),
    (linting.target_counter_agg, "its growth as a gauge's", _ask(f"deriv(x_total{{{_S}}}[7d])")),
    (linting.uneditable_dashboard, "editable", lambda it: it.update(editable=True)),
    (linting.identified, "no id", lambda it: _panel(it).pop("id")),
    (linting.identified, "two of an id", lambda it: _panel(it).update(id=1)),
    (linting.identified, "no refId", lambda it: _panel(it)["targets"][0].update(refId="")),
    (linting.identified, "two of a refId", lambda it: _panel(it)["targets"][0].update(refId="B")),
    (linting.laid_out, "over another", lambda it: _panel(it)["gridPos"].update(w=13)),
    (linting.laid_out, "outside", lambda it: _panel(it)["gridPos"].update(x=20)),
    (linting.legible, "no name", lambda it: _panel(it)["targets"][0].update(legendFormat="")),
    (
        linting.legible,
        "colours in no order",
        lambda it: _panel(it)["fieldConfig"]["defaults"]["thresholds"].update(
            steps=[{"value": None}, {"value": 9}, {"value": 5}]
        ),
    ),
]
LINTS = list(dict.fromkeys(lint for lint, _, _ in BROKEN))


def shipped() -> Dashboard:
    found: Dashboard = json.loads(DASHBOARD.read_text())
    return found


def test_the_dashboard_that_is_shipped_is_what_the_code_builds() -> None:
    assert DASHBOARD.read_text() == text(), "make dashboard"


@pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint.__name__)
def test_the_dashboard_keeps_to_the_rules(lint: Lint) -> None:
    assert list(lint(shipped())) == []


@pytest.mark.parametrize(("lint", "how", "spoil"), BROKEN, ids=[f"{lint.__name__}: {how}" for lint, how, _ in BROKEN])
def test_a_rule_refuses_what_breaks_it(lint: Lint, how: str, spoil: Break) -> None:
    broken = copy.deepcopy(shipped())
    spoil(broken)
    assert list(lint(broken)), how


def test_no_rule_of_the_linter_is_left_out() -> None:
    named = {name for name in vars(linting) if name.startswith(("template_", "panel_", "target_", "uneditable_"))}
    assert len(named) == 17
    assert named <= {lint.__name__ for lint in LINTS}


def test_every_panel_says_in_sentences_what_it_is_and_what_to_do() -> None:
    described = {panel["title"]: panel["description"] for panel in linting.panels(shipped())}
    assert [title for title, said in described.items() if not said.endswith(".") or said.count(". ") < 1] == []
    assert len(described) == len(linting.panels(shipped()))


def test_every_selector_keeps_to_the_servers_that_were_chosen_where_there_is_one() -> None:
    without = {"chom_repository_free_bytes", "chom_repository_size_bytes"}
    found = {
        selector[1]: 'server=~"$server"' in (selector[2] or "")
        for _, target in linting.targets(shipped())
        for selector in linting._selectors(target["expr"])
    }
    assert {name for name, chosen in found.items() if not chosen} == without


def test_selectors_are_added_to_those_that_are_written_and_to_nothing_else() -> None:
    assert selecting('sum by (server) (rate(chom_a_total{x="y"}[5m])) / chom_repository_size_bytes') == (
        f'sum by (server) (rate(chom_a_total{{{_S},server=~"$server",x="y"}}[5m])) / chom_repository_size_bytes{{{_S}}}'
    )


def test_panels_go_on_below_where_they_do_not_fit_beside_each_other() -> None:
    wide, narrow = (Panel(str(width), "", "s", (Query("x", "x"),), width=width, height=width) for width in (14, 12))
    built = dashboard([Row("first", (wide, narrow, narrow)), Row("second", (wide,))])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in built["panels"]]
    assert places == [(0, 0), (0, 1), (0, 15), (12, 15), (0, 27), (0, 28)]
    assert [panel["id"] for panel in built["panels"]] == [1, 2, 3, 4, 5, 6]


def test_what_grafana_is_provisioned_with_leads_to_the_dashboard() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "chom.yml").read_text())
    assert [source["type"] for source in sources["datasources"]] == ["prometheus"]
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "chom.yml").read_text())["providers"][0]
    assert provider["type"] == "file"
    assert provider["options"]["path"] in (DEPLOY / "grafana" / "README.md").read_text()
