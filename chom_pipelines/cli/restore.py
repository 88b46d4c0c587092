"""`chom restore`: a backup into a server, a directory, or a database beside the live one.

What only some restores need, as the replay of a log, is imported by those.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.cli.options import (
    AllowUnencryptedOption,
    ArchiveOption,
    ConfigOption,
    JsonOption,
    OffsiteOption,
    ServerOption,
    refuse_unnamed,
)
from chom_pipelines.cli.restore_options import PASSWORD, account_explained, moment_of, target_endpoint
from chom_pipelines.cli.restore_refusals import (
    refuse_of_one_backup,
    refuse_of_rows,
    refuse_parts,
    refuse_route,
    refuse_unclear,
)
from chom_pipelines.cli.restore_rows import Asked, restore_rows, restore_rows_of_files
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.streams import LATEST
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.endpoint import Endpoint

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def restore(
    *,
    backup: Annotated[
        str, typer.Argument(metavar="BACKUP|latest", help="Else the latest.", show_default=False)
    ] = LATEST,
    into_server: Annotated[
        str | None, typer.Option(metavar="NAME", help="A server of chom.yaml.", show_default=False)
    ] = None,
    into_directory: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new data directory for a server to be started on.", show_default=False),
    ] = None,
    as_database: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name; OLD=NEW for each where there are several. Alone: beside it, on the same server.",
            show_default=False,
        ),
    ] = None,
    tables: Annotated[
        str | None, typer.Option(metavar="DB.T,...", help="Only these tables.", show_default=False)
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--replace", help="What is there under the same names goes; --dry-run lists it.", show_default=False
        ),
    ] = False,
    despite_failed_proof: Annotated[
        bool,
        typer.Option(
            "--despite-failed-proof", help="Restore a backup that is known to be damaged.", show_default=False
        ),
    ] = False,
    accept_losses: Annotated[
        bool,
        typer.Option(
            "--accept-losses",
            help="Name what cannot be stored as it was dumped, or what the log lacks, and restore the rest.",
            show_default=False,
        ),
    ] = False,
    compare: Annotated[
        bool | None,
        typer.Option(
            "--compare/--no-compare",
            help="Read the rows back and compare them with the dump. On for --into-directory, else off.",
            show_default=False,
        ),
    ] = None,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Accounts that are not there, and their grants, too.", show_default=False)
    ] = False,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Connect as this account; its password is in ${PASSWORD}, or is asked for.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done; change nothing.", show_default=False)
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|latest",
            help="All that was committed up to then: '2026-01-02 03:04:05Z', or +01:00. latest: all that is archived.",
            show_default=False,
        ),
    ] = None,
    gtid: Annotated[
        str | None, typer.Option(metavar="GTID", help="All up to this transaction, itself included.")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="FILE:POS", help="All that is before this place of the binary log: see `chom events`."),
    ] = None,
    route: Annotated[
        Route | None, typer.Option(help="How the binary log is replayed; else by replication.", show_default=False)
    ] = None,
    allow_unencrypted: AllowUnencryptedOption = False,
    offsite: OffsiteOption = False,
    month: ArchiveOption = "",
    config: ConfigOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Restore a backup, or with --at, --gtid or --before a point in time; nothing is overwritten without --replace.

    A point in time is restored from the best full backup and the archived binary log, on a private server: for a
    directory that is the result, for a server the tables are then taken from there. So are those of a physical backup.

    Every row is counted, and a value that is not stored as it was dumped ends the restore: exit code 0 means that all
    of it is there, or that --accept-losses let through what the warnings name.
    """
    refuse_unclear(into_server, into_directory, as_database, user)
    refuse_route(route, (at, gtid, before))
    refuse_unnamed(backup, allow_unencrypted=allow_unencrypted)
    inventory = load_inventory(config)
    source = inventory.server(server)
    repository = existing_repository(inventory.repository, offsite=offsite, archive=month)
    keyring = keyring_of(inventory.repository, source.backup, allow_plain=allow_unencrypted)
    moment = moment_of(at, gtid, before)
    record(
        inventory.repository,
        "restore",
        source.name,
        backup=backup,
        to=str(into_directory or into_server or source.name),
        as_database=list(as_database) if as_database else None,
        tables=tables,
        moment=at or gtid or before,
        replace=overwrite,
        dry_run=dry_run,
        offsite=offsite,
        archive=month or None,
        allow_unencrypted=allow_unencrypted,
    )
    found = None if moment else repository.find(source.name, backup)
    # what is not believed is refused before anybody is asked for a password
    of_files = found is not None and found.manifest(keyring).method is Method.PHYSICAL
    if found and of_files and into_directory:
        from chom_pipelines.cli.restore_files import AskedFiles, restore_files

        options: dict[str, object] = {"--as-database": as_database, "--tables": tables, "--accounts": accounts}
        refuse_of_rows(found.id, {**options, "--accept-losses": accept_losses, "--compare": compare})
        wanted = RestoreRequest(
            replace=overwrite, threads=source.backup.threads, despite_failed_proof=despite_failed_proof
        )
        files = AskedFiles(repository, into_directory.absolute(), wanted, dry_run=dry_run, json=json)
        restore_files(found, keyring, files)
        return
    target = (
        into_directory.absolute()
        if into_directory
        else target_endpoint(inventory.server(into_server) if into_server else source, user)
    )

    def request(manifest: Manifest) -> RestoreRequest:
        return replace(
            _request(manifest, as_database or (), tables),
            replace=overwrite,
            accounts=accounts,
            threads=source.backup.threads,
            despite_failed_proof=despite_failed_proof,
            accept_losses=accept_losses,
            compare=compare if compare is not None else into_directory is not None,
        )

    if moment:
        from chom_pipelines.cli.restore_point_in_time import PointInTimeRequest, restore_to_point_in_time

        refuse_of_one_backup({"--allow-unencrypted": allow_unencrypted, "--despite-failed-proof": despite_failed_proof})
        refuse_parts(into_directory, {"--tables": tables, "--as-database": as_database})
        by = route or Route.REPLICATION
        asked = PointInTimeRequest(source, backup, moment, by, target, request, dry_run=dry_run, json=json)
        with account_explained(user):
            restore_to_point_in_time(repository, keyring, asked)
        return
    entry = found or repository.find(source.name, backup)
    if not json and not allow_unencrypted:
        from chom_pipelines.cli.archived_beyond import print_archived_beyond

        print_archived_beyond(repository, entry, keyring)
    asked_of = Asked(repository, target, request, user, dry_run=dry_run, json=json)
    if of_files and isinstance(target, Endpoint):
        restore_rows_of_files(entry, keyring, source.databases, target, asked_of)
    else:
        restore_rows(entry, keyring, asked_of)


