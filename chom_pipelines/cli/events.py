"""`chom events`: what happened to whom, found in the archive, with the place to restore to."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Annotated, Any

import typer

from chom_pipelines.binlogs.archive.histories import History, reading_histories
from chom_pipelines.binlogs.archive.indexing import MANY_ROWS, IndexedStatement
from chom_pipelines.binlogs.format.statements import Does
from chom_pipelines.binlogs.format.transactions import TableRows
from chom_pipelines.binlogs.recovery.choosing import Way, leads_before, whole_ways
from chom_pipelines.binlogs.recovery.recoverable import recoverable
from chom_pipelines.binlogs.recovery.searching import Change, Event, Search, events, unread
from chom_pipelines.binlogs.recovery.targets import parse_time
from chom_pipelines.cli import output
from chom_pipelines.cli.opening import backups_of
from chom_pipelines.cli.options import ConfigOption, JsonOption, OffsiteOption, ServerOption
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.models import Server

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
    offsite: OffsiteOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Find drops, truncations, DDL and changes of many rows in the archived binary log, oldest first.

    Each is told with its time (UTC), its place in the log, and the command that restores all that was before it, where
    a full backup leads there. On MariaDB, whose log notes when statements began, it was committed then or later. Exit
    code 1 where nothing is found.
    """
    chosen, repository, keyring = backups_of(config, server, "events", offsite=offsite, table=table or None)
    since, until = (parse_time(each) if each else None for each in (begin, end))
    if since and until and until < since:
        raise ConfigurationError(f"--to {end} is before --from {begin}", "exchange them")
    search = Search(
        begin=since,
        end=until,
        table=table,
        changes=Change.parse(kind) if kind else frozenset(Change),
        rows=rows,
    )
    with reading_histories(repository, chosen.name, "search"):
        known = recoverable(repository, chosen.name, keyring)
        archived, newest, ways = known.histories, known.newest, whole_ways(known)
        found = (event for history in archived for event in events(history, search, keyring, newest=history is newest))
        if json:
            shown = [_as_json(each, ways, chosen) for each in found]
            body = {"server": chosen.name, "events": shown, "not_searched": _not_searched(archived, search)}
            output.document("events", body)
            count = len(shown)
        else:
            count, typed = 0, {"--server": server, "--config": config and str(config)}
            given = "".join(f" {name} {quote(value)}" for name, value in typed.items() if value)
            for count, each in enumerate(found, 1):  # noqa: B007  (the number of all)
                _print(each, given, _why_not(each, ways, chosen))
            if not count:
                fewer = f"; --rows 1 finds changes of fewer than {output.amount(rows, 'row')}" if rows > 1 else ""
                of = f" of the {'table' if '.' in table else 'database'} {table!r}" if table else ""
                hint = "" if "." in table or not table else "; a table is written with its database, as shop.users"
                typer.echo(f"nothing{of} is found in the archive of {chosen.name}{fewer}{hint}")
            for missing in _not_searched(archived, search):
                typer.secho(f"not searched: {output.printable(missing)}", fg="yellow")
    raise typer.Exit(0 if count else 1)


def _not_searched(archived: Sequence[History], search: Search) -> list[str]:
    """What was asked for and is not in the archive: gaps, what cannot be used, and what is not archived yet."""
    found = [
        f"from {output.utc_text(gap.after.reaches)} to {output.utc_text(gap.before.opened)}: {gap.why}"
        for history in archived
        for gap in history.chain.gaps
        if search.reaches(gap.after.reaches, gap.before.opened)
    ]
    found += [
        f"{history.name}/{each.id}: changes of few rows are read from a file's beginning on, and that is missing"
        for history in archived
        for each in unread(history, search)
    ]
    found += [f"{history.name}/{name}: {why}" for history in archived for name, why in history.unreadable.items()]
    last = archived[-1].last if archived else None
    if last is None:
        return [*found, "anything: no binary log is archived; `chom backup --type incremental` archives it"]
    if search.end is None or search.end > last.until:
        later = f"what came after {output.utc_text(last.until)}, where the archive ends"
        found.append(f"{later}; `chom backup --type incremental` archives what followed")
    return found


def _why_not(event: Event, ways: Sequence[Way], server: Server) -> str:
    """Why what it changed cannot be restored as it was before; "" where it can."""
    databases = {database for database, _ in _tables(event)}
    if server.databases and databases and not databases & set(server.databases):
        are = "is" if len(databases) == 1 else "are"
        return f"nothing of it can be restored: {', '.join(sorted(databases))} {are} not backed up"
    if not leads_before(ways, event.history, event.file, event.entry.start):
        return "what was before it cannot be restored: no full backup and unbroken archive lead there"
    return ""


def _tables(event: Event) -> set[tuple[str, str]]:
    """The tables that it concerns; of a whole database, without a name."""
    named = (table for statement in event.statements for table in statement.tables)
    return {*((each.database, each.table) for each in event.rows), *named}


def _print(event: Event, given: str, why_not: str) -> None:
    gtid = f"  GTID {event.entry.gtid}" if event.entry.gtid else ""
    typer.secho(f"{output.utc_text(event.time)}  {event.before}{gtid}", bold=True)
    for rows in event.rows:
        typer.echo(f"  {output.printable(_changed(rows))}")
    for statement in event.statements:
        text = " ".join(statement.text.split())
        shown = text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
        where = f"in {statement.database}: " if statement.database else ""
        typer.echo(f"  {output.printable(where + shown)}")
    if why_not:
        typer.echo(f"  {output.printable(why_not)}")
    else:
        typer.echo(f"  all that was before it: chom restore --before {event.before} {_destination(event)}{given}")


def _destination(event: Event) -> str:
    """Where to, as an example that runs: beside the original where one database is concerned."""
    tables = _tables(event)
    databases = {database for database, _ in tables}
    made = any(each.does is Does.CREATE and each.object == "database" for each in event.statements)
    names = ",".join(sorted(f"{database}.{table}" for database, table in tables))
    if made or len(databases) != 1 or not names.isprintable() or not (database := databases.pop()).isprintable():
        return "--into-directory DIR"
    only = f" --tables {quote(names)}" if all(map(_was_of_tables, event.statements)) else ""
    return f"--as-database {quote(f'{database}_before')}{only} --user root"


def _was_of_tables(statement: IndexedStatement) -> bool:
    """Whether the tables that it names were there before, so that they can be restored without the rest."""
    if statement.object in {"index", "trigger"}:
        return True
    return statement.object == "table" and statement.does is not Does.CREATE


def _changed(rows: TableRows) -> str:
    counts = {"inserted": rows.inserted, "updated": rows.updated, "deleted": rows.deleted}
    told = [f"{output.amount(number, 'row')} {word}" for word, number in counts.items() if number]
    more = " and some that could not be counted" if rows.uncounted else ""
    return f"{rows.database}.{rows.table}: {', '.join(told) or 'rows changed'}{more}"


def _as_json(event: Event, ways: Sequence[Way], server: Server) -> dict[str, Any]:
    entry = event.entry
    return {
        "history": event.history,
        "time": event.time.isoformat(),
        "file": event.file,
        "start": entry.start,
        "end": entry.end,
        "gtid": entry.gtid,
        "before": event.before,
        "restorable": not _why_not(event, ways, server),
        "rows": [each._asdict() for each in event.rows],
        "statements": [each._asdict() for each in event.statements],
    }
