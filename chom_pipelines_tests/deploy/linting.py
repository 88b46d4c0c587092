"""What a dashboard is held to: the rules of Grafana's dashboard-linter by their names, and those of layout.

The linter is a program in Go; here each rule takes a dashboard and says what breaks it, in words.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chom_pipelines_tests.deploy.rules import promtool, said, write_rules

Dashboard = dict[str, Any]
Lint = Callable[[Dashboard], Iterator[str]]

UNITS = {"none", "short", "s", "ops", "bytes", "percent", "percentunit"}
"""Of Grafana's units, those that this project has a use for."""
_COLUMNS = 24
_RELOAD_WITH_TIME = 2
_RATES = ("rate", "irate", "increase")
_WORDS = {"and", "or", "unless", "bool", "offset"}
_LABEL_LISTS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])(\{[^}]*\})?(\[[^\]]*\])?")
_SOURCES = {"$datasource", "${datasource}"}


def template_datasource(dashboard: Dashboard) -> Iterator[str]:
    """There is a variable that chooses the data source."""
    found = _variables(dashboard).get("datasource", {})
    wanted = {"type": "datasource", "query": "prometheus", "label": "Data source"}
    yield from (f"datasource: {key} is not {value}" for key, value in wanted.items() if found.get(key) != value)


def template_job(dashboard: Dashboard) -> Iterator[str]:
    """There is a variable that chooses jobs, any number of them."""
    yield from _label_variable(dashboard, "job", "Job")


def template_instance(dashboard: Dashboard) -> Iterator[str]:
    """There is one that chooses instances."""
    yield from _label_variable(dashboard, "instance", "Instance")


def template_label_promql(dashboard: Dashboard) -> Iterator[str]:
    """What a variable asks for is the values of one label of a selector that can be parsed."""
    for name, variable in _variables(dashboard).items():
        if variable["type"] != "query":
            continue
        parts = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        if not parts:
            yield f"{name}: not label_values(selector, label)"
        elif problem := _unparsable([parts[1]]):
            yield f"{name}: {problem}"


def template_on_time_change_reload(dashboard: Dashboard) -> Iterator[str]:
    """Variables are asked for again when the time range changes."""
    for name, variable in _variables(dashboard).items():
        if variable["type"] == "query" and variable.get("refresh") != _RELOAD_WITH_TIME:
            yield f"{name}: is not reloaded when the time range changes"


def panel_datasource(dashboard: Dashboard) -> Iterator[str]:
    """Panels and their targets ask the source that was chosen."""
    for panel in panels(dashboard):
        for each in (panel, *panel.get("targets", [])):
            if each.get("datasource", {}).get("uid") not in _SOURCES:
                yield f"{panel['title']}: does not use $datasource"


def panel_title_description(dashboard: Dashboard) -> Iterator[str]:
    """Panels say what they are."""
    for panel in panels(dashboard):
        yield from (f"panel {panel['id']}: no {key}" for key in ("title", "description") if not panel.get(key))


def panel_units(dashboard: Dashboard) -> Iterator[str]:
    """Figures have a unit that Grafana has, overridden ones too."""
    for panel in panels(dashboard):
        config = panel["fieldConfig"]
        changed = [each for override in config["overrides"] for each in override["properties"] if each["id"] == "unit"]
        for unit in (config["defaults"].get("unit"), *(each["value"] for each in changed)):
            if unit not in UNITS:
                yield f"{panel['title']}: {unit} is not a unit"


def panel_no_targets(dashboard: Dashboard) -> Iterator[str]:
    """No panel asks for nothing."""
    yield from (f"{panel['title']}: no targets" for panel in panels(dashboard) if not panel.get("targets"))


def target_logql(dashboard: Dashboard) -> Iterator[str]:
    """Targets that ask Loki have a stream selector, closed."""
    for panel, target in targets(dashboard):
        if _asks_loki(target) and not re.search(r"\{[^{}]+\}", target["expr"]):
            yield f"{panel['title']}: not LogQL: {target['expr']}"


def target_logql_auto(dashboard: Dashboard) -> Iterator[str]:
    """Their ranges are Grafana's to choose."""
    for panel, target in targets(dashboard):
        ranges = re.findall(r"\[([^\]]+)\]", target["expr"])
        if _asks_loki(target) and any(each != "$__auto" for each in ranges):
            yield f"{panel['title']}: a range that is not $__auto: {target['expr']}"


def target_promql(dashboard: Dashboard) -> Iterator[str]:
    """Targets can be parsed."""
    if problem := _unparsable([target["expr"] for _, target in targets(dashboard)]):
        yield problem


