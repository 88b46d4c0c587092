"""What of a server can be recovered, by what the repository has: full backups, histories of the log, and windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from chom_pipelines.binlogs.archive.chain import Chain, Gap, Run, lined_up
from chom_pipelines.binlogs.archive.heard import NAME as HEARD
from chom_pipelines.binlogs.archive.heard import Heard, extended, read_heard
from chom_pipelines.binlogs.archive.histories import History, histories, newest_of
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.unlogged import Unlogged, unlogged_of
from chom_pipelines.binlogs.recovery.windows import Full, Windows, following, replayed, run_of, windows
from chom_pipelines.errors import KeyUnavailableError, RepositoryError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.drill import Drill, drills_of
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind, parse_id
from chom_pipelines.repository.listing import OpenedEntry, opened_all
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.repository import Repository
from chom_pipelines.server.binlog_settings import AS_TEXT, TEXT_OF_OTHERS

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Recoverable:
    """All of it; what is there and cannot be used has its reason. Objects were looked for, and not read."""

    fulls: tuple[Full, ...]
    histories: tuple[History, ...]
    unusable_backups: dict[str, str]
    unusable_segments: dict[str, str]

    @cached_property
    def _chains(self) -> tuple[Chain, ...]:
        return lined_up(history.chain for history in self.histories)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Of all histories."""
        return tuple(run for chain in self._chains for run in chain.runs)

    @cached_property
    def _followed(self) -> tuple[_Followed, ...]:
        """Each full backup with what follows it: to look for that again with each segment would take minutes."""
        return tuple(_Followed.of(full, self.runs) for full in self.fulls)

    @cached_property
    def windows(self) -> Windows:
        """The intervals that can be restored to, and the gaps."""
        return windows(self.fulls, self._chains)

    @property
    def unusable_fulls(self) -> dict[str, str]:
        """Full backups that are there and cannot be used, with the reasons."""
        found = ((name, parse_id(name), why) for name, why in self.unusable_backups.items())
        return {name: why for name, identity, why in found if identity and identity.kind is Kind.FULL}

    @property
    def why_no_full(self) -> str:
        """What there is instead of a full backup that can be used."""
        unusable = self.unusable_fulls
        if not unusable:
            return "there is no full backup"
        which = "the only full backup cannot" if len(unusable) == 1 else "none of the full backups can"
        return f"{which} be used: {'; '.join(f'{name}: {why}' for name, why in unusable.items())}"

    @property
    def newest(self) -> History | None:
        """The history that the server writes; None: nothing is archived, or of one nothing tells when it was."""
        return newest_of(self.histories)

    @cached_property
    def open_gaps(self) -> tuple[Gap, ...]:
        """Gaps that no full backup has mended: what is archived after them leads nowhere."""
        return tuple(gap for gap in self.windows.gaps if not any(self._mends(full, gap) for full in self.fulls))

    def unlogged(self, databases: Sequence[str] | None) -> tuple[Unlogged, ...]:
        """What the server did not log of that which is archived; `databases` are backed up, None: all are."""
        return unlogged_of(self.runs, databases)

    def is_mended(self, lacking: Unlogged) -> bool:
        """A full backup was taken behind it: it holds what the log lacks."""
        return any(each.has(lacking) for each in self._followed)

    @property
    def settings_unknown(self) -> int:
        """Segments, behind every full backup's place, of which nobody asked with which settings they were written."""
        segments = (each for run in self.runs for each in run.segments if each.logging is None)
        return sum(not any(each.is_behind(segment) for each in self._followed) for segment in segments)

    def _mends(self, full: Full, gap: Gap) -> bool:
        """Its place is behind the gap, in a run that is there, or behind all that is archived of the newest history.

        When it was taken says nothing: of a file's begin, the log has the time of a session.
        """
        run = run_of(full, self.runs)
        if run is not None:
            begins = [(each.history, each.segments[0].id) for each in self.runs]
            return self.runs.index(run) >= begins.index((gap.history, gap.before.id))
        last = self.newest.last if self.newest else None
        if last is None or full.place is None or full.identity != last.identity:
            return False
        name, position = LogName.of(full.place.file), full.place.position
        is_behind = name.base == last.base and (name.number, position) > (last.number, last.end)
        return is_behind and full.as_of >= gap.before.opened + _SECOND  # else it may be of before a RESET


