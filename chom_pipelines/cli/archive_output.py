"""What `chom backup` prints of an archive of the binary log, and how what is not in the log is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from chom_pipelines.backups.archiving import archive_binary_log
from chom_pipelines.backups.exposure import unbroken
from chom_pipelines.binlogs.archive.archiving import Archived, warnings_of
from chom_pipelines.binlogs.archive.chain import Gap
from chom_pipelines.binlogs.archive.segments import Segment
from chom_pipelines.binlogs.archive.unlogged import Unlogged
from chom_pipelines.binlogs.archive.unlogged import unlogged as unlogged_of_segments
from chom_pipelines.binlogs.recovery.recoverable import Recoverable, recoverable
from chom_pipelines.cli import output
from chom_pipelines.errors import KeyUnavailableError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.layout import Kind, parse_id

_LEADS_NOWHERE = (
    "there is no full backup, so that nothing can be restored with this archive; take one: "
    "what was logged before it stays out of reach"
)


@dataclass(frozen=True)
class Aftermath:
    """What one run has archived of a server's binary log, and what of all that is archived leads nowhere now."""

    server: Server
    archived: Archived
    found: Recoverable | None
    """None: this machine may add to the archive and not read it."""
    leads_nowhere: bool
    """There is no full backup."""

    @property
    def outcome(self) -> Outcome:
        """Failed where something is lost or was not archived, by this run or still by one before."""
        archived = self.archived
        if archived.gaps or archived.blocked or archived.began_anew:
            return Outcome.FAILED
        if any(each.lack.matters for each in self.unlogged):
            return Outcome.FAILED
        if self.found is None:  # whether a full backup was taken behind a gap is in manifests that cannot be read here
            return Outcome.NOT_VERIFIED if self.earlier_gaps else Outcome.PASSED
        return Outcome.FAILED if unbroken(self.found, self.server).outcome is Outcome.FAILED else Outcome.PASSED

    @property
    def unlogged(self) -> tuple[Unlogged, ...]:
        """What is not in the log, and in no full backup behind it either."""
        if self.found is None:
            return tuple(unlogged_of_segments(self.archived.new, self.server.databases))
        return tuple(each for each in self.found.unlogged(self.server.databases) if not self.found.is_mended(each))

    @property
    def earlier_gaps(self) -> tuple[Gap, ...]:
        """Those that runs before, or a stream, have found or left, and no full backup has mended."""
        archived = self.archived
        if self.found is None:
            return archived.earlier_gaps
        told = [*archived.gaps, *([archived.into] if archived.began_anew and archived.into else [])]
        places = {(gap.history, gap.before.id) for gap in told}
        return tuple(gap for gap in self.found.open_gaps if (gap.history, gap.before.id) not in places)

    @property
    def warnings(self) -> Iterator[str]:
        """For people; what of it this run has found comes first."""
        archived = self.archived
        mended = [gap for gap in archived.gaps if self.found and gap not in self.found.open_gaps]
        if self.leads_nowhere:
            yield _LEADS_NOWHERE
        yield from warnings_of(
            archived.began_anew, archived.blocked, (gap for gap in archived.gaps if gap not in mended), ()
        )
        yield from (f"gap: {gap.why}; a full backup was taken after it" for gap in mended)
        for gap in self.earlier_gaps:
            if self.found is None:
                yield f"gap: {gap.why}; whether a full backup was taken after it cannot be read on this machine"
            else:
                opened = "it stays open until a full backup is taken: `chom backup`"
                yield f"gap: {gap.why}; {gap.remedy if gap.unusable else opened}"
        yield from (each.said for each in self.unlogged)
        for name, reason in self.found.unusable_segments.items() if self.found else ():
            yield f"cannot be used: {name}: {reason}"
        if self.found and self.found.unusable_segments and not self.found.open_gaps:
            yield unbroken(self.found, self.server).reason

    def _reach(self, until: str) -> str:
        """How far the archive goes, and whether with everything."""
        archived = self.archived
        gaps = [*archived.gaps, *self.earlier_gaps]
        between = [gap for gap in gaps if gap.after.history != gap.before.history]
        if (self.found and self.found.unusable_segments) or archived.blocked or len(gaps) > len(between):
            return f"archived {until}, but not everything"
        if archived.began_anew or between:
            return f"archived {until}, since the log began anew"
        return f"archived is everything {until}"

    def print(self, *, json: bool) -> None:
        """What was added, how far the archive goes, and what is wrong with it."""
        if json:
            output.document("backup", {"archive": _as_json(self)})
            return
        archived, name = self.archived, self.server.name
        new = archived.new
        if new:
            are_all = len(new) == new[-1].number - new[0].number + 1
            names = f"{new[0].file} {'to' if are_all else '…'} {new[-1].file}" if len(new) > 1 else new[0].file
            typer.echo(f"{name}: {output.amount(len(new), 'file')} of the binary log archived, {names}")
            read, stored = sum(each.end - each.start for each in new), sum(each.stored_bytes for each in new)
            transactions = output.amount(sum(each.transactions for each in new), "transaction")
            encrypted = ", encrypted" if new[-1].stream_key else ""
            typer.echo(f"  {transactions}, {output.size(read)} in {output.size(stored)}{encrypted}")
        elif archived.blocked:
            typer.echo(f"{name}: nothing more of the binary log could be archived")
        else:
            typer.echo(f"{name}: nothing is closed that is not archived")
        if archived.until:
            typer.echo(f"  {self._reach(f'up to {archived.until:%Y-%m-%d %H:%M:%S} UTC')}")
        for warning in self.warnings:
            typer.echo(f"  warning: {warning}", err=True)