def target_rate_interval(dashboard: Dashboard) -> Iterator[str]:
    """Rates are over the interval that fits how often is scraped."""
    for panel, target in targets(dashboard):
        for call, found in re.findall(rf"\b({'|'.join(_RATES)})\([^()\[\]]*\[([^\]]+)\]", target["expr"]):
            if found != "$__rate_interval":
                yield f"{panel['title']}: {call} over {found}"


def target_job(dashboard: Dashboard) -> Iterator[str]:
    """Every selector keeps to the jobs that were chosen."""
    yield from _unselected(dashboard, "job")


def target_instance(dashboard: Dashboard) -> Iterator[str]:
    """Every selector keeps to the instances that were chosen."""
    yield from _unselected(dashboard, "instance")


def target_counter_agg(dashboard: Dashboard) -> Iterator[str]:
    """Counters are shown as rates, with labels or without."""
    for panel, target in targets(dashboard):
        for found in _selectors(target["expr"]):
            before = found.string[: found.start()].rstrip()
            if found[1].endswith(("_total", "_bucket")) and not before.endswith(tuple(f"{each}(" for each in _RATES)):
                yield f"{panel['title']}: {found[1]} is not under rate"


def uneditable_dashboard(dashboard: Dashboard) -> Iterator[str]:
    """It is changed where it is written."""
    if dashboard.get("editable") is not False:
        yield "it can be edited in Grafana"


def identified(dashboard: Dashboard) -> Iterator[str]:
    """Panels have ids, and targets letters of their own."""
    ids = [panel.get("id") for panel in dashboard["panels"]]
    if None in ids or len(set(ids)) < len(ids):
        yield "panels without an id, or with the same"
    for panel in panels(dashboard):
        letters = [target.get("refId") for target in panel.get("targets", [])]
        if not all(letters) or len(set(letters)) < len(letters):
            yield f"{panel['title']}: targets without a refId, or with the same"


def laid_out(dashboard: Dashboard) -> Iterator[str]:
    """No panel is outside of the grid or lies over another one."""
    places = [(panel["title"], panel["gridPos"]) for panel in dashboard["panels"]]
    yield from (f"{title}: outside" for title, at in places if at["x"] < 0 or at["x"] + at["w"] > _COLUMNS)
    for (first, one), (second, other) in itertools.combinations(places, 2):
        across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
        down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
        if across and down:
            yield f"{first} and {second} lie over each other"


def legible(dashboard: Dashboard) -> Iterator[str]:
    """Series have names that a person can tell apart, and colours change at rising figures."""
    for panel in panels(dashboard):
        named = panel["type"] == "table" or all(target.get("legendFormat") for target in panel["targets"])
        if not named:
            yield f"{panel['title']}: a series has no name"
        steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        if steps[0] is not None or steps[1:] != sorted(steps[1:]):
            yield f"{panel['title']}: thresholds are not in order"


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    """Without the headings of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: Dashboard) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each with its panel."""
    yield from ((panel, target) for panel in panels(dashboard) for target in panel.get("targets", []))


def _variables(dashboard: Dashboard) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in dashboard["templating"]["list"]}


def _label_variable(dashboard: Dashboard, name: str, label: str) -> Iterator[str]:
    found = _variables(dashboard).get(name, {})
    wanted = {"type": "query", "label": label, "multi": True, "includeAll": True, "allValue": ".+"}
    yield from (f"{name}: {key} is not {value}" for key, value in wanted.items() if found.get(key) != value)
    if found.get("datasource", {}).get("uid") not in _SOURCES:
        yield f"{name}: does not use $datasource"


def _asks_loki(target: dict[str, Any]) -> bool:
    return bool(target["datasource"].get("type") == "loki")


def _unselected(dashboard: Dashboard, label: str) -> Iterator[str]:
    for panel, target in targets(dashboard):
        for found in _selectors(target["expr"]):
            if f'{label}=~"${label}"' not in (found[2] or ""):
                yield f'{panel["title"]}: {found[1]} without {label}=~"${label}"'


def _selectors(expression: str) -> Iterator[re.Match[str]]:
    """Those of series: name, labels, range. What is in quotes or in lists of labels is none."""
    bare = _LABEL_LISTS.sub(lambda found: " " * len(found[0]), expression)
    yield from (found for found in _NAME.finditer(bare) if found[1] not in _WORDS)


def _unparsable(expressions: list[str]) -> str:
    plain = [re.sub(r"\$__\w+", "1m", each).replace("$", "") for each in expressions]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        write_rules(file, ({"record": f"r{number}", "expr": each} for number, each in enumerate(plain)))
        judged = promtool("check", "rules", "--lint=none", file)
    return "" if judged.returncode == 0 else said(judged)
