"""What `chom backup` prints of an archive of the binary log, and how what is not in the log is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from chom_pipelines.binlogs.archive.archiving import Archived, warnings_of
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.unlogged import Unlogged
from chom_pipelines.cli import output

_LEADS_NOWHERE = (
    "there is no full backup, so that nothing can be restored with this archive; take one: "
    "what was logged before it stays out of reach"
)


def print_archived(
    server: str, archived: Archived, unlogged: Sequence[Unlogged], *, leads_nowhere: bool, json: bool
) -> None:
    """What was added, how far the archive goes, the gaps that were found, and what of the new is not in the log.

    `leads_nowhere`: there is no full backup.
    """
    warnings = [_LEADS_NOWHERE] if leads_nowhere else []
    if json:
        more = {"unlogged": [unlogged_json(each) for each in unlogged], "warnings": warnings}
        output.document("backup", {"archive": {**_as_json(server, archived), **more}})
        return
    new = archived.new
    if new:
        names = new[0].file if len(new) == 1 else f"{new[0].file} to {new[-1].file}"
        typer.echo(f"{server}: {output.amount(len(new), 'file')} of the binary log archived, {names}")
        read, stored = sum(each.end - each.start for each in new), sum(each.stored_bytes for each in new)
        transactions = output.amount(sum(each.transactions for each in new), "transaction")
        encrypted = ", encrypted" if new[-1].stream_key else ""
        typer.echo(f"  {transactions}, {output.size(read)} in {output.size(stored)}{encrypted}")
    elif archived.blocked:
        typer.echo(f"{server}: nothing more of the binary log could be archived")
    else:
        typer.echo(f"{server}: nothing is closed that is not archived")
    if archived.until:
        typer.echo(f"  archived is everything up to {archived.until:%Y-%m-%d %H:%M:%S} UTC")
    warnings += warnings_of(archived.began_anew, archived.blocked, archived.gaps, unlogged)
    for warning in warnings:
        typer.echo(f"  warning: {warning}", err=True)


def unlogged_json(lacking: Unlogged) -> dict[str, Any]:
    """What is not in the log, for programs."""
    lack = lacking.lack
    what = {"what": lack.what, "remedy": lack.remedy, "certain": lack.matters}
    return {"history": lacking.last.history, "from": lacking.start, "to": lacking.last.as_of, **what}


def _as_json(server: str, archived: Archived) -> dict[str, Any]:
    return {
        "server": server,
        "history": archived.history,
        "segments": [_segment_json(each) for each in archived.new],
        "until": archived.until,
        "began_anew": archived.began_anew or None,
        "blocked": [str(each) for each in archived.blocked],
        "gaps": [gap.why for gap in archived.gaps],
    }


def _segment_json(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "file": segment.file,
        "start": segment.start,
        "end": segment.end,
        "gtids_before": segment.before,
        "gtids_after": segment.after,
        "opened": segment.opened,
        "as_of": segment.as_of,
        "transactions": segment.transactions,
        "stored_bytes": segment.stored_bytes,
    }
