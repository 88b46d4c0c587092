"""The screen of backups: what a server could be brought back from now; pure."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from chom_pipelines.log_lines import amount, duration, size
from chom_pipelines.monitoring.console.backup_standing import BackupStanding, LastOfKind, Proved
from chom_pipelines.monitoring.console.screens import BAD, DIM, DOUBT, GOOD, UNKNOWN, grid, line, not_known, title
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import Kind

_COLOURS = {Outcome.PASSED: GOOD, Outcome.FAILED: BAD, Outcome.NOT_VERIFIED: DOUBT}
_SHOWN = "%Y-%m-%d %H:%M:%SZ"
_HOURS = 3600


def backups(standing: BackupStanding | str, now: datetime) -> list[RenderableType]:
    """The last of each kind, what can be restored, and the verdicts; a text says why nothing is known."""
    if isinstance(standing, str):
        return [not_known("what could be restored", standing)]
    if not standing.last:
        drawn: list[RenderableType] = [Text(f"No backup is in {standing.where}.", style=BAD)]
    else:
        rows = [_last(each, now) for each in standing.last]
        drawn = [grid(("last", "as of", "age>", "took>", "size>"), rows, last="proof")]
        drawn += [line(f"{each.id}: {each.problem}", BAD) for each in standing.last if each.problem]
    drawn += [title("Can be restored"), *_window(standing, now)]
    if standing.unusable:
        drawn.append(line(f"{amount(standing.unusable, 'object')} there cannot be used: `chom windows` says why", BAD))
    drawn.append(title("By the thresholds of chom.yaml"))
    for verdict in standing.verdicts.values():
        drawn.append(Text.assemble((verdict.outcome.words, _COLOURS[verdict.outcome]), f": {verdict.reason}"))
    return drawn


def summary(standing: BackupStanding | str) -> list[tuple[str, Text]]:
    """A line for each verdict, the first with its name."""
    if isinstance(standing, str):
        return [("backups", Text.assemble((UNKNOWN, DOUBT), f": {standing}"))]
    said = [
        Text.assemble((verdict.outcome.words, _COLOURS[verdict.outcome]), f": {verdict.reason}")
        for verdict in standing.verdicts.values()
    ]
    return [("backups" if not place else "", text) for place, text in enumerate(said)]


def age(then: datetime, now: datetime) -> str:
    """`12 min`, `3 h`, `4 d`; times of a clock ahead are `in the future`."""
    seconds = (now - then).total_seconds()
    if seconds < -60:  # noqa: PLR2004  (a minute that clocks may differ by)
        return "in the future"
    if seconds < _HOURS:
        return f"{max(0, seconds) // 60:.0f} min"
    return f"{seconds // _HOURS:.0f} h" if seconds < 48 * _HOURS else f"{seconds // (24 * _HOURS):.0f} d"


def _last(each: LastOfKind, now: datetime) -> tuple[str | Text, ...]:
    return (
        "binary log" if each.kind is Kind.BINLOG else each.kind.value,
        each.as_of.strftime(_SHOWN),
        age(each.as_of, now),
        duration(each.seconds) if each.seconds is not None else "-",
        size(each.bytes) if each.bytes is not None else "-",
        _proofs(each, now),
    )


def _proofs(each: LastOfKind, now: datetime) -> Text:
    if each.kind is Kind.BINLOG:
        return Text("by drills only", style=DIM)
    if not each.proofs:
        return Text("never proved", style=DOUBT)
    newest = sorted(each.proofs, key=lambda proof: proof.at, reverse=True)
    return Text(", ").join(_proof(proof, now) for proof in newest)


def _proof(proof: Proved, now: datetime) -> Text:
    said = f"{proof.level.value} {proof.outcome.words} {age(proof.at, now)} ago"
    return Text(said, style=_COLOURS[proof.outcome])


def _window(standing: BackupStanding, now: datetime) -> list[RenderableType]:
    if standing.earliest is None or standing.latest is None:
        return [Text("Nothing. All would be lost if the server were lost now.", style=BAD)]
    is_one = standing.earliest == standing.latest
    span = "the moment " if is_one else "any moment from "
    until = "" if is_one else f" to {standing.latest.strftime(_SHOWN)}"
    drawn: list[RenderableType] = [line(f"{span}{standing.earliest.strftime(_SHOWN)}{until}")]
    if standing.exposure is not None:
        lost = duration(max(0.0, standing.exposure.total_seconds()))
        drawn.append(line(f"what was written in the last {lost} would be lost if the server were lost now"))
    if standing.gaps:
        drawn.append(line(f"{amount(standing.gaps, 'gap')} in the archive, and no full backup since", BAD))
    if standing.drilled:
        drawn.append(Text.assemble("last drill of a moment in it: ", _proof(standing.drilled, now)))
    elif not is_one:
        drawn.append(Text("no moment in it was ever drilled", style=DOUBT))
    return drawn
