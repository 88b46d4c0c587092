"""The shipped rules and their unit tests as data, and promtool, which judges both."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import chom_pipelines
from chom_pipelines.cache import cache_directory

DEPLOY = Path(chom_pipelines.__file__).parents[1] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
TEST_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))


@dataclass(frozen=True)
class Rule:
    """One recording or alerting rule; `body` is the whole of it as written."""

    name: str
    expression: str
    is_alert: bool
    body: dict[str, Any] = field(hash=False, compare=False)

    def uses(self, other: Rule) -> bool:
        """The expression names the series that the other rule records."""
        return not other.is_alert and re.search(rf"{re.escape(other.name)}(?![\w:])", self.expression) is not None


@dataclass(frozen=True)
class Case:
    """One expectation of a unit test: what is said of an alert at a time."""

    alert: str
    fires: bool


@dataclass(frozen=True)
class Unit:
    """One group of series with its expectations. `every` is how often its file has rules evaluated."""

    file: Path
    every: str
    body: dict[str, Any] = field(hash=False, compare=False)

    @property
    def cases(self) -> list[Case]:
        """Of all alerts."""
        return [Case(case["alertname"], bool(case["exp_alerts"])) for case in self.body["alert_rule_test"]]

    @property
    def cost(self) -> float:
        """How many times about its rules are evaluated."""
        return max(_seconds(case["eval_time"]) for case in self.body["alert_rule_test"]) / _seconds(self.every)


def rules(files: Iterable[Path] = RULE_FILES) -> list[Rule]:
    """Every rule of these files, in order."""
    return [
        Rule(str(body.get("alert") or body["record"]), str(body["expr"]), "alert" in body, body)
        for file in files
        for group in yaml.safe_load(file.read_text())["groups"]
        for body in group["rules"]
    ]


def alerts() -> list[Rule]:
    """The shipped alerts."""
    return [rule for rule in rules() if rule.is_alert]


def units(files: Iterable[Path] = TEST_FILES) -> list[Unit]:
    """Every group of these unit tests."""
    return [
        Unit(file, written["evaluation_interval"], body)
        for file in files
        for written in [yaml.safe_load(file.read_text())]
        for body in written["tests"]
    ]


def needed(wanted: Rule, among: Sequence[Rule]) -> list[Rule]:
    """The rule and all that record what it is made of, in the order of the files."""
    found = {wanted}
    while more := {rule for rule in among if rule not in found and any(each.uses(rule) for each in found)}:
        found |= more
    return [rule for rule in among if rule in found]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; what it says is in stdout or stderr."""
    return subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)


def program(name: str) -> str:
    """Where it is; without it the test fails."""
    found = shutil.which(name, path=f"{cache_directory() / 'prometheus'}:{os.environ['PATH']}")
    assert found, f"{name} is not there: `make prometheus` unpacks it"
    return found


def said(judged: subprocess.CompletedProcess[str]) -> str:
    """Both of its outputs."""
    return judged.stdout + judged.stderr


def write_rules(path: Path, bodies: Iterable[dict[str, Any]]) -> None:
    """As one group."""
    path.write_text(json.dumps({"groups": [{"name": "some", "rules": list(bodies)}]}))


def write_units(folder: Path, rule_file: Path, chosen: Iterable[Unit]) -> Iterator[Path]:
    """A file for each, written when it is asked for."""
    path = folder / "units.yml"
    for unit in chosen:
        content = {"rule_files": [str(rule_file)], "evaluation_interval": unit.every, "tests": [unit.body]}
        path.write_text(json.dumps(content))  # which is YAML, and written at once
        yield path


def _seconds(written: str) -> int:
    units_of_time = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units_of_time[unit] for number, unit in re.findall(r"(\d+)([dhms])", written))
