"""Having all of an hour in the archive of a server's binary log: what a run of a schedule, or a backfill, is for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.backups.archiving import archive_binary_log
from chom_pipelines.binlogs.archive.archiving import Blocked
from chom_pipelines.binlogs.archive.chain import Chain
from chom_pipelines.binlogs.archive.coverage import Span, covering
from chom_pipelines.binlogs.archive.histories import histories_to_continue
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.errors import NotArchivedError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.progress import Report
from chom_pipelines.repository.proof import SKEW


@dataclass(frozen=True)
class ArchivedHour:
    """The segments that have all of an hour, what was added for that, and all that there is now.

    `chains` are those of all histories, by their names.
    """

    segments: tuple[Segment, ...]
    new: tuple[Segment, ...]
    chains: dict[str, Chain]
    began_anew: str
    """Why a new history was begun, where one was: no backup of before leads into it."""
    blocked: tuple[Blocked, ...] = ()
    """Files that could not be archived: a failure, though the hour may be there without them."""

    def covering(self, other: Span) -> tuple[Segment, ...]:
        """The segments of another hour; raises NotArchivedError."""
        return covering(self.chains.values(), other)


def archive_hour(
    inventory: Inventory,
    server: Server,
    policy: BackupPolicy,
    hour: Span,
    report: Report,
    *,
    now: datetime,
    reach: datetime | None = None,
) -> ArchivedHour:
    """Archive what the server has closed, and have it close its file where the archive does not `reach` far enough yet.

    That is to the hour's end, if nothing is said. Where it does already, the hour is only looked up: nothing is added,
    and the server is not asked. Raises NotArchivedError where the hour is not over, or something of it is lost;
    ArchiveBehindError where the archive does not reach its end by the server's clock; else what `archive_binary_log`
    raises.
    """
    if now < hour.end:
        what = f"{hour} is not over: it is {now:%Y-%m-%d %H:%M:%S}"
        raise NotArchivedError(what, "materialise it afterwards, or an earlier one")
    reach = max(hour.end, reach or hour.end)
    chains = _chains(inventory, server, policy)
    if any(_reaches(chain, reach, now) for chain in chains.values()):
        with suppress(NotArchivedError):  # what is not there may still be on the server
            return ArchivedHour(covering(chains.values(), hour), (), chains, "")
    done = [archive_binary_log(inventory, server, policy, report, close=False)]
    if not _reaches(done[0].chain, reach, now):
        done.append(archive_binary_log(inventory, server, policy, report, close=True))
    chains |= {each.history: each.chain for each in done}
    new = tuple(segment for each in done for segment in each.new)
    began_anew = next((each.began_anew for each in done if each.began_anew), "")
    blocked = done[-1].blocked
    try:
        return ArchivedHour(covering(chains.values(), hour), new, chains, began_anew, blocked)
    except NotArchivedError as error:
        if not blocked:
            raise
        raise blocked_error(blocked, error.what) from error


def blocked_error(blocked: Sequence[Blocked], *known: str) -> NotArchivedError:
    """An error of files that could not be archived, and of what else is known."""
    what = "; ".join([*known, *(f"{each.file} is not archived: {each.why}" for each in blocked)])
    return NotArchivedError(what, "; ".join(dict.fromkeys(each.remedy for each in blocked)))


def _chains(inventory: Inventory, server: Server, policy: BackupPolicy) -> dict[str, Chain]:
    repository = repository_of(inventory.repository)
    if not repository.store.is_there():
        return {}
    keyring = keyring_of(inventory.repository, policy)
    return {each.name: each.chain for each in histories_to_continue(repository, server.name, keyring)}


def _reaches(chain: Chain, moment: datetime, now: datetime) -> bool:
    """What reaches beyond now does so by a wrong clock, and tells nothing of what followed."""
    return bool(chain.runs) and moment <= chain.runs[-1].last.as_of <= now + SKEW
