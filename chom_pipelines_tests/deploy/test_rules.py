"""The rules and the configuration of Prometheus as promtool judges them, and what is promised of every alert."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from chom_pipelines.cli.main import COMMANDS
from chom_pipelines_tests.deploy.rules import (
    PROMETHEUS,
    RULE_FILES,
    TEST_FILES,
    Rule,
    alerts,
    promtool,
    rules,
    said,
    units,
)

README = (PROMETHEUS / "README.md").read_text()
_NAMES_NO_SERVER = {"ExporterDown", "MonitoringAbsent", "RepositoryFullSoon", "RepositoryTooSmallForNextBackup"}
_HAS_NO_FIGURE = {
    *(
        "BackupNeverSucceeded",
        "RestoreNeverProved",
        "OffsiteNeverCopied",
        "DatabaseDown",
        "ReplicationStopped",
        "ExporterDown",
    ),
    *("MonitoringAbsent", "ServerNoLongerWatched", "CapabilityLost", "CollectorFailing"),
}


def test_promtool_accepts_the_rules_and_finds_nothing_to_lint() -> None:
    judged = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)
    assert judged.returncode == 0, said(judged)
    assert said(judged).count("SUCCESS") == len(RULE_FILES) > 0


def test_promtool_accepts_the_configuration_and_finds_the_rules_from_it() -> None:
    syntax = promtool("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")
    assert syntax.returncode == 0, said(syntax)
    whole = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert whole.returncode == 0, said(whole)
    assert f"{len(RULE_FILES)} rule files found" in said(whole)


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_the_unit_tests_of_the_rules_pass(file: Path) -> None:
    judged = promtool("test", "rules", file)
    assert judged.returncode == 0, said(judged)


def test_every_alert_has_a_case_where_it_fires_and_one_where_it_is_silent() -> None:
    cases = [case for unit in units() for case in unit.cases]
    names = {rule.name for rule in alerts()}
    assert {case.alert for case in cases if case.fires} == names
    assert {case.alert for case in cases if not case.fires} == names


def test_no_two_rules_share_a_name() -> None:
    names = [rule.name for rule in rules()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)
def test_an_alert_says_how_urgent_it_is_what_is_wrong_where_and_what_to_do(rule: Rule) -> None:
    assert rule.body["labels"]["severity"] in {"page", "ticket"}
    assert re.fullmatch(r"\d+[mh]", rule.body["for"])
    notes = rule.body["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    assert notes["description"].endswith(".")
    assert not notes["summary"].endswith(".")
    assert ("$labels.server" in notes["summary"]) == (rule.name not in _NAMES_NO_SERVER)
    if rule.name not in _HAS_NO_FIGURE:
        assert "$value" in notes["summary"] + notes["description"]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)
def test_the_command_of_a_runbook_is_one_that_chom_has(rule: Rule) -> None:
    written = rule.body["annotations"]["runbook"].replace("{{ $labels.server }}", "shop")
    program, name, *arguments = shlex.split(written)
    assert program == "chom"
    command: Any = typer.main.get_command(import_module(f"chom_pipelines.cli.{COMMANDS[name].module}").app)
    if set(arguments[:1]) & set(inner := getattr(command, "commands", {})):
        command = inner[arguments.pop(0)]
    command.make_context(name, arguments)  # raises UsageError for what it does not know


def test_the_readme_lists_every_alert_as_it_is() -> None:
    listed = re.findall(r"^\| (\w+) \| (page|ticket) \| (\w+) \| [^|]+\.? \|$", README, flags=re.MULTILINE)
    assert listed == [
        (rule.name, rule.body["labels"]["severity"], rule.body["for"])
        for name in ("backups", "repository", "servers", "monitoring")
        for rule in rules([PROMETHEUS / "rules" / f"{name}.yml"])
        if rule.is_alert
    ]


def test_the_names_of_jobs_are_those_that_the_rules_look_for() -> None:
    jobs = [job["job_name"] for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]]
    (down,) = (rule for rule in alerts() if rule.name == "ExporterDown")
    pattern = re.findall(r'job=~"([^"]+)"', down.expression)[0]
    assert [job for job in jobs if not re.fullmatch(pattern, job)] == []
    assert len(jobs) == 2