def _request(manifest: Manifest, as_database: Sequence[str], tables: str | None) -> RestoreRequest:
    """What is to be restored, under which names: with --as-database nothing keeps the name that it has."""
    chosen = None if tables is None else tuple(filter(None, (name.strip() for name in tables.split(","))))
    if chosen == ():
        raise ConfigurationError("--tables names none", "--tables db.table,db.other")
    if manifest.method is Method.PHYSICAL:  # what is in it is asked of what is made of it
        return RestoreRequest(tables=chosen)
    labels = {f"{table.database}.{table.name}": table.database for table in manifest.logical.tables}
    if chosen and not set(chosen) <= set(labels):
        return RestoreRequest(tables=chosen)  # which is refused, with the names that the backup does not have
    databases = manifest.logical.databases if chosen is None else tuple(dict.fromkeys(labels[name] for name in chosen))
    rename = {}
    for name in as_database:
        old = max((each for each in manifest.logical.databases if name.startswith(f"{each}=")), key=len, default="")
        if old:
            rename[old] = name.removeprefix(f"{old}=")
        elif "=" in name:
            what = f"--as-database {name}: the backup has no database {name.partition('=')[0]}, but "
            raise ConfigurationError(f"{what}{', '.join(manifest.logical.databases)}", "--as-database OLD=NEW")
        elif len(databases) == 1 and not rename:
            rename[databases[0]] = name
        else:
            what = f"{manifest.id} has the databases {', '.join(databases)}: which one becomes {name}?"
            raise ConfigurationError(what, "--as-database OLD=NEW, once for each of them")
    same = [name for name in databases if as_database and name not in rename]
    if same:
        what = f"--as-database gives no other name to {', '.join(same)}"
        raise ConfigurationError(what, "--as-database OLD=NEW, once for each of them")
    return RestoreRequest(rename=rename, tables=chosen)
