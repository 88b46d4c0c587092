"""Grafana's dashboard of servers, backups and migrations, as the JSON that Grafana loads. Pure, apart from `write`.

It needs Grafana 10 or newer, and of Prometheus only what the exporter tells, so that it works without the rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from chom_pipelines.monitoring.dashboard.backups import BACKUPS
from chom_pipelines.monitoring.dashboard.overview import MONITORING, NOW
from chom_pipelines.monitoring.dashboard.panels import Limits, Panel, Query, Row, selecting
from chom_pipelines.monitoring.dashboard.servers import LOAD, MEMORY_AND_LOCKS, REPLICATION_AND_MIGRATIONS, STORAGE

ROWS = (NOW, BACKUPS, LOAD, MEMORY_AND_LOCKS, STORAGE, REPLICATION_AND_MIGRATIONS, MONITORING)

_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "$datasource"}
_SCHEMA = 39
_RELOAD_WITH_TIME = 2
_GREEN, _ORANGE, _RED = "green", "orange", "red"


def dashboard(rows: Iterable[Row] = ROWS) -> dict[str, Any]:
    """The whole dashboard."""
    return {
        "uid": "chom-servers",
        "title": "CHOM: backups and database servers",
        "description": "Whether everything can be restored, and how the servers are. Written by `make dashboard`.",
        "tags": ["chom", "mysql", "mariadb", "backup"],
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": _SCHEMA,
        "version": 1,
        "timezone": "browser",
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": list(_variables())},
        "panels": list(_laid_out(rows)),
    }


def text() -> str:
    """As it is shipped."""
    return json.dumps(dashboard(), indent=2) + "\n"


def write(path: str | Path) -> None:
    """Replace the file.

    Raises:
        OSError: it cannot be written.
    """
    Path(path).write_text(text())


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    yield _variable("job", "Job", "label_values(chom_build_info, job)")
    yield _variable("instance", "Instance", 'label_values(chom_build_info{job=~"$job"}, instance)')
    yield _variable("server", "Server", 'label_values(chom_up{job=~"$job",instance=~"$instance"}, server)')


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "definition": query,
        "refresh": _RELOAD_WITH_TIME,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _laid_out(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Rows below each other, their panels from left to right as they fit."""
    number, top = 1, 0
    for row in rows:
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            yield {"id": number, **_panel(panel), "gridPos": place}
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(query, panel, number) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
    }
    if panel.kind == "table":
        drawn["transformations"] = [
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True, "job": True, "instance": True},
                    "renameByName": {"Value": panel.value_title},
                },
            }
        ]
    return drawn


def _target(query: Query, panel: Panel, number: int) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + number),
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": selecting(query.expression),
        "legendFormat": query.legend,
        "format": "table" if panel.kind == "table" else "time_series",
        "instant": query.instant,
        "range": not query.instant,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": list(_steps(panel.limits))},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "mappings": [],
    }
    if panel.names:
        colours = (_RED, _GREEN)
        named = {
            str(value): {"text": name, "color": colours[value], "index": value}
            for value, name in enumerate(panel.names)
        }
        defaults["mappings"] = [{"type": "value", "options": named}]
    if panel.minimum is not None and panel.kind != "table":
        defaults["min"] = panel.minimum
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.kind == "timeseries":
        marked = {"mode": "off" if panel.limits == Limits() else "dashed"}
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        fill = 20 if panel.stacked else 5
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": fill,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": stacking,
            "thresholdsStyle": marked,
        }
    if panel.kind == "table" and panel.names:
        defaults["custom"] = {"cellOptions": {"type": "color-text"}, "filterable": True}
    return defaults


def _steps(limits: Limits) -> Iterator[dict[str, Any]]:
    """Colours from below: rising figures start green, falling ones red."""
    rising = [(_GREEN, None), (_ORANGE, limits.orange), (_RED, limits.red)]
    falling = [(_GREEN, limits.orange if limits.orange is not None else limits.red)]
    falling = [(_RED, None), *([(_ORANGE, limits.red)] if limits.orange is not None else []), *falling]
    first, *others = falling if limits.falling else rising
    yield {"color": first[0], "value": None}
    yield from ({"color": colour, "value": value} for colour, value in others if value is not None)


def _overrides(panel: Panel) -> Iterator[dict[str, Any]]:
    """Figures of another measure have an axis on the right, and limits are dashed lines."""
    if panel.right_axis:
        properties = [{"id": "custom.axisPlacement", "value": "right"}]
        if panel.right_unit:
            properties.append({"id": "unit", "value": panel.right_unit})
        yield {"matcher": {"id": "byRegexp", "options": panel.right_axis}, "properties": properties}
    if any(query.legend.endswith(" limit") for query in panel.queries):
        dashes = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}
        yield {
            "matcher": {"id": "byRegexp", "options": "/ limit$/"},
            "properties": [dashes, {"id": "custom.fillOpacity", "value": 0}],
        }


def _options(panel: Panel) -> dict[str, Any]:
    newest = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "timeseries":
        legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "stat":
        return {"reduceOptions": newest, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
    if panel.kind == "bargauge":
        return {"reduceOptions": newest, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
    return {"showHeader": True, "cellHeight": "sm"}
