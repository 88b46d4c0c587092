"""Archiving a server's binary log: each file that it has closed and the archive has not becomes a segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from chom_pipelines.binlogs.archive.chain import Chain, Gap, anew
from chom_pipelines.binlogs.archive.heads import head_of
from chom_pipelines.binlogs.archive.histories import History, histories_to_continue
from chom_pipelines.binlogs.archive.history_choice import free_name, why_anew
from chom_pipelines.binlogs.archive.segments import FIRST, Identity, Segment
from chom_pipelines.binlogs.archive.server_logs import ServerLog, rotated, server_logs
from chom_pipelines.binlogs.archive.unlogged import Unlogged
from chom_pipelines.binlogs.archive.writing import SegmentWriter
from chom_pipelines.errors import BinlogDamagedError, BinlogWithheldError, ConfigurationError, UnknownFormatError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.progress import Report
from chom_pipelines.repository.data_keys import continued_key
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import WRITING, BackupId, Kind
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.binlog_settings import SettingsNow, read_binlog_settings
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts, read_facts

PATIENCE = 60.0
"""Seconds for which a run waits for another one: `chom stream` archives each file as soon as it is closed."""

_UNUSABLE = "what has its place cannot be used; move it away, so that what the server still has is archived anew"
_UNSOUND = "take a full backup; each run tries the file again while the server has it"


@dataclass(frozen=True)
class LogArchive:
    """The archive of one server's binary log, for who adds to it."""

    server: Server
    policy: BackupPolicy
    repository: Repository
    keyring: Keyring | None

    def refuse_without_key(self) -> None:
        """Raise ConfigurationError where what is to be encrypted cannot be."""
        if self.policy.encrypt and self.keyring is None:
            message = "the binary log is to be encrypted, and no keys are configured"
            raise ConfigurationError(message, "set repository.encryption.keys, or use --no-encrypt")


@dataclass(frozen=True)
class Blocked:
    """A file that the server has closed and this run could not archive: why, and what there is to be done."""

    file: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file} is not archived: {self.why}; {self.remedy}"


@dataclass(frozen=True)
class Archived:
    """What one run has added, and what there is now of the history that the server writes."""

    history: str
    new: tuple[Segment, ...]
    chain: Chain
    began_anew: str
    """Why this run has begun a new history, where it has: no backup of before leads into it."""
    blocked: tuple[Blocked, ...] = ()
    """What follows these files is archived all the same, but nothing leads across them."""
    into: Gap | None = None
    """The gap with which this history begins, where another one was archived before it: by this run or by others."""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Those that this run has found in the history."""
        new = {segment.id for segment in self.new}
        return tuple(gap for gap in self.chain.gaps if gap.before.id in new)

    @property
    def earlier_gaps(self) -> tuple[Gap, ...]:
        """Those that others have found, or have left: of a history that a stream has begun, nobody else tells."""
        into = [self.into] if self.into and not self.began_anew else []
        return (*into, *(gap for gap in self.chain.gaps if gap not in self.gaps))

    @property
    def until(self) -> datetime | None:
        """Everything up to here is archived, by the server's clock; None: nothing is."""
        return self.chain.runs[-1].last.until if self.chain.runs else None


def warnings_of(
    began_anew: str, blocked: Iterable[Blocked], gaps: Iterable[Gap], unlogged: Iterable[Unlogged]
) -> Iterator[str]:
    """What a person has to be told of what was archived: for the first three see `Archived`."""
    if began_anew:
        yield f"{began_anew}; take a full backup: no backup of before leads into it"
    yield from map(str, blocked)
    for gap in gaps:
        yield f"gap: {gap.why}; {gap.remedy}"
    for lacking in unlogged:
        yield lacking.said


