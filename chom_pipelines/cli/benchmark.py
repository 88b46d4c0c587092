"""`chom benchmark`: compression and restores measured on private servers, and a report kept in the repository."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from chom_pipelines.benchmarks.peers import PEERS
from chom_pipelines.benchmarks.publishing import publish
from chom_pipelines.benchmarks.report import Report
from chom_pipelines.benchmarks.running import run_benchmark
from chom_pipelines.benchmarks.sources import asked
from chom_pipelines.benchmarks.words import advised, compared, described, tables
from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import repository_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_log = logging.getLogger(__name__)


@app.command()
def benchmark(
    *,
    size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Generate so much data, as 200MB or 5GB; else the latest backup's are used."),
    ] = None,
    tables: Annotated[int | None, typer.Option(min=1, max=1000, help="How many tables are generated; else 5.")] = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="ROWS", help="How many rows they have together, as 10M; else as many as a shop's."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each thing is measured.")] = 3,
    against: Annotated[
        str, typer.Option(metavar="PEER,...", help=f"Measure other tools too: {', '.join(PEERS)}.", show_default=False)
    ] = "",
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Measure compression and restores on private servers of this machine, and keep a report.

    The server itself is only asked for its facts and the sizes of its tables. Each copy is compared with its original
    before its time counts. Meanwhile the data lie unencrypted in memory and in a private directory below TMPDIR. Exit
    code 1 where one differs or cannot be restored, 3 where something was not measured. With less than
    100 MB of data nothing is recommended, and no restore of other data is predicted: starting a server takes as long as
    restoring them.
    """
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    wishes = asked(size=size or "", tables=tables, rows=rows or "", rounds=rounds, against=against)
    with output.progress() as progress:
        report = run_benchmark(inventory, chosen, wishes, progress, _log.info)
    report, _, where = publish(repository_of(inventory.repository), report)
    record(inventory.repository, "benchmark", chosen.name)
    if json:
        output.document("benchmark", {**report.model_dump(mode="json", exclude={"format"}), "where": where})
    else:
        _print(report, where)
    raise typer.Exit(output.EXIT_CODES[report.outcome])


def _print(report: Report, where: str) -> None:
    for what, said in described(report):
        typer.echo(output.printable(f"{what}: {said}"))
    for table in tables(report):
        typer.echo("")
        rows = [[output.printable(cell) for cell in row] for row in table.rows]
        output.table(table.columns, rows, title=output.printable(table.title))
    for what, found, why in advised(report):
        typer.echo(f"{what}: {found}: {why}")
    typer.echo(compared(report))
    for reason in report.reasons:
        typer.echo(output.printable(reason))
    typer.echo(f"{report.outcome.words}: {where}")
