"""A drill: some second of what can be recovered is restored by two ways, and both have to come to the same.

The ways share as little as they can: one replays by replication, the other the text of the log through the clients,
and onto another full backup, if one leads there. Where the text cannot be used, as it is of all databases and the
backup of some, or cannot always be executed, as MariaDB's behind a prepared XA transaction, both replay by replication
onto two backups; where there is one alone, MariaDB's text is tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from chom_pipelines.binlogs.recovery.choosing import whole_ways
from chom_pipelines.binlogs.recovery.point_in_time import PointInTime, point_in_time, recovered_backup, recovered_server
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.binlogs.recovery.targets import AtTime, EndOfArchive, Route
from chom_pipelines.errors import (
    ChomError,
    ConnectionFailedError,
    NoRoomError,
    RestoreFailedError,
    RestoreRefusedError,
    ServerError,
)
from chom_pipelines.log_lines import utc_text
from chom_pipelines.logical.contents import Contents
from chom_pipelines.outcome import Outcome
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report
from chom_pipelines.proofs.drill_second import ALWAYS, second_way, some_second
from chom_pipelines.proofs.full import RestoringResult, compare
from chom_pipelines.repository.drill import Drill, keep_drill
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.proof import Subject
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import REPLAY, Into, Timing
from chom_pipelines.restores.measured import checked, way_here
from chom_pipelines.restores.predicting import Rate
from chom_pipelines.server.load import Machine

_TRIES = 5
"""Each reads the log between a full backup and a second."""

_To = Callable[..., AbstractContextManager[PointInTime]]
"""`point_in_time`, of the server whose drill it is."""


@dataclass
class _Findings:
    started: datetime
    rates: Collection[Rate] = ()
    ways: list[str] = field(default_factory=list)
    replayed: list[int] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    restored: Timing | None = None
    result: RestoringResult = field(default_factory=RestoringResult)
    unanswered: str = ""
    """Why the question stays open."""

    def drill(self, ready: PointInTime, moment: datetime) -> Drill:
        recovery, result = ready.recovery, self.result
        counts = dict.fromkeys((Subject.TABLES, Subject.ROWS, Subject.DEFINITIONS), 0)
        counts |= {each.subject: each.count for each in result.comparisons}
        outcome, reason = Outcome.PASSED, ""
        if result.failures:
            more = f" (and {len(result.failures) - 1} more)" if len(result.failures) > 1 else ""
            outcome, reason = Outcome.FAILED, result.failures[0] + more
        elif self.unanswered or not counts[Subject.TABLES]:
            outcome, reason = Outcome.NOT_VERIFIED, self.unanswered or "there is no table that could be compared"
        return Drill(
            server=ready.start.manifest.server,
            backup=recovery.way.full.id,
            moment=moment,
            end=recovery.end,
            transactions=recovery.stop.transactions,
            ways=tuple(self.ways),
            replayed=tuple(self.replayed),
            outcome=outcome,
            reason=reason,
            started=self.started,
            tables=counts[Subject.TABLES],
            rows=counts[Subject.ROWS],
            definitions=counts[Subject.DEFINITIONS],
            scratch=result.scratch or None,
            phases=self.phases,
            restored=self.restored,
            failures=tuple(result.failures),
        )


def run_drill(
    repository: Repository,
    server: str,
    keyring: Keyring | None,
    report: Report,
    *,
    threads: int,
    moment: datetime | EndOfArchive | None = None,
    within: tuple[datetime, datetime] = ALWAYS,
    rates: Collection[Rate] = (),
) -> tuple[BackupEntry, Drill]:
    """Restore that moment, or a random second `within`, by two ways and compare; keep the record beside the backup.

    How long the first way takes is recorded, beside what `rates` from before predict.

    Of all that is archived, the record's moment is the last one of which certainly nothing lacks. Backups are restored
    by so many threads; 0: one per core.

    What differs or cannot be replayed makes it failed, what keeps the question open not verified; that there is nothing
    to replay does, too. Raises RestoreRefusedError where there is no such moment, RepositoryError where the record
    cannot be kept, and KeyUnavailableError.
    """
    findings = _Findings(datetime.now(UTC), rates)
    to = partial(point_in_time, repository, server, keyring=keyring, report=report, threads=threads)
    with ExitStack() as stack:
        if moment is None:
            found = recoverable(repository, server, keyring)
            chosen, ready = stack.enter_context(_begun(to, server, found, within))
        else:
            wanted = moment if isinstance(moment, EndOfArchive) else AtTime(moment)
            ready = stack.enter_context(to(wanted))
            chosen = _moment(ready) if isinstance(moment, EndOfArchive) else moment
        before = Machine.now()
        try:
            _compared(to, ready, findings, report)
        except (RestoreFailedError, RestoreRefusedError, ServerError) as error:
            if isinstance(error, (NoRoomError, ConnectionFailedError, RestoreRefusedError)):  # which say nothing of it
                findings.unanswered = error.what
            else:
                findings.result.failures.append(error.what)
        except ChomError as error:
            if error.outcome is Outcome.FAILED:
                findings.result.failures.append(error.what)
            else:
                findings.unanswered = error.what
        if findings.restored:  # what the private servers took is ours now, as they have ended
            beside = {"elsewhere": before.elsewhere(Machine.now())}
            findings.restored = findings.restored.model_copy(update=beside)
        drill = findings.drill(ready, chosen)
        entry = repository.find(server, drill.backup)
        keep_drill(entry, drill, entry.data_key(keyring))
    return entry, drill


def _moment(ready: PointInTime) -> datetime:
    way = ready.recovery.way
    return max(way.full.as_of, way.segments[-1].until) if way.segments else way.full.as_of


@contextmanager
def _begun(
    to: _To, server: str, found: Recoverable, within: tuple[datetime, datetime]
) -> Iterator[tuple[datetime, PointInTime]]:
    """A random second with something to replay, and its recovery; without, where no try has found one.

    What a try has read of the log tells how long nothing is to be replayed onto that backup, and narrows the choice.
    """
    ways = whole_ways(found)
    quiet: dict[str, datetime] = {}
    for _ in range(_TRIES):
        chosen = some_second(ways, *within, quiet)
        if chosen is None:
            when = "" if within == ALWAYS else f" from {utc_text(within[0])} to {utc_text(within[1])}"
            what = f"nothing of {server}{when} can be drilled: no binary log that follows a full backup is archived"
            raise RestoreRefusedError(what, _what_mends(found, within))
        with to(AtTime(chosen)) as ready:
            stop, full = ready.recovery.stop, ready.recovery.way.full.id
            if stop.transactions or full in quiet or len(quiet) == _TRIES - 1:
                yield chosen, ready
                return
            quiet[full] = stop.following.time if stop.following else ALWAYS[1]


def _what_mends(found: Recoverable, within: tuple[datetime, datetime]) -> str:
    """What there is to do so that something of that time can be drilled: of the past that may be nothing."""
    begin, end = within
    if not found.fulls:
        return "take a full backup: what is archived behind it can be drilled"
    if all(full.as_of >= end for full in found.fulls):
        return "nothing mends that: every full backup was taken later; `chom windows` lists what can be drilled"
    archived = max((run.last.until for run in found.runs), default=begin)
    if archived >= end or found.open_gaps:
        return "nothing mends that: it is in a gap of the archive; `chom windows` lists what can be drilled"
    return "`chom backup --type incremental` archives what the server still has of it"


def _compared(to: _To, ready: PointInTime, findings: _Findings, report: Report) -> None:
    if not ready.recovery.stop.transactions:
        full = ready.recovery.way.full.id
        findings.unanswered = (
            f"nothing was written between {full} and that second, so that a drill would prove nothing of the log"
        )
        return
    if ready.recovery.drawn:
        findings.unanswered = f"{ready.recovery.drawn[0]}; take a full backup, which has them"
        return
    first = ready.recoverer(Route.REPLICATION, accounts=False, report=report)
    findings.ways.append(_said(ready, Route.REPLICATION))
    with ExitStack() as stack:
        with timed(findings.phases, "first way"):
            entry, recovered = stack.enter_context(recovered_backup(ready, first))
        phases = recovered.restored.phases
        findings.phases[REPLAY] = phases[REPLAY]
        way = way_here(ready.start.manifest, Into.PRIVATE, recovered.directory, ready.start.threads)
        timing = Timing.of(way, ready.amounts, phases)
        findings.restored = checked(timing, findings.rates, ready.recovery.way.full.id)
        findings.replayed.append(recovered.transactions)
        if recovered.doubts:
            findings.unanswered = f"{recovered.doubts[0]}, and is so by every way"
        with timed(findings.phases, "read the log again"):
            second = stack.enter_context(_second(to, ready))
        if second is None:
            findings.unanswered = "a single way leads there: take full backups more often, or of all databases"
            return
        again, route = second
        findings.ways.append(_said(again, route))
        with timed(findings.phases, "second way"):
            recoverer = again.recoverer(route, accounts=False, report=report)
            server, recovered = stack.enter_context(recovered_server(again, recoverer))
        findings.replayed.append(recovered.transactions)
        findings.result.scratch = server.facts.label
        with timed(findings.phases, "compare"):
            threads = ready.start.threads or len(os.sched_getaffinity(0))
            compare(Contents.of(entry, None), server, threads, report, findings.result)


@contextmanager
def _second(to: _To, ready: PointInTime) -> Iterator[tuple[PointInTime, Route] | None]:
    """Another way to the same target, and its route; None where there is none."""
    second = second_way((ready.recovery.way, *ready.others))
    if second is None or second.way is ready.recovery.way:
        yield (ready, second.route) if second else None
        return
    with to(ready.recovery.target, backup=second.way.full.id) as again:
        yield again, second.route


def _said(ready: PointInTime, route: Route) -> str:
    return f"{route.value} from {ready.recovery.way.full.id}"
