"""`chom drill`: some second of what can be recovered is restored by two ways, which have to agree."""

from __future__ import annotations

from typing import Annotated

import typer

from chom_pipelines.benchmarks.rates import known_rates
from chom_pipelines.cli import output
from chom_pipelines.cli.forecasts import checked, timing_json
from chom_pipelines.cli.opening import backups_of
from chom_pipelines.cli.options import ConfigOption, JsonOption, OffsiteOption, ServerOption
from chom_pipelines.cli.restore_options import moment_at
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.repository.drill import Drill

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def drill(
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|latest",
            help="With its zone, as '2026-01-02 03:04:05Z'; latest: all that is archived; else a random second.",
        ),
    ] = None,
    offsite: OffsiteOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Restore a random second of what can be recovered on private servers, by two ways, and compare them.

    Every row and definition of the two has to be the same. The record is kept beside the full backup, and `chom
    windows` tells it. Exit code 1 where they differ or the log cannot be replayed, 3 where that was not determined.
    """
    chosen, repository, keyring = backups_of(config, server, "drill", offsite=offsite, at=at)
    moment = moment_at(at) if at else None
    with output.progress() as report:
        rates, threads = known_rates(repository, chosen.name, keyring), chosen.backup.threads
        _, found = run_drill(repository, chosen.name, keyring, report, threads=threads, moment=moment, rates=rates)
    if json:
        body = {**found.model_dump(mode="json", exclude={"format"}), "restored": timing_json(found.restored)}
        output.document("drill", {**body, "seconds": found.seconds})
    else:
        _print(found)
    raise typer.Exit(output.EXIT_CODES[found.outcome])


def _print(found: Drill) -> None:
    end = f", {found.end.file}:{found.end.position}" if found.end else ""
    typer.echo(f"{found.server} as of {output.utc_text(found.moment)}{end}")
    for line in found.lines:
        typer.echo(f"  restored by {line}")
    if found.tables:
        counts = {"table": found.tables, "row": found.rows, "definition": found.definitions}
        typer.echo(f"  compared: {', '.join(output.amount(count, thing) for thing, count in counts.items())}")
    else:
        typer.echo("  nothing was compared")
    why = f": {found.reason}" if found.reason else ""
    typer.echo(f"  {found.outcome.words}{why}, in {output.duration(found.seconds)}")
    if said := checked(found.restored):
        typer.secho(f"  {said}", fg="yellow" if found.restored and found.restored.is_off else None)
    for failure in found.failures:
        typer.echo(f"    {failure}")
