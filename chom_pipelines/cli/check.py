"""`chom check`: everything that a backup depends on, each with what mends it."""

from collections.abc import Iterable
from pathlib import Path

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.inventory.loading import config_path, load_inventory
from chom_pipelines.inventory.preflight import check_repository, check_server
from chom_pipelines.server.findings import Finding, Outcome, passed

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_STYLES = {"passed": "green", "warning": "yellow", "failed": "bold red", "not verified": "magenta"}
_EXIT_CODES = {Outcome.FAILED: 1, Outcome.NOT_VERIFIED: 3}


@app.command()
def check(config: ConfigOption = None, server: ServerOption = None, json: JsonOption = False) -> None:
    """Ask everything that a backup depends on; each finding comes with what mends it.

    Of every server, unless one is named. Exit code 1 where something must be mended, else 3 where something could not
    be determined, else 0.
    """
    inventory = load_inventory(config)
    servers = inventory.servers if server is None else (inventory.server(server),)
    found: dict[str, list[Finding]] = {"": [_loaded(config)]}
    data_bytes: int | None = 0
    for one in servers:
        answers = check_server(one)
        found[one.name] = list(answers.findings)
        known = None not in (data_bytes, answers.data_bytes)
        data_bytes = (data_bytes or 0) + (answers.data_bytes or 0) if known else None
    found[""] += check_repository(inventory.repository, data_bytes)
    worst = _worst(finding.outcome for findings in found.values() for finding in findings)
    if json:
        _print_document(found, worst)
    else:
        _print_tables(found)
    raise typer.Exit(_EXIT_CODES.get(worst, 0))


def _loaded(config: Path | None) -> Finding:
    return passed("configuration", f"{config_path(config)} is valid")


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    there = set(outcomes)
    return next(outcome for outcome in (Outcome.FAILED, Outcome.NOT_VERIFIED, Outcome.PASSED) if outcome in there)


def _print_document(found: dict[str, list[Finding]], worst: Outcome) -> None:
    findings = [
        {
            "server": name or None,
            "subject": finding.subject,
            "outcome": finding.outcome.value,
            "message": finding.message,
            "remedy": finding.remedy,
        }
        for name, findings in found.items()
        for finding in findings
    ]
    output.document("check", {"outcome": worst.value, "findings": findings})


def _print_tables(found: dict[str, list[Finding]]) -> None:
    for name, findings in found.items():
        rows = [(_said(finding), finding.subject, finding.message) for finding in findings]
        output.table(("", "what", "found"), rows, title=name or "this machine", styles=_STYLES)
    above = ""
    for name, findings in found.items():
        for finding in findings:
            if finding.remedy:  # outside of the tables: a statement must survive copy and paste
                heading = f"{_said(finding)}: {' '.join(filter(None, (name, finding.subject)))}"
                if heading != above:
                    typer.echo(heading)
                above = heading
                typer.echo("    " + finding.remedy.replace("\n", "\n    "))


def _said(finding: Finding) -> str:
    return finding.outcome.value.replace("_", " ")
