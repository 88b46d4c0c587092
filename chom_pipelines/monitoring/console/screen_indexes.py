"""The screen of indexes: which ones nobody needs, with the evidence, and statements to review; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from chom_pipelines.log_lines import duration, size
from chom_pipelines.monitoring.console.screens import DIM, DOUBT, GOOD, WARN, line, not_known, plain, title, why_not
from chom_pipelines.monitoring.growth.index_verdicts import ENOUGH_DAYS, IndexVerdict, Use, try_without
from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.redundant import Place, Redundant, Why, redundant
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import qualified, quote

_MOST = 20
_DAY = 86_400


def indexes(
    reading: Reading[tuple[Index, ...]],
    facts: ServerFacts,
    uptime: float | None,
    *,
    apart: Collection[Place] = (),
    evidence: Mapping[Place, IndexVerdict] | None = None,
) -> list[RenderableType]:
    """Superfluous ones, then those that are not read. `uptime` in seconds; `evidence` is of records of many days."""
    if reading.value is None:
        return [not_known("what indexes are for", why_not(reading))]
    there = reading.value
    double = list(redundant(there, apart))
    unused = unused_of(there, double, evidence or {})
    drawn: list[RenderableType] = [line(f"{len(there):,} index{'' if len(there) == 1 else 'es'} in all")]
    drawn += _double(double, facts)
    drawn += _unused(unused, facts, uptime, evidence or {}, known=any(each.reads is not None for each in there))
    if reading.failure:
        drawn.append(Text(reading.failure, style=DOUBT))
    return drawn


def unused_of(
    there: Sequence[Index], double: Sequence[Redundant], evidence: Mapping[Place, IndexVerdict]
) -> list[Index]:
    """Those of which no read was counted, not in the records either, and which nothing needs; the largest first."""
    # what stands in for a superfluous one is read when that is gone
    named = {(each.database, each.table, each.name) for one in double for each in (one.index, one.by)}
    named |= {place for place, verdict in evidence.items() if verdict.use is Use.USED}
    found = (
        each
        for each in there
        if each.reads == 0 and not each.is_needed and (each.database, each.table, each.name) not in named
    )
    return sorted(found, key=lambda each: (-(each.bytes or 0), each.database, each.table, each.name))


def statements_to_review(index: Index, facts: ServerFacts) -> tuple[str, str]:
    """That keeps it and hides it from queries, which can be undone at once; and that drops it."""
    drop = f"ALTER TABLE {qualified(index.database, index.table)} DROP INDEX {quote(index.name)};"
    return try_without(index, is_mariadb=facts.is_mariadb), drop


def _double(double: Sequence[Redundant], facts: ServerFacts) -> list[RenderableType]:
    head = title("Superfluous: another index does all that these do")
    if not double:
        return [head, Text("None is.", style=GOOD)]
    drawn: list[RenderableType] = [head]
    for each in double[:_MOST]:
        index, by = each.index, each.by
        how = "the same columns as" if each.why is Why.DUPLICATE else "the first columns of"
        told = [f"{how} {by.name} ({', '.join(by.columns)})"]
        told += [size(index.bytes)] if index.bytes is not None else []
        if index.reads and by.reads == 0 and not by.is_needed:
            told.append(f"{by.name} itself was not read: perhaps that one is to go instead")
        drawn += [_named(index), _told("; ".join(told)), *_review(index, facts)]
    return [*drawn, *_more(len(double))]


def _unused(
    unused: Sequence[Index],
    facts: ServerFacts,
    uptime: float | None,
    evidence: Mapping[Place, IndexVerdict],
    *,
    known: bool,
) -> list[RenderableType]:
    head = title("Not read")
    if not known:
        return [head, not_known("which indexes are read", "this server counts no reads as it is set up")]
    if not unused:
        return [head, Text("Every index that nothing else needs was read.", style=GOOD)]
    drawn: list[RenderableType] = [head]
    if (uptime is None or uptime < ENOUGH_DAYS * _DAY) and not evidence:
        since = "an unknown time" if uptime is None else duration(uptime)
        drawn.append(Text(f"Too early to tell: counted for {since}, and some work is done once a month.", style=WARN))
    for index in unused[:_MOST]:
        verdict = evidence.get((index.database, index.table, index.name))
        said = verdict.evidence if verdict else _evidence(index, uptime)
        drawn += [_named(index), _told(said), *_review(index, facts)]
    return [*drawn, *_more(len(unused))]


def _evidence(index: Index, uptime: float | None) -> str:
    since = f" since the server started {duration(uptime)} ago" if uptime is not None else ""
    told = [f"0 reads{since}", "not unique", "no foreign key rests on it"]
    return "; ".join([*told, *([size(index.bytes)] if index.bytes is not None else [])])


def _named(index: Index) -> Text:
    return Text.assemble(
        (plain(f"{index.database}.{index.table}"), ""),
        (plain(f"  {index.name}"), "bold"),
        plain(f" ({', '.join(index.columns)})"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _review(index: Index, facts: ServerFacts) -> list[RenderableType]:
    hide, drop = statements_to_review(index, facts)
    return [
        _told(hide, "cyan"),
        _told(f"and when nobody has missed it: {drop}", DIM),
    ]


def _told(text: str, style: str = "") -> Padding:
    return Padding(Text(plain(text), style=style), (0, 0, 0, 2))


def _more(count: int) -> list[RenderableType]:
    return [line(f"and {count - _MOST} more: --json lists all", DIM)] if count > _MOST else []
