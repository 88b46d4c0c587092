"""How far the archived binary log goes beyond a backup: who restores the backup alone is told what it leaves out."""

from __future__ import annotations

import typer

from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.format.gtids import covers
from chom_pipelines.binlogs.recovery.choosing import end_of
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.binlogs.recovery.targets import BeforePlace
from chom_pipelines.binlogs.recovery.windows import following, replayed, run_of
from chom_pipelines.cli import output
from chom_pipelines.errors import RepositoryError, RestoreRefusedError
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.repository import Repository


def print_archived_beyond(repository: Repository, entry: BackupEntry, keyring: Keyring | None) -> None:
    """Print a line where a transaction that is not in the backup is archived behind it."""
    if line := _archived_beyond(repository, entry, keyring):
        typer.echo(line)


def _archived_beyond(repository: Repository, entry: BackupEntry, keyring: Keyring | None) -> str:
    try:
        found = recoverable(repository, entry.server, keyring)
    except RepositoryError as error:  # the backup can be restored without it
        return f"whether the archive goes further than this backup is not known: {error.what}"
    full = next((each for each in found.fulls if each.id == entry.id), None)
    run = run_of(full, found.runs) if full else None
    if full is None or run is None or not any(each.transactions for each in replayed(full, following(full, run))):
        return ""
    last, held = run.last, full.place.gtid if full.place else None
    if held and last.after and covers(full.flavour, held, last.after):
        return ""
    end = f"{last.file}:{last.end}, {output.utc_text(last.as_of)}"
    return f"the archive goes further than this backup, up to {end}: {_option(found, last)} restores that as well"


def _option(found: Recoverable, last: Segment) -> str:
    """How to restore up to the end of that segment: `latest` is refused where something behind it cannot be."""
    try:
        end_of(found)
    except RestoreRefusedError:
        is_newest = found.newest is not None and found.newest.name == last.history
        return f"--before '{BeforePlace(last.file, last.end, '' if is_newest else last.history)}'"
    return "--at latest"
