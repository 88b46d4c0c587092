"""`chom windows`: to which moments each server can be restored, where the gaps are, and what is at stake now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer

from chom_pipelines.backups.exposure import answers
from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.binlogs.archive.chain import Run
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.binlogs.recovery.windows import Full, Interval
from chom_pipelines.cli import output
from chom_pipelines.cli.archive_output import unlogged_json
from chom_pipelines.cli.options import ConfigOption, JsonOption, OffsiteOption, ServerOption
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.offsite.standing import Standing, standing_of
from chom_pipelines.outcome import Outcome, worst

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_VERIFIED: "magenta"}
_LINE = "{:<20}  {:<20}  {:>11}  {}"
_MOMENTARY = "{0:<27}  only then      {2:>11}  {3}"
"""Of a full backup alone: a moment with its microseconds, so that 80 columns are not enough for it twice."""
_MOMENT = "%Y-%m-%d %H:%M:%SZ"


@app.command()
def windows(
    config: ConfigOption = None,
    server: ServerOption = None,
    offsite: OffsiteOption = False,
    json: JsonOption = False,
) -> None:
    """List every interval that can be restored to, oldest first, with the gaps between. All times are UTC.

    `chom restore --at` takes each of the moments from and to as it is printed.

    Of every server, unless one is named. Objects are not read: `chom verify` does that. Exit code 1 where the archive
    has a gap, or lacks what the server did not log, and no full backup has mended that, or more is at stake than
    exposure_minutes allow; 3 where no binary log is archived though schedules.binlogs says when; else 0.
    """
    inventory = load_inventory(config)
    servers = inventory.servers if server is None else (inventory.server(server),)
    repository = existing_repository(inventory.repository, offsite=offsite)
    now = datetime.now(UTC)
    documents, outcomes = [], []
    for one in servers:
        found = recoverable(repository, one.name, keyring_of(inventory.repository, one.backup))
        verdicts = answers(found, one, now)
        copy = None if offsite else standing_of(inventory, one)
        outcomes += [verdict.outcome for verdict in verdicts.values()]
        if json:
            documents.append(
                {"server": one.name, **_as_json(found, one, now, copy), "verdicts": _verdicts_json(verdicts)}
            )
        else:
            typer.secho(one.name, bold=True)
            _print(found, one, now, copy)
            if copy and copy.problem:
                typer.secho(f"  what the second copy has is not known: {copy.problem.what}", fg="magenta")
            for verdict in verdicts.values():
                typer.secho(f"  {verdict.outcome.words}: {verdict.reason}", fg=_COLOURS[verdict.outcome])
    if json:
        output.document("windows", {"repository": repository.where, "servers": documents})
    raise typer.Exit(output.EXIT_CODES[worst(outcomes)])


def _print(found: Recoverable, server: Server, now: datetime, copy: Standing | None) -> None:
    typer.secho(_LINE.format("from", "to", "length", "begins with"), bold=True)
    for interval in found.windows.intervals:
        length = output.duration(interval.duration.total_seconds()) if interval.last else "-"
        first, others = interval.fulls[0], len(interval.fulls) - 1
        begin, end = (output.utc_text(bound).replace(" UTC", "Z") for bound in interval.bounds)
        typer.echo((_LINE if interval.last else _MOMENTARY).format(begin, end, length, first.id))
        if others:
            typer.echo(f"    has {output.amount(others, 'more full backup')}")
        for line in (_proved(interval), _drilled(interval), *_copied(copy, interval, found)):
            typer.echo(f"    {line}")
        for doubt in _doubts(interval):
            typer.secho(f"    {doubt}", fg="magenta")
    for gap in found.windows.gaps:
        mended = "" if gap in found.open_gaps else ", and a full backup was taken after it"
        where = f"gap from {gap.after.reaches:{_MOMENT}} to {gap.before.opened:{_MOMENT}}{mended}: {gap.why}"
        typer.secho(f"  {where}", fg=None if mended else "red")
    for run in found.windows.unreachable:
        typer.echo(f"  leads nowhere: {_range(run)}; there is no full backup that it could be replayed onto")
    for lacking in found.unlogged(server.databases):
        if found.is_mended(lacking):
            typer.echo(f"  {lacking.line}; a full backup was taken after it")
        else:
            typer.secho(f"  {lacking.said}", fg="red" if lacking.lack.matters else None)
    for name, reason in {**found.unusable_backups, **found.unusable_segments}.items():
        typer.secho(f"  cannot be used: {name}: {reason}", fg="red")
    exposure = found.windows.exposure(now)
    stake = "everything" if exposure is None else f"the last {output.duration(exposure.total_seconds())}"
    typer.echo(f"  at stake now: {stake}")


def _copied(copy: Standing | None, interval: Interval, found: Recoverable) -> Iterator[str]:
    """Up to when the second copy alone restores it; nothing where that is not known, or there is none."""
    if copy is None or copy.problem:
        return
    reach = copy.reach(interval, found)
    if reach is None:
        yield "nothing of it can be restored from the second copy"
    elif reach >= interval.latest:
        yield "all of it can be restored from the second copy, too"
    else:
        yield f"from the second copy it can be restored up to {reach:{_MOMENT}}"


def _doubts(interval: Interval) -> Iterator[str]:
    """What of it may not be restored."""
    yield from (_stops(full) for full in interval.fulls if full.prepared)
    yield from dict.fromkeys(line for full in interval.fulls for line in full.leading_out)
    yield from (f"{doubt.line}; --before and --gtid are exact" for doubt in interval.uncertain)


def _range(run: Run) -> str:
    first, last = run.segments[0], run.last
    files = first.file if first.file == last.file else f"{first.file} to {last.file}"
    return f"{first.history}/{files}, from {first.opened:{_MOMENT}} to {last.as_of:{_MOMENT}}"


def _proved(interval: Interval) -> str:
    """How its full backups were last proved; that of the log in between takes a drill."""
    proved = [full for full in interval.fulls if full.proof is Outcome.PASSED and full.proved]
    if not proved:
        return "no full backup of it was ever proved"
    last = max(proved, key=lambda full: full.as_of)
    return f"{last.id} passed {last.proved:{_MOMENT}}"


def _stops(full: Full) -> str:
    """That not all of the interval can be restored from this backup."""
    ids = ", ".join(full.prepared)
    return f"XA transactions were prepared when {full.id} was taken, and from it no restore gets past their end: {ids}"


def _drilled(interval: Interval) -> str:
    """How the last drill of a moment between ended."""
    drill = interval.drill
    if drill is None:
        return "no moment of it was ever drilled" if interval.last else "there is nothing to drill"
    return f"a drill of {drill.moment:{_MOMENT}} {drill.outcome.words} {drill.started:{_MOMENT}}"


def _as_json(found: Recoverable, server: Server, now: datetime, copy: Standing | None) -> dict[str, Any]:
    exposure = found.windows.exposure(now)
    return {
        "intervals": [
            {
                "earliest": interval.bounds[0],
                "latest": interval.bounds[1],
                "full_backups": [_full_json(full) for full in interval.fulls],
                "drill": interval.drill.model_dump(mode="json") if interval.drill else None,
                "second_copy_reaches": copy.reach(interval, found) if copy and not copy.problem else None,
                "uncertain": [asdict(doubt) for doubt in interval.uncertain],
                "until": {"history": last.history, "file": last.file, "position": last.end, "gtid": last.after}
                if (last := interval.last)
                else None,
            }
            for interval in found.windows.intervals
        ],
        "gaps": [
            {
                "history": gap.history,
                "after": gap.after.reaches,
                "before": gap.before.opened,
                "why": gap.why,
                "mended": gap not in found.open_gaps,
            }
            for gap in found.windows.gaps
        ],
        "unreachable": [
            {
                "history": run.last.history,
                "first": run.segments[0].file,
                "last": run.last.file,
                "from": run.segments[0].opened,
                "to": run.last.as_of,
            }
            for run in found.windows.unreachable
        ],
        "unlogged": [
            {**unlogged_json(lacking), "mended": found.is_mended(lacking)}
            for lacking in found.unlogged(server.databases)
        ],
        "unusable": {**found.unusable_backups, **found.unusable_segments},
        "second_copy": {"where": copy.where, "problem": copy.problem.what if copy.problem else None} if copy else None,
        "exposure_seconds": round(exposure.total_seconds(), 3) if exposure is not None else None,
    }


def _verdicts_json(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    return {
        name: {"outcome": verdict.outcome.value, "reason": verdict.reason, "failures": verdict.failures}
        for name, verdict in verdicts.items()
    }


def _full_json(full: Full) -> dict[str, Any]:
    return {
        "id": full.id,
        "as_of": full.as_of,
        "outcome": full.proof.value,
        "proved": full.proved,
        "prepared": full.prepared,
        "leading_out": full.leading_out,
    }