def unlogged_json(lacking: Unlogged) -> dict[str, Any]:
    """What is not in the log, for programs."""
    lack = lacking.lack
    what = {"what": lack.what, "remedy": lack.remedy, "certain": lack.matters}
    return {"history": lacking.last.history, "from": lacking.start, "to": lacking.last.as_of, **what}


def _as_json(after: Aftermath) -> dict[str, Any]:
    archived, found = after.archived, after.found
    return {
        "server": after.server.name,
        "history": archived.history,
        "segments": [_segment_json(each) for each in archived.new],
        "until": archived.until,
        "began_anew": archived.began_anew or None,
        "blocked": [str(each) for each in archived.blocked],
        "gaps": [gap.why for gap in archived.gaps],
        "open_gaps": [gap.why for gap in found.open_gaps] if found else None,
        "unlogged": [unlogged_json(each) for each in after.unlogged],
        "outcome": after.outcome.value,
        "warnings": list(after.warnings),
    }


def _segment_json(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "file": segment.file,
        "start": segment.start,
        "end": segment.end,
        "gtids_before": segment.before,
        "gtids_after": segment.after,
        "opened": segment.opened,
        "as_of": segment.as_of,
        "transactions": segment.transactions,
        "stored_bytes": segment.stored_bytes,
    }


def archive_log(inventory: Inventory, server: Server, policy: BackupPolicy, *, close: bool, json: bool) -> int:
    """Archive a server's binary log, print what came of it, and return the exit code; raises what archiving raises."""
    with output.progress() as report:
        archived = archive_binary_log(inventory, server, policy, report, close=close)
    after = Aftermath(server, archived, _recoverable(inventory, server), _leads_nowhere(inventory, server))
    after.print(json=json)
    return output.EXIT_CODES[after.outcome]


def _recoverable(inventory: Inventory, server: Server) -> Recoverable | None:
    """What can be recovered now; None where the key that reads it is not on this machine."""
    try:
        keyring = keyring_of(inventory.repository, server.backup)
        return recoverable(existing_repository(inventory.repository), server.name, keyring)
    except KeyUnavailableError:
        return None


def _leads_nowhere(inventory: Inventory, server: Server) -> bool:
    """No full backup is there, so that nothing can be restored with the archive."""
    found = (parse_id(entry.id) for entry in existing_repository(inventory.repository).backups(server.name))
    return not any(identity and identity.kind is Kind.FULL for identity in found)