def archive(into: LogArchive, report: Report, *, close: bool) -> Archived:
    """Archive every file that the server has closed; where `close` says so, it closes first the one that it writes.

    What is in the archive is not read again. Of a file that is no sound binary log, is not understood, or is not sent,
    nothing is archived; it is among the `blocked`, and has to be told as a failure. Raises the errors of
    `chom_pipelines.errors`, with every segment kept that was finished: RepositoryBusyError where another run archives.
    """
    into.refuse_without_key()
    name = into.server.name
    with into.repository.binlogs_of(name).lock(WRITING, f"archive of the binary log of {name}", patience=PATIENCE):
        endpoint = into.server.endpoint()
        with Session(endpoint) as session:
            facts = read_facts(session)
            logs = rotated(session, facts) if close else server_logs(session, facts)
            settings = read_binlog_settings(session, facts)  # with the time, which none of the closed files is behind
        return Archiver(into, endpoint, facts, settings).archive(logs, report)


@dataclass(frozen=True)
class Continued:
    """A history that a server's files go on with, and those `before` it; `why` it had to be begun, where it had."""

    history: History
    why: str
    before: tuple[History, ...]

    def archived(self, history: History, new: Sequence[Segment], blocked: Sequence[Blocked]) -> Archived:
        """What a run has added, after which the history is this one."""
        chain = history.chain
        gaps = tuple(anew([*(each.chain for each in self.before), chain])) if chain.runs else ()
        return Archived(history.name, tuple(new), chain, self.why, tuple(blocked), gaps[-1] if gaps else None)


@dataclass(frozen=True)
class Archiver:
    """Adds what a server has to its archive."""

    into: LogArchive
    endpoint: Endpoint
    facts: ServerFacts
    settings: SettingsNow

    def archive(self, logs: Sequence[ServerLog], report: Report) -> Archived:
        """Archive what of these files, the last of which the server writes, is not there as a whole."""
        found = self.continued(logs)
        history = found.history
        lacking = [log for log in logs[:-1] if not (history.is_whole(log.file) or history.is_past(log.file))]
        places = {log.file: BackupId(Kind.BINLOG, file=log.file, start=FIRST).text for log in lacking}
        blocked = [
            Blocked(log.file, f"{history.name}/{name}: {history.unreadable[name]}", _UNUSABLE)
            for log in lacking
            if (name := places[log.file]) in history.unreadable
        ]
        wanted = [log for log in lacking if places[log.file] not in history.unreadable]
        total, done = sum(log.bytes for log in wanted), 0
        new: list[Segment] = []
        if not wanted:  # then no key is made either
            return found.archived(history, (), blocked)
        writer = self.writer(history, streamed=False)
        for log in wanted:
            try:
                segment = writer.write(history, log, partial(_report, report, done, total))
            except (BinlogDamagedError, UnknownFormatError) as error:
                # what follows is archived all the same: it may not wait for a person
                blocked.append(Blocked(log.file, error.what, _UNSOUND))
            except BinlogWithheldError as error:
                blocked.append(Blocked(log.file, error.what, error.remedy))
            else:
                new.append(segment)
                history = history.with_whole(segment)
            done += log.bytes
        return found.archived(history, new, blocked)

    def continued(self, logs: Sequence[ServerLog]) -> Continued:
        """The history that the server's files go on with, of a new one with the reason."""
        repository, server = self.into.repository, self.into.server.name
        known = histories_to_continue(repository, server, self.into.keyring)
        identity = Identity(self.facts.server_id, self.facts.server_uuid)
        why = why_anew(known, identity, logs, lambda file: head_of(self.endpoint, self.facts, file))
        if known and not why:
            return Continued(known[-1], "", tuple(known[:-1]))
        # a history of which there is nothing yet is another run's, which has found the same
        empty = History.empty(repository, server, free_name(identity, {each.name for each in known}))
        return Continued(empty, why, tuple(known))

    def writer(self, history: History, *, streamed: bool) -> SegmentWriter:
        """What writes whole or streamed segments of it, with the key of the last one where that can be used again."""
        key = None
        if self.into.policy.encrypt and self.into.keyring is not None:
            before = [each for each in history.segments if each.streamed is streamed]
            last = max(before, key=lambda each: each.order, default=None)
            folder = (history.parts if streamed else history.stream).folder
            key = continued_key(folder, last.stream_key if last else None, self.into.keyring)
        return SegmentWriter(self.into.server.name, self.endpoint, self.facts, self.into.policy, key, self.settings)


def _report(report: Report, before: int, total: int, size: int) -> None:
    report(before + size, total, "archive binary logs")
