"""The screen that is looked at first: rates, sessions, waits, backups; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from chom_pipelines.inventory.policies import Thresholds
from chom_pipelines.log_lines import amount, duration, size
from chom_pipelines.monitoring.console.backup_standing import BackupStanding
from chom_pipelines.monitoring.console.overview import Connected, row_operations
from chom_pipelines.monitoring.console.rates import Counters, Rates
from chom_pipelines.monitoring.console.screen_backups import summary
from chom_pipelines.monitoring.console.screens import BAD, DIM, DOUBT, GOOD, UNKNOWN, figure, rate, whole, why_not
from chom_pipelines.monitoring.locks.locks import LockPicture
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.replication import Channel
from chom_pipelines.monitoring.readers.waits import NAMELESS, LockKind
from chom_pipelines.server.facts import ServerFacts


@dataclass(frozen=True)
class Overview:
    """What is looked at. `rates` is None until there are two readings; `standing` or why it is not known."""

    facts: ServerFacts
    thresholds: Thresholds
    counters: Reading[Counters]
    rates: Rates | None
    locks: Reading[LockPicture]
    standing: BackupStanding | str
    connections_limit: int | None
    sources: Reading[tuple[Channel, ...]] | None = None
    """What is replicated; None: nothing."""


def overview(seen: Overview) -> list[RenderableType]:
    """A line for each thing, with what is beyond a threshold of chom.yaml in red."""
    rows = [*_rates(seen), *_sessions(seen), *_waits(seen), *_replicated(seen), *summary(seen.standing)]
    return [_table(rows)]


def _table(rows: Sequence[tuple[str, Text]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _rates(seen: Overview) -> Iterator[tuple[str, Text]]:
    rates, limits = seen.rates, seen.thresholds
    if rates is None:
        yield "rates", Text.assemble((UNKNOWN, DOUBT), f": {why_not(seen.counters)}")
        return
    if rates.is_too_soon or rates.began_anew:
        why = "the server counts anew since the last look" if rates.began_anew else "this is the first look"
        yield "rates", Text.assemble((UNKNOWN, DOUBT), f": {why}, and they follow with the next one")
        return
    slow = rates.per_second("slow_queries")
    is_slow = slow is not None and slow > limits.slow_queries_per_second
    yield (
        "queries",
        Text.assemble(
            _rate(rates, "queries"),
            "  slow ",
            Text.assemble(rate(slow), style=BAD if is_slow else ""),
            (f" (limit {limits.slow_queries_per_second:g})", DIM),
        ),
    )
    operations = row_operations(seen.facts, rates)
    unlike = ", temporary ones too" if seen.facts.is_mariadb else ""
    said = Text("  ").join(Text.assemble(f"{name} ", rate(value)) for name, value in operations.items())
    yield "rows", Text.assemble(said, (unlike, DIM))
    hits = rates.buffer_pool_hit_percent
    if hits is None:
        pool = Text.assemble((UNKNOWN, DOUBT), ": hardly any page was asked for")
    else:
        style = BAD if hits < limits.buffer_pool_hit_rate else ""
        pool = Text.assemble(Text(f"{hits:.2f} % of pages were in memory", style=style))
        pool.append(f" (limit {limits.buffer_pool_hit_rate:g})", DIM)
    yield "buffer pool", pool
    yield (
        "network",
        Text.assemble(
            "in ", _bytes(rates.per_second("bytes_received")), "/s  out ", _bytes(rates.per_second("bytes_sent")), "/s"
        ),
    )
    yield (
        "temporary",
        Text.assemble(
            _rate(rates, "created_tmp_tables"), " tables, ", _rate(rates, "created_tmp_disk_tables"), " of them on disk"
        ),
    )
    yield "refused", Text.assemble(_rate(rates, "aborted_connects"), " connections")


def _sessions(seen: Overview) -> Iterator[tuple[str, Text]]:
    if seen.locks.value is None:
        yield "sessions", Text.assemble((UNKNOWN, DOUBT), f": {why_not(seen.locks)}")
        return
    there = Connected.of(seen.locks.value)
    limit = f", at most {seen.connections_limit:,}" if seen.connections_limit else ""
    yield "sessions", Text(f"{there.active} active, {there.idle} idle{limit}")
    statement, transaction = there.longest_statement, there.longest_transaction
    yield (
        "longest",
        Text(
            f"statement {duration(statement) if statement is not None else 'none'}, "
            f"transaction {duration(transaction) if transaction is not None else 'none'}"
        ),
    )


def _waits(seen: Overview) -> Iterator[tuple[str, Text]]:
    picture = seen.locks.value
    if picture is None:
        yield "waiting", Text.assemble((UNKNOWN, DOUBT), f": {why_not(seen.locks)}")
    elif not picture.waits:
        yield "waiting", Text("nobody waits for a lock", style=GOOD)
    else:
        kinds = {kind: len({each.waiter for each in picture.waits if each.kind is kind}) for kind in LockKind}
        said = ", ".join(f"{count} for {_KINDS[kind]}" for kind, count in kinds.items() if count)
        root = picture.trees[0].root.session
        yield "waiting", Text(f"{said}; first look at {NAMELESS.get(root, str(root))}", style=BAD)
    if seen.rates is not None and not seen.rates.is_too_soon and not seen.rates.began_anew:
        row_waits = _rate(seen.rates, "innodb_row_lock_waits")
        yield "row locks", Text.assemble(row_waits, " waits  ", *_deadlocks(seen.rates))


def _replicated(seen: Overview) -> Iterator[tuple[str, Text]]:
    if seen.sources is None:
        return
    if seen.sources.value is None:
        yield "replication", Text.assemble((UNKNOWN, DOUBT), f": {why_not(seen.sources)}")
        return
    for channel in seen.sources.value:
        name = f" of {channel.name}" if channel.name else ""
        stopped = [what for what, runs in (("reading", channel.reads), ("applying", channel.applies)) if not runs]
        if stopped:
            yield "replication", Text(f"stopped {' and '.join(stopped)}{name}", style=BAD)
        elif channel.lag is None:
            yield "replication", Text.assemble(f"runs{name}, how far it is behind is ", (UNKNOWN, DOUBT))
        else:
            yield "replication", Text(f"runs{name}, {whole(channel.lag)} behind")


_KINDS = {
    LockKind.ROW: "rows",
    LockKind.METADATA: "tables",
    LockKind.GLOBAL: "the whole server",
    LockKind.TABLE: "table locks",
    LockKind.USER: "locks by name",
}


def _deadlocks(rates: Rates) -> list[Text]:
    total = rates.now.get("innodb_deadlocks")
    return [Text("deadlocks "), figure(total)] if total is None else [Text(f"{amount(int(total), 'deadlock')} so far")]


def _rate(rates: Rates, name: str) -> Text:
    return rate(rates.per_second(name))


def _bytes(value: float | None) -> Text:
    return Text(UNKNOWN, style=DOUBT) if value is None else Text(size(value))
