"""Every expression that is shipped, and a real Prometheus that answers them from what an exporter tells.

with prometheus("127.0.0.1:9105", folder) as running:
    running.wait_for_scrapes(5)
    found = answers(running, panel_expressions())
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chom_pipelines.server.scratch import free_port
from chom_pipelines_tests.deploy.rules import DEPLOY, RULE_FILES, program, rules

DASHBOARD = DEPLOY / "grafana" / "dashboards" / "chom.json"
JOB = "chom-exporter"
_SELECTOR = re.compile(r"(?<![\w:])((?:chom_\w+|up\b)(?:\{[^}]*\})?)")
_PATIENCE_S = 30


@dataclass(frozen=True)
class Expression:
    """PromQL as Prometheus takes it, and which panel, alert or record it is of."""

    where: str
    text: str


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that are the answer now; of a scalar one without labels."""
        query = urllib.parse.urlencode({"query": expression})
        data = self._get(f"query?{query}")
        if data["resultType"] == "vector":
            return list(data["result"])
        return [{"metric": {}, "value": data["result"]}]

    def rules(self) -> list[dict[str, Any]]:
        """Those that are loaded, with `health` and `lastError`."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def wait_for_scrapes(self, number: int) -> None:
        """Until each target was scraped so often with success, and all rules were evaluated since."""
        self.wait(f'min(sum_over_time(up{{job=~"{JOB}.*"}}[5m])) >= {number}')
        self.wait(f"min(prometheus_rule_group_last_evaluation_timestamp_seconds) > {time.time() + 1}")

    def wait(self, until: str) -> None:
        """Until there is an answer."""
        end = time.monotonic() + _PATIENCE_S
        while not self.ask(until):
            assert time.monotonic() < end, f"never: {until}\n{self.log.read_text()}"
            time.sleep(0.2)  # Prometheus is asked; it tells nothing by itself

    def _get(self, path: str) -> Any:  # noqa: ANN401  (JSON)
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=_PATIENCE_S) as answer:
            return json.load(answer)["data"]


def panel_expressions(dashboard: Path = DASHBOARD) -> list[Expression]:
    """Of every target of every panel."""
    return [
        Expression(f"{panel['title']}, {target['refId']}", substituted(target["expr"]))
        for panel in json.loads(dashboard.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


def rule_expressions() -> list[Expression]:
    """Of every alert and record."""
    return [Expression(rule.name, rule.expression) for rule in rules()]


def rule_selectors() -> list[Expression]:
    """What the rules read of the exporter: an alert is right to be silent, and only if these are there."""
    return [
        Expression(rule.name, selector)
        for rule in rules()
        for selector in dict.fromkeys(_SELECTOR.findall(rule.expression))
    ]


def substituted(expression: str) -> str:
    """What Grafana makes of its variables where all is chosen, and a second lies between scrapes."""
    for variable, value in (("$__rate_interval", "4s"), ("$job", ".+"), ("$instance", ".+"), ("$server", ".+")):
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def answers(running: Prometheus, expressions: Iterable[Expression]) -> dict[Expression, list[dict[str, Any]]]:
    """Each with what it is answered now. Raises HTTPError for what Prometheus does not understand."""
    return {expression: running.ask(expression.text) for expression in expressions}


@contextmanager
def prometheus(target: str, folder: Path, further: Iterable[dict[str, Any]] = ()) -> Iterator[Prometheus]:
    """A private one that scrapes `target` (host:port) each second, and by `further` jobs, with the shipped rules."""
    address = f"127.0.0.1:{free_port()}"
    config = folder / "prometheus.yml"
    jobs = [
        {"job_name": JOB, "static_configs": [{"targets": [target]}]},
        {"job_name": "self", "static_configs": [{"targets": [address]}]},
        *further,
    ]
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    files = [str(file) for file in RULE_FILES]
    config.write_text(yaml.safe_dump({"global": every, "rule_files": files, "scrape_configs": jobs}))
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        running = Prometheus(address, process, log)
        try:
            _wait_until_ready(running)
            yield running
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def _wait_until_ready(running: Prometheus) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        assert running.process.poll() is None, running.log.read_text()
        try:
            with urllib.request.urlopen(f"http://{running.address}/-/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)  # as above
    raise AssertionError(running.log.read_text())
