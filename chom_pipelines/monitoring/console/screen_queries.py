"""The screen of statements: what runs too long now, and what took most of the server's time; pure."""

from __future__ import annotations

import re

from rich.console import RenderableType
from rich.text import Text

from chom_pipelines.log_lines import amount, duration
from chom_pipelines.monitoring.console.screens import DIM, GOOD, WARN, line, not_known, seconds_shown, title, why_not
from chom_pipelines.monitoring.readers.literals import cut, without_literals
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.statements import Digest, since
from chom_pipelines.monitoring.readers.waits import SessionSeen

_RUNNING, _TOP, _STATEMENT = 15, 12, 1000
_HUGE = 1_000_000
_OF_MONITORS = re.compile(
    r"\b(performance_schema|information_schema)\b|^SHOW |^SET |^SELECT @@|^SELECT \?$", re.IGNORECASE
)
_LINE = "{:>5}  {:>8}  {:>11}  {:>8}  {:>8}  {:>7}  {:>7}"


def queries(
    running: Reading[tuple[SessionSeen, ...]],
    digests: Reading[tuple[Digest, ...]],
    *,
    slow: float,
    literals: bool,
    before: tuple[Digest, ...] | None = None,
) -> list[RenderableType]:
    """`slow` in seconds. `before`: the digests at the reading before, of which what came since is shown."""
    return [*_running(running, slow, literals=literals), *_top(digests, before)]


def _running(reading: Reading[tuple[SessionSeen, ...]], slow: float, *, literals: bool) -> list[RenderableType]:
    head = title(f"Running for {seconds_shown(slow)} or longer")
    if reading.value is None:
        return [head, not_known("what runs", why_not(reading))]
    if not reading.value:
        return [head, Text("No statement does.", style=GOOD)]
    drawn: list[RenderableType] = [head]
    for seen in reading.value[:_RUNNING]:
        text = Text.assemble(
            (duration(seen.seconds), WARN),
            f"  {seen.id} {seen.user}" + (f"@{seen.host}" if seen.host else ""),
            f" {seen.database}" if seen.database else "",
            (f"  {seen.state.lower()}" if seen.state else "", DIM),
            (f"  {amount(seen.rows_examined, 'row')} read" if seen.rows_examined else "", DIM),
            no_wrap=True,
            overflow="ellipsis",
        )
        shown = cut(seen.statement if literals else without_literals(seen.statement), _STATEMENT)
        drawn += [text, line(f"  {shown}", "cyan")]
    if len(reading.value) > _RUNNING:
        drawn.append(line(f"and {amount(len(reading.value) - _RUNNING, 'more statement')}", DIM))
    return drawn


def _top(reading: Reading[tuple[Digest, ...]], before: tuple[Digest, ...] | None) -> list[RenderableType]:
    recent = before is not None
    head = title("Took most time since the last look" if recent else "Took most time since the server counts")
    if reading.value is None:
        return [head, not_known("which statements took time", why_not(reading))]
    counted = since(reading.value, before) if before is not None else reading.value
    shown = [each for each in counted if not _is_about_the_server(each)]
    if not shown:
        return [head, Text("None was executed.", style=DIM)]
    whole = sum(each.total for each in shown) or 1.0
    has_quantiles = any(each.p95 is not None for each in shown)
    drawn: list[RenderableType] = [
        head,
        line(_LINE.format("share", "count", "total", "mean", "p95", "read", "sent"), "bold"),
    ]
    for each in shown[:_TOP]:
        figures = line(_figures(each, whole))
        if each.without_index:
            figures.append("  no index", WARN)
        drawn += [figures, line(f"  {_tidy(each)}", "cyan")]
    drawn.append(line("read, sent: rows that one reads, and sends, on average.", DIM))
    if left_out := len(counted) - len(shown):
        drawn.append(line(f"Left out: {amount(left_out, 'statement')} that ask the server about itself.", DIM))
    if has_quantiles and recent:
        drawn.append(line("p95 is of all since the server counts.", DIM))
    if not has_quantiles:
        drawn.append(line("p95 is not known: this server keeps no distribution of each statement.", DIM))
    if any(each.text is None for each in shown):
        drawn.append(
            line("Not every statement has a row of its own: performance_schema_digests_size is too small.", WARN)
        )
    return drawn


def _is_about_the_server(each: Digest) -> bool:
    """What monitors ask, this one too: of no database, or of the server's own."""
    return bool(each.database is None and each.text and _OF_MONITORS.search(each.text))


def _figures(each: Digest, whole: float) -> str:
    return _LINE.format(
        f"{100 * each.total / whole:.0f} %",
        _count(each.count),
        seconds_shown(each.total),
        seconds_shown(each.mean),
        seconds_shown(each.p95) if each.p95 is not None else "-",
        _count(round(each.rows_examined / each.count)) if each.count else "-",
        _count(round(each.rows_sent / each.count)) if each.count else "-",
    )


def _tidy(each: Digest) -> str:
    """The server sets a space around every sign."""
    text = (each.text or "all others").replace("`", "")
    for spaced, tight in ((" . ", "."), ("( ", "("), (" )", ")"), (" ,", ","), (" (", "("), (" @ ", " @")):
        text = text.replace(spaced, tight)
    return cut(f"{text}  in {each.database}" if each.database else text, _STATEMENT)


def _count(number: int) -> str:
    return f"{number:,}" if number < _HUGE else f"{number / _HUGE:,.1f} M"
