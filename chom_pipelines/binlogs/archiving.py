"""Archiving a server's binary log: each file that it has closed and the archive has not becomes a segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from chom_pipelines.binlogs.archive import History, histories_to_continue
from chom_pipelines.binlogs.chain import Chain, Gap
from chom_pipelines.binlogs.continuing import free_name, why_anew
from chom_pipelines.binlogs.segments import Identity, Segment
from chom_pipelines.binlogs.server_logs import ServerLog, rotate, server_logs
from chom_pipelines.binlogs.writing import SegmentWriter, head_of
from chom_pipelines.errors import ConfigurationError, KeyUnavailableError
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.progress import Report
from chom_pipelines.repository.data_keys import StreamKey, add_stream_key, opened_key
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import WRITING
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts, read_facts


@dataclass(frozen=True)
class Archived:
    """What one run has added, and what there is now of the history that the server writes."""

    history: str
    new: tuple[Segment, ...]
    chain: Chain
    began_anew: str
    """Why a new history was begun, where one was: no backup of before leads into it."""
    blocked: tuple[str, ...] = ()
    """Segments that cannot be used and are where files of the server should go: they were not archived."""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Those that this run has found."""
        new = {segment.id for segment in self.new}
        return tuple(gap for gap in self.chain.gaps if gap.before.id in new)

    @property
    def until(self) -> datetime | None:
        """Everything up to here is archived, by the server's clock; None: nothing is."""
        return self.chain.runs[-1].last.until if self.chain.runs else None


def archive(
    server: Server,
    policy: BackupPolicy,
    repository: Repository,
    keyring: Keyring | None,
    report: Report,
    *,
    close: bool,
) -> Archived:
    """Archive every file that the server has closed; where `close` says so, it closes first the one that it writes.

    What is in the archive is not read again. Raises the errors of `chom_pipelines.errors`, with every segment kept that
    was finished: RepositoryBusyError where another run archives; BinlogDamagedError where the server sends what is no
    sound binary log, and nothing of that file is archived; DamagedError, after all others were archived, where one that
    cannot be used has the place of what the server still has.
    """
    if policy.encrypt and keyring is None:
        message = "the binary log is to be encrypted, and no keys are configured"
        raise ConfigurationError(message, "set repository.encryption.keys, or use --no-encrypt")
    with repository.binlogs_of(server.name).lock(WRITING, f"archive of the binary log of {server.name}"):
        endpoint = server.endpoint()
        with Session(endpoint) as session:
            facts = read_facts(session)
            if close:
                server_logs(session, facts)  # a server without a binary log is refused before anything is asked of it
                rotate(session)
            logs = server_logs(session, facts)
        return _Run(server, policy, repository, keyring, endpoint, facts).archive(logs, report)


@dataclass(frozen=True)
class _Run:
    server: Server
    policy: BackupPolicy
    repository: Repository
    keyring: Keyring | None
    endpoint: Endpoint
    facts: ServerFacts

    def archive(self, logs: Sequence[ServerLog], report: Report) -> Archived:
        history, began_anew = self._continued(logs)
        lacking = [log for log in logs[:-1] if not history.is_archived(log.file)]
        places = {log.file: history.next_id(log.file) for log in lacking}
        # what follows is archived all the same: it may not wait for a person
        blocked = {name: history.unreadable[name] for name in places.values() if name in history.unreadable}
        wanted = [log for log in lacking if places[log.file] not in blocked]
        total, done = sum(log.bytes for log in wanted), 0
        new: list[Segment] = []
        writer = SegmentWriter(
            self.server.name, self.endpoint, self.facts, self.policy, self._key(history) if wanted else None
        )
        for log in wanted:
            segment = writer.write(history, log, partial(_report, report, done, total))
            done += log.bytes
            new.append(segment)
            history = replace(history, segments=(*history.segments, segment))
        unusable = tuple(f"{history.name}/{name}: {reason}" for name, reason in blocked.items())
        return Archived(history.name, tuple(new), history.chain, began_anew, unusable)

    def _continued(self, logs: Sequence[ServerLog]) -> tuple[History, str]:
        known = histories_to_continue(self.repository, self.server.name, self.keyring)
        identity = Identity(self.facts.server_id, self.facts.server_uuid)
        why = why_anew(known, identity, logs, lambda file: head_of(self.endpoint, self.facts, file))
        if known and not why:
            return known[-1], ""
        name = free_name(identity, self.repository.histories(self.server.name))
        return History(name, self.repository.binlogs(self.server.name, name), (), {}), why

    def _key(self, history: History) -> tuple[StreamKey, DataKey] | None:
        """The key of the last segment, as long as its master key is the one that is used now; else a new one."""
        if not self.policy.encrypt or self.keyring is None:
            return None
        name = history.last.stream_key if history.last else None
        if name:
            key = StreamKey(name)
            try:
                opened = opened_key(key, history.stream.folder, self.keyring, history.stream.folder.where())
            except KeyUnavailableError:  # who holds a public half alone cannot use a key again
                pass
            else:
                return key, opened
        return add_stream_key(history.stream.folder, self.keyring)


def _report(report: Report, before: int, total: int, size: int) -> None:
    report(before + size, total, "archive binary logs")
