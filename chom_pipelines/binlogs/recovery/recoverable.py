"""What of a server can be recovered, by what the repository has: full backups, histories of the log, and windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.listing import OpenedEntry, opened
from chom_pipelines.repository.log_name import LogName
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.repository import Repository

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
    def windows(self) -> Windows:
        """The intervals that can be restored to, and the gaps."""
        return windows(self.fulls, self._chains)

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
        return any(_is_behind(full, lacking.last, run_of(full, self.runs)) for full in self.fulls)

    @property
    def settings_unknown(self) -> int:
        """Segments, behind every full backup's place, of which nobody asked with which settings they were written."""
        segments = (each for run in self.runs for each in run.segments if each.logging is None)
        return sum(not any(_is_behind(full, each, run_of(full, self.runs)) for full in self.fulls) for each in segments)

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


def _is_behind(full: Full, segment: Segment, run: Run | None) -> bool:
    if run is None or run.history != segment.history:
        return full.as_of >= segment.as_of + _SECOND  # times in a log are cut off to whole seconds
    return full.as_of >= segment.as_of and segment not in replayed(full, following(full, run))


def recoverable(repository: Repository, server: str, keyring: Keyring | None) -> Recoverable:
    """Read what the repository says of a server. A backup whose last proof failed is of no use.

    Raises RepositoryError where it cannot be listed, KeyUnavailableError where the key of a segment is not at hand.
    """
    failed: dict[str, str] = {}
    fulls = tuple(_fulls((opened(entry, keyring) for entry in repository.backups(server)), keyring, failed))
    heard = dict(_heard(repository, server, keyring, failed))  # first: what it names is there then
    archived = tuple(extended(each, heard.get(each.name)) for each in histories(repository, server, keyring))
    damaged = {f"{one.name}/{name}": reason for one in archived for name, reason in one.unreadable.items()}
    return Recoverable(fulls, archived, failed, damaged)


def _heard(
    repository: Repository, server: str, keyring: Keyring | None, unusable: dict[str, str]
) -> Iterator[tuple[str, Heard | None]]:
    for name in repository.histories(server):
        try:
            yield name, read_heard(repository.streamed(server, name), name, keyring)
        except KeyUnavailableError:
            raise
        except RepositoryError as error:  # what is archived is as good without it
            unusable[f"{name}/{HEARD}"] = error.what


def _fulls(found: Iterator[OpenedEntry], keyring: Keyring | None, unusable: dict[str, str]) -> Iterator[Full]:
    for one in found:
        if one.manifest and not one.problem and one.outcome is not Outcome.FAILED:
            if one.manifest.kind is Kind.FULL:
                yield _full(one, one.manifest, keyring, unusable)
        else:
            unusable[one.entry.id] = one.reason


def _full(one: OpenedEntry, manifest: Manifest, keyring: Keyring | None, unusable: dict[str, str]) -> Full:
    answered = [proof.started for proof in one.latest.values() if proof.outcome is one.outcome]
    drills: list[Drill] = []
    try:
        drills = drills_of(one.entry, keyring)
    except RepositoryError as error:  # the backup is as good without them
        unusable[f"{one.entry.id}, its drills"] = error.what
    return Full.of(manifest, one.outcome, max(answered, default=None), drills)
