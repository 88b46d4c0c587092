"""`chom events`: what happened to whom, found in the archive, with the place to restore to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from chom_pipelines.binlogs.archive import histories, reading_histories
from chom_pipelines.binlogs.indexing import MANY_ROWS
from chom_pipelines.binlogs.searching import Change, Event, Search, events
from chom_pipelines.binlogs.stopping import AtTime, parse_time
from chom_pipelines.binlogs.transactions import TableRows
from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_TEXT = 300
"""Characters of a statement that are shown; --json has more."""


@app.command("events")
def find_events(
    *,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="With its zone: '2026-01-02 12:00Z', or +01:00.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The same.")] = None,
    table: Annotated[str, typer.Option(metavar="DB[.T]", help="Of this database or table.")] = "",
    kind: Annotated[str | None, typer.Option(metavar="KIND,...", help=f"Of {', '.join(Change)}; else all.")] = None,
    rows: Annotated[
        int, typer.Option(min=1, help=f"Changes of so many rows; of fewer than {MANY_ROWS} the log itself is read.")
    ] = MANY_ROWS,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Find drops, truncations, DDL and changes of many rows in the archived binary log, oldest first.

    Each is told with its time (UTC), its place in the log, and the command that restores all that was before it. Exit
    code 1 where nothing is found.
    """
    inventory = load_inventory(config)
    chosen = inventory.server(server)
    repository = existing_repository(inventory.repository)
    keyring = keyring_of(inventory.repository, chosen.backup)
    search = Search(
        begin=parse_time(begin) if begin else None,
        end=parse_time(end) if end else None,
        table=table,
        changes=Change.parse(kind) if kind else frozenset(Change),
        rows=rows,
    )
    with reading_histories(repository, chosen.name, "search"):
        archived = histories(repository, chosen.name, keyring)
        found = (
            event for history in archived for event in events(history, search, keyring, newest=history is archived[-1])
        )
        if json:
            shown = [_as_json(each) for each in found]
            output.document("events", {"server": chosen.name, "events": shown})
            count = len(shown)
        else:
            count = 0
            for count, each in enumerate(found, 1):  # noqa: B007  (the number of all)
                _print(each)
            if not count:
                fewer = f"; --rows 1 finds changes of fewer than {rows} rows" if rows > 1 else ""
                typer.echo(f"nothing is found in the archive of {chosen.name}{fewer}")
    raise typer.Exit(0 if count else 1)


def _print(event: Event) -> None:
    gtid = f"  GTID {event.entry.gtid}" if event.entry.gtid else ""
    typer.secho(f"{AtTime(event.entry.time)}  {event.before}{gtid}", bold=True)
    for rows in event.rows:
        typer.echo(f"  {_changed(rows)}")
    for statement in event.statements:
        text = " ".join(statement.text.split())
        shown = text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
        typer.echo(f"  {f'in {statement.database}: ' if statement.database else ''}{shown}")
    typer.echo(f"  all that was before it: chom restore --before {event.before}")


def _changed(rows: TableRows) -> str:
    counts = {"inserted": rows.inserted, "updated": rows.updated, "deleted": rows.deleted}
    told = [f"{number:,} rows {word}" for word, number in counts.items() if number]
    more = " and some that could not be counted" if rows.uncounted else ""
    return f"{rows.database}.{rows.table}: {', '.join(told) or 'rows changed'}{more}"


def _as_json(event: Event) -> dict[str, Any]:
    entry = event.entry
    return {
        "history": event.history,
        "time": _iso(entry.time),
        "file": event.file,
        "start": entry.start,
        "end": entry.end,
        "gtid": entry.gtid,
        "before": event.before,
        "rows": [each._asdict() for each in event.rows],
        "statements": [each._asdict() for each in event.statements],
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat()
