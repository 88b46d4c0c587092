"""`chom migration check`: what a deploy's migrations will do to a database, known before."""

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ChomError, ConfigurationError, MigrationCheckError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.log_lines import amount, duration, size
from chom_pipelines.migrations.afterwards import keep_durations
from chom_pipelines.migrations.checking import PATIENCE, MigrationCheck, Mode, Planned, check_migrations
from chom_pipelines.migrations.findings import MigrationFinding, Severity
from chom_pipelines.migrations.past import last_check, schema_of
from chom_pipelines.outcome import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_COLOURS = {Severity.ERROR: "red", Severity.UNKNOWN: "magenta", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_VERDICTS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_VERIFIED: "magenta"}
_log = logging.getLogger(__name__)


@app.callback()
def _group() -> None:
    """Know what pending migrations will do to a database before they do it."""


@app.command()
def check(
    *,
    config: ConfigOption = None,
    server: ServerOption = None,
    validate: Annotated[
        bool,
        typer.Option("--validate", help="Leave out how the server does each statement: faster.", show_default=False),
    ] = False,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Restore the latest backup, too, and run them on its rows: slower.", show_default=False
        ),
    ] = False,
    drift: Annotated[
        bool,
        typer.Option(
            "--drift",
            help="Run all migrations on empty databases, too, and compare what they make with production.",
            show_default=False,
        ),
    ] = False,
    pretend: Annotated[
        bool,
        typer.Option(
            "--pretend", help="Print each statement in full, as the application sends it.", show_default=False
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="For the application's own migrator.")
    ] = PATIENCE,
    force: Annotated[
        str,
        typer.Option(
            "--force",
            metavar="REASON",
            help="Exit 0 whatever is found; the audit log keeps who and why.",
            show_default=False,
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Run the pending migrations on a throw-away copy of the schema, and judge them. Production is only read.

    The copy is a private server of production's family, without its rows, and the application's own migrator runs
    against it. Each statement is then tried by every algorithm that the server knows, and rows that would make it fail
    are looked for in production, for some seconds.

    --drift runs those of years ago once more: what they do outside of the database, as to files, they do again.

    Exit code 0 where nothing speaks against a deploy, 1 where something does, 3 where it could not be told; warnings
    stop nothing. What `migrations.accept` of chom.yaml names is listed, and stops nothing.
    """
    if validate and (pretend or deep):
        raise ConfigurationError("--validate excludes --pretend and --deep", "leave one of them out")
    mode = Mode.VALIDATE if validate else Mode.DEEP if deep else Mode.DRY_RUN
    inventory = load_inventory(config)
    one = inventory.server(server)
    try:
        found = check_migrations(inventory, one, mode, _log.info, timeout=timeout, drift=drift)
    except ChomError as problem:
        if problem.exit_code != 1:
            raise
        raise MigrationCheckError(problem.what, problem.remedy) from problem  # nothing was judged: that is no refusal
    forced = force if found.outcome is not Outcome.PASSED else None
    record(
        inventory.repository, "migration check", one.name, outcome=found.outcome.value, codes=found.codes, forced=forced
    )
    if json:
        output.document("migration check", {**_as_json(found), "forced": forced})
    else:
        _print(found, pretend=pretend)
        if forced:
            typer.secho(f"forced: {forced}", fg="yellow", bold=True)
    raise typer.Exit(0 if forced else output.EXIT_CODES[found.outcome])


@app.command()
def done(
    *,
    config: ConfigOption = None,
    server: ServerOption = None,
    output_file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--output", metavar="FILE", help="What `artisan migrate` has printed; - is standard input."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Keep how long the migrations of a deploy took, beside what the check before had foretold.

    Later checks foretell by that. Without --output it is what Flyway has recorded of the migrations of the last check.

    Exit code 0 where something was kept, 3 where nothing tells how long they took.
    """
    inventory = load_inventory(config)
    one = inventory.server(server)
    record(inventory.repository, "migration done", one.name)
    text = output_file.read().decode("utf-8", "replace") if output_file else None
    run = keep_durations(inventory, one, text, datetime.now(UTC))
    if json:
        output.document("migration done", run.model_dump(mode="json"))
        return
    rows = [
        (
            each.migration,
            duration(each.seconds),
            "" if each.most is None or each.least is None else f"{each.least:.1f} to {each.most:.1f} s",
            {True: "as foretold", False: "not as foretold", None: "nothing was foretold"}[each.is_within],
        )
        for each in run.migrations
    ]
    output.table(("migration", "took>", "foretold>", ""), rows)


@app.command()
def schema(config: ConfigOption = None, server: ServerOption = None, json: JsonOption = False) -> None:
    """Print the schema that production had at the last check with pending migrations, as SQL for the stock client."""
    inventory = load_inventory(config)
    one = inventory.server(server)
    repository = existing_repository(inventory.repository)
    kept = last_check(repository, one.name)
    if kept is None:
        raise MigrationCheckError(f"no check of {one.name} was kept", "run `chom migration check` with some pending")
    sql = schema_of(repository, kept, keyring_of(inventory.repository, one.backup))
    if json:
        text = sql.decode("utf-8", "backslashreplace")
        output.document("migration schema", {"server": one.name, "started": kept.started, "on": kept.on, "sql": text})
    else:
        sys.stdout.buffer.write(sql)


def _print(found: MigrationCheck, *, pretend: bool) -> None:
    typer.secho(found.verdict, fg=_VERDICTS[found.outcome], bold=True)
    how_many = amount(len(found.plan), "statement")
    typer.echo(f"{found.application} in {found.place}")
    typer.echo(f"on {found.on}, {found.mode}, {how_many}, {duration(found.seconds)}")
    if found.pace != 1:
        typer.echo(f"times by past migrations here, which took {found.pace:.2g} times as long as elsewhere")
    if pretend:
        _print_statements(found.plan)
    elif found.plan:
        rows = [
            (
                each.step.migration,
                output.printable(each.step.statement.short(70)),
                _how(each),
                each.step.waiting if each.prediction else "",
                each.prediction.words if each.prediction and each.step.is_structure else "",
                size(each.prediction.disk_bytes) if each.prediction and each.prediction.disk_bytes else "",
            )
            for each in found.plan
        ]
        output.table(("migration", "statement", "how", "who waits", "time", "disk>"), rows)
    for finding in found.findings:
        _print_finding(finding)
    for finding, reason in found.accepted:
        typer.secho(f"accepted {finding.code}  {finding.what}", fg="blue")
        typer.echo(f"    because chom.yaml says: {reason}")


def _print_statements(plan: Sequence[Planned]) -> None:
    above = ""
    for each in plan:
        if each.step.migration != above:
            above = each.step.migration
            typer.secho(f"\n-- {above}", bold=True)
        typer.echo(f"{output.printable(each.step.statement.shown)};")
        typer.echo(
            f"--   {_how(each)}" + (f", {each.prediction.words}" if each.prediction and each.step.is_structure else "")
        )


def _how(planned: Planned) -> str:
    step = planned.step
    if step.failure:
        return "fails"
    if planned.prediction is None:
        return ""
    if not step.is_structure:
        return "row by row"
    words = step.algorithm.words or ("as it says itself" if step.statement.names_algorithm else "at once")
    return f"{words}, rows are copied" if step.copies and step.algorithm.name != "COPY" else words


def _print_finding(finding: MigrationFinding) -> None:
    typer.secho(f"{finding.severity.value} {finding.code}  ", fg=_COLOURS[finding.severity], bold=True, nl=False)
    typer.echo(output.printable(finding.what))
    for label, text in (
        ("in", finding.migration),
        ("object", finding.object),
        ("statement", finding.statement),
        ("why", finding.why),
        ("instead", finding.remedy),
    ):
        if text:
            lines = [output.printable(line) for line in text.splitlines()]
            typer.echo(f"    {label}: " + "\n        ".join(lines))


def _as_json(found: MigrationCheck) -> dict[str, Any]:
    return {
        "server": found.server,
        "mode": found.mode.value,
        "on": found.on,
        "application": found.application,
        "place": str(found.place),
        "files": found.files,
        "schema": found.schema,
        "outcome": found.outcome.value,
        "verdict": found.verdict,
        "seconds": round(found.seconds, 3),
        "pace": round(found.pace, 3),
        "pending": list(found.pending),
        "findings": [each.to_json() for each in found.findings],
        "accepted": [{**each.to_json(), "reason": reason} for each, reason in found.accepted],
        "plan": [_planned_json(each) for each in found.plan],
    }


def _planned_json(planned: Planned) -> dict[str, Any]:
    step, prediction = planned.step, planned.prediction
    return {
        "migration": step.migration,
        "statement": step.statement.shown,
        "table": ".".join(step.statement.table or ()) or None,
        "algorithm": step.algorithm.name or None,
        "lock": step.algorithm.lock or None,
        "copies_rows": step.copies if prediction else None,
        "waiting": step.waiting or None if prediction else None,
        "failure": step.failure or None,
        "seconds": [round(prediction.least, 3), round(prediction.most, 3)] if prediction else None,
        "disk_bytes": prediction.disk_bytes if prediction else None,
    }
