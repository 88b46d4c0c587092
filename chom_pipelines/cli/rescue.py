"""`chom rescue`: one table as of then beside the live one, and the SQL that would put lost rows back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from chom_pipelines.binlogs.recovery.point_in_time import point_in_time, recover_into_server
from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.cli import output
from chom_pipelines.cli.opening import backups_of
from chom_pipelines.cli.options import ConfigOption, JsonOption, OffsiteOption, ServerOption
from chom_pipelines.cli.restore_options import account_explained, moment_of, target_endpoint
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.files import create_file, reported
from chom_pipelines.repository.streams import LATEST
from chom_pipelines.restores.rescue import compared, refuse_incomparable
from chom_pipelines.restores.selection import RestoreRequest

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def rescue(
    *,
    table: Annotated[str, typer.Option(metavar="DB.T", help="The table whose rows are wanted back.")],
    into: Annotated[
        str | None, typer.Option(metavar="DB", help="The new database for the copy; else DB_rescue.")
    ] = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where the SQL goes; else DB.T.rescue.sql.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME|latest", help="As of then: '2026-01-02 03:04:05Z', or +01:00; latest: the newest."),
    ] = None,
    gtid: Annotated[str | None, typer.Option(metavar="GTID", help="As of just behind this transaction.")] = None,
    before: Annotated[str | None, typer.Option(metavar="FILE:POS", help="As of this place of the binary log.")] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Connect as this account, which may write the copy.")
    ] = None,
    offsite: OffsiteOption = False,
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Restore one table as of a point in time beside the live one, and write the SQL that would put its rows back.

    Nothing of the live table is changed: the SQL is for you to read and to run. Rows that came later are not in it.
    """
    database, _, name = table.partition(".")
    if not database or not name:
        raise ConfigurationError(
            f"{table!r} names no database", f"write it as DATABASE.TABLE, as shop.{table or 'users'}"
        )
    wanted = moment_of(at, gtid, before)
    if wanted is None:
        raise ConfigurationError("it is not said as of when", "use --at TIME, --gtid GTID or --before FILE:POS")
    file = output_file or Path(f"{table}.rescue.sql")
    if file.exists():
        raise ConfigurationError(f"{file} is there already", "name another file with --output, or remove that")
    copy = into or f"{database}_rescue"
    chosen, repository, keyring = backups_of(config, server, "rescue", offsite=offsite, table=table, into=copy)
    endpoint = target_endpoint(chosen, user)
    with account_explained(user):
        refuse_incomparable(endpoint, (database, name), (copy, name))
    request = RestoreRequest(tables=(table,), rename={database: copy}, threads=chosen.backup.threads)
    with _new_file(file) as opened:  # before hours are spent on what cannot be written
        with (
            output.progress() as report,
            account_explained(user),
            point_in_time(
                repository,
                chosen.name,
                wanted,
                backup=LATEST,
                keyring=keyring,
                report=report,
                threads=chosen.backup.threads,
                databases=(database,),
            ) as ready,
        ):
            for warning in ready.warnings:
                typer.echo(f"warning: {warning}", err=True)
            recoverer = ready.recoverer(Route.REPLICATION, accounts=False, report=report, tables=request.tables)
            recovered, result = recover_into_server(ready, endpoint, recoverer, lambda _: request)
        moment = ready.recovery.target
        found = compared(endpoint, (database, name), (copy, name), str(moment))
        opened.write(found.sql)
    if json:
        body = {"table": table, "copy": f"{copy}.{name}", "moment": str(moment), "rows": result.rows, "sql": str(file)}
        counts = {"missing": found.missing, "changed": found.changed, "added": found.added}
        output.document("rescue", {**body, **counts, "replayed": recovered.transactions, "unlogged": ready.unlogged})
        return
    typer.echo(f"{table} as of {moment} is restored as {copy}.{name}: {output.amount(result.rows, 'row')}")
    typer.echo(f"  missing from {table} now: {output.amount(found.missing, 'row')}")
    typer.echo(f"  with other values now: {output.amount(found.changed, 'row')}")
    typer.echo(f"  came later, and left alone: {output.amount(found.added, 'row')}")
    typer.echo(f"  {file} has the SQL that puts rows back: read it, run it, then COMMIT; and drop {copy}")


@contextmanager
def _new_file(file: Path) -> Iterator[TextIO]:
    """A new file, 0600, which is gone again where the block fails. Raises DiskFullError or RepositoryError."""
    with reported(file):
        descriptor = create_file(file)
    try:
        with reported(file), os.fdopen(descriptor, "w") as opened:
            yield opened
    except BaseException:  # also where a person ends it
        file.unlink(missing_ok=True)
        raise
