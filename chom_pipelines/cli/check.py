"""`chom check`: everything that a backup depends on, each with what mends it."""

from pathlib import Path

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.cli.output import EXIT_CODES
from chom_pipelines.inventory.loading import config_path, load_inventory
from chom_pipelines.inventory.preflight import check_repository, check_server
from chom_pipelines.offsite.fitness import check_second_copy
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.physical.fitness import check_fitness
from chom_pipelines.server.findings import Finding, passed

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_STYLES = {"passed": "green", "warning": "yellow", "failed": "bold red", "not verified": "magenta"}


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
        found[one.name] = [*answers.findings, *check_fitness(one)]
        known = None not in (data_bytes, answers.data_bytes)
        data_bytes = (data_bytes or 0) + (answers.data_bytes or 0) if known else None
    days = max(one.retention.full_days for one in servers)
    found[""] += [*check_repository(inventory.repository, data_bytes), *check_second_copy(inventory.repository, days)]
    overall = worst(finding.outcome for findings in found.values() for finding in findings)
    if json:
        _print_document(found, overall)
    else:
        _print_tables(found)
    raise typer.Exit(EXIT_CODES[overall])


def _loaded(config: Path | None) -> Finding:
    return passed("configuration", f"{config_path(config)} is valid")


def _print_document(found: dict[str, list[Finding]], overall: Outcome) -> None:
    findings = [
        {
            "server": name or None,
            "subject": finding.subject,
            "outcome": finding.outcome.value,
            "warning": finding.is_warning,
            "message": finding.message,
            "remedy": finding.remedy,
        }
        for name, findings in found.items()
        for finding in findings
    ]
    output.document("check", {"outcome": overall.value, "findings": findings})


def _print_tables(found: dict[str, list[Finding]]) -> None:
    for name, findings in found.items():
        rows = [(finding.words, finding.subject, finding.message) for finding in findings]
        output.table(("", "what", "found"), rows, title=name or "this machine", styles=_STYLES)
    above = ""
    for name, findings in found.items():
        for finding in findings:
            if finding.remedy:  # outside of the tables: a statement must survive copy and paste
                heading = f"{finding.words}: {' '.join(filter(None, (name, finding.subject)))}"
                if heading != above:
                    typer.echo(heading)
                above = heading
                typer.echo("    " + finding.remedy.replace("\n", "\n    "))