@dataclass(frozen=True)
class _Followed:
    """A full backup, the history of the log that follows it, if any does, and the places of what is replayed."""

    full: Full
    history: str | None
    replayed: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, full: Full, runs: Iterable[Run]) -> _Followed:
        run = run_of(full, runs)
        segments = replayed(full, following(full, run)) if run else ()
        return cls(full, run.history if run else None, frozenset(each.order for each in segments))

    def is_behind(self, segment: Segment) -> bool:
        """It was taken behind the segment, and holds all of it."""
        if self.history != segment.history:
            return self.full.as_of >= segment.as_of + _SECOND  # times in a log are cut off to whole seconds
        return self.full.as_of >= segment.as_of and segment.order not in self.replayed

    def has(self, lacking: Unlogged) -> bool:
        """It was taken behind what is lacking, which of text is known to its position."""
        last, place = lacking.last, self.full.place
        text = last.textual if lacking.lack in {AS_TEXT, TEXT_OF_OTHERS} and self.history == last.history else None
        if text and place and place.file == last.file and place.position >= text:
            return True
        return self.is_behind(last)


def recoverable(repository: Repository, server: str, keyring: Keyring | None) -> Recoverable:
    """Read what the repository says of a server. A backup whose last proof failed is of no use.

    Raises RepositoryError where it cannot be listed, KeyUnavailableError where the key of a segment is not at hand.
    """
    failed: dict[str, str] = {}
    fulls = tuple(fulls_of(opened_all(repository.backups(server), keyring), keyring, failed))
    heard = heard_of(repository, server, keyring)  # first: what it names is there then
    return recoverable_from(fulls, failed, histories(repository, server, keyring), heard)


@dataclass(frozen=True)
class AllHeard:
    """What streams have heard, by history; and where that cannot be believed, why."""

    records: Mapping[str, Heard | None]
    unusable: Mapping[str, str]


def recoverable_from(
    fulls: tuple[Full, ...], unusable: Mapping[str, str], found: Iterable[History], heard: AllHeard
) -> Recoverable:
    """The same of what was read already: by `fulls_of`, of `histories`, and by `heard_of` before them. Pure."""
    archived = tuple(extended(each, heard.records.get(each.name)) for each in found)
    damaged = {f"{one.name}/{name}": reason for one in archived for name, reason in one.unreadable.items()}
    return Recoverable(fulls, archived, {**unusable, **heard.unusable}, damaged)


def heard_of(repository: Repository, server: str, keyring: Keyring | None) -> AllHeard:
    """Read it; raises what `recoverable` raises."""
    records: dict[str, Heard | None] = {}
    unusable: dict[str, str] = {}
    for name in repository.histories(server):
        try:
            records[name] = read_heard(repository.streamed(server, name), keyring)
        except KeyUnavailableError:
            raise
        except RepositoryError as error:  # what is archived is as good without it
            unusable[f"{name}/{HEARD}"] = error.what
    return AllHeard(records, unusable)


def fulls_of(found: Sequence[OpenedEntry], keyring: Keyring | None, unusable: dict[str, str]) -> Iterator[Full]:
    """Those that can be used, oldest first; an incremental backup of files is as good as a full one, with its chain.

    The reasons why others cannot are put into `unusable`.
    """
    for one in found:
        parent = one.manifest.parent if one.manifest else None
        if one.manifest is None or one.problem or one.outcome is Outcome.FAILED:
            unusable[one.entry.id] = one.reason
        elif parent in unusable:
            unusable[one.entry.id] = f"it builds on {parent}: {unusable[parent]}"
        else:
            yield _full(one, one.manifest, keyring, unusable)


def _full(one: OpenedEntry, manifest: Manifest, keyring: Keyring | None, unusable: dict[str, str]) -> Full:
    answered = [proof.started for proof in one.latest.values() if proof.outcome is one.outcome]
    drills: list[Drill] = []
    try:
        drills = drills_of(one.entry, keyring)
    except RepositoryError as error:  # the backup is as good without them
        unusable[f"{one.entry.id}, its drills"] = error.what
    return Full.of(manifest, one.outcome, max(answered, default=None), drills)
