"""Backups and their proofs as commands show them: for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chom_pipelines.cli.forecasts import timing_json
from chom_pipelines.cli.output import amount, duration, size
from chom_pipelines.errors import ChomError, KeyUnavailableError, UnencryptedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.listing import OpenedEntry
from chom_pipelines.repository.manifest import Coordinates, Manifest
from chom_pipelines.repository.payloads import LogicalPayload, PhysicalPayload
from chom_pipelines.repository.proof import SKEW, Level, Means, Proof, Subject

if TYPE_CHECKING:  # commands that take nothing do not wait for what takes backups
    from chom_pipelines.backups.taking import Taken

_SECONDS = {"d": 86_400, "h": 3_600, "min": 60}
_SHORT = 24


def as_json(found: OpenedEntry) -> dict[str, Any]:
    """Everything about a backup but its tables and objects."""
    body, problem = _entry_json(found.entry, found.manifest), found.problem
    body["proofs"] = [
        {"backup": record.proof.backup, **proof_json(record.proof)} for record in found.proofs if record.proof
    ]
    body["disbelieved_proofs"] = [record.problem.what for record in found.proofs if record.problem]
    body["outcome"] = found.outcome.value
    body["problem"] = _problem_json(problem)
    return body


def taken_json(taken: Taken) -> dict[str, Any]:
    """The same of one that was taken just now."""
    return {
        **_entry_json(taken.entry, taken.manifest),
        "proofs": [{"backup": taken.entry.id, **proof_json(taken.proof)}] if taken.proof else [],
        "disbelieved_proofs": [],
        "outcome": taken.outcome.value,
        "problem": _problem_json(taken.unproved),
    }


def _problem_json(problem: ChomError | None) -> dict[str, str] | None:
    return {"kind": type(problem).__name__, "message": problem.what, "remedy": problem.remedy} if problem else None


def _entry_json(entry: BackupEntry, manifest: Manifest | None) -> dict[str, Any]:
    body = {"server": entry.server, "id": entry.id, "location": entry.where}
    return body | (_manifest_json(manifest) if manifest else {})


def _manifest_json(manifest: Manifest) -> dict[str, Any]:
    payload = manifest.payload
    counts: dict[str, Any] = {}
    if isinstance(payload, PhysicalPayload):
        counts = {"tables": payload.tables, "files": payload.files, "program": payload.program}
        counts |= {"from_lsn": payload.from_lsn, "to_lsn": payload.to_lsn}
    if isinstance(payload, LogicalPayload):
        counts = {"databases": payload.databases, "tables": len(payload.tables), "rows": payload.rows}
        counts["losses"] = [
            {"database": table.database, "table": table.name, **asdict(loss)}
            for table in payload.tables
            for loss in table.losses
        ]
    return {
        "kind": manifest.kind.value,
        "method": manifest.method.value,
        "parent": manifest.parent,
        **{name: getattr(manifest, name).isoformat() for name in ("started", "as_of", "finished")},
        "seconds": manifest.seconds,
        "source": f"{manifest.source.flavour} {manifest.source.version}",
        **counts,
        "raw_bytes": manifest.raw_bytes,
        "stored_bytes": manifest.stored_bytes,
        "ratio": round(manifest.ratio, 3),
        "compression": sorted({stored.codec.value for stored in manifest.objects}),
        "key": manifest.key_name,
        "coordinates": manifest.coordinates.model_dump(),
        "warnings": manifest.warnings,
    }


def losses(manifest: Manifest | None) -> tuple[str, ...]:
    """What no restore of it brings back as it was, by table and column."""
    payload = manifest.payload if manifest else None
    tables = payload.tables if isinstance(payload, LogicalPayload) else ()
    return tuple(said for table in tables for said in table.said_losses)


def proof_json(proof: Proof) -> dict[str, Any]:
    """All of a proof."""
    body = proof.model_dump(mode="json", exclude={"format", "server", "backup", "number", "restored"})
    return {**body, "restored": timing_json(proof.restored), "seconds": proof.seconds}


def summary(manifest: Manifest) -> str:
    """One line: what is in it, and how large it is."""
    sizes = f"{size(manifest.raw_bytes)} in {size(manifest.stored_bytes)} ({manifest.ratio:.1f}x)"
    how = ", encrypted" if manifest.key else ""
    payload = manifest.payload
    what = amount(len(manifest.objects), "object")
    if isinstance(payload, LogicalPayload):
        what = f"{amount(len(payload.tables), 'table')}, {amount(payload.rows, 'row')}"
    elif isinstance(payload, PhysicalPayload):
        what = f"{amount(payload.tables, 'table')}, {amount(payload.files, 'file')}"
        what += f", changed since {manifest.parent}" if manifest.parent else ""
    return f"{what}, {sizes}{how}"


def position(coordinates: Coordinates) -> str:
    """Where in the binary log it ends; a long GTID set is left to --json."""
    end = coordinates.end
    if end is None:
        return "no binary log"
    gtid = end.gtid if end.gtid and len(end.gtid) <= _SHORT else ""
    return f"{end.file}:{end.position} {gtid}".strip()


def age(moment: datetime) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `12 d ago`; `in the future`."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < -SKEW.total_seconds():
        return "in the future"
    for unit, length in _SECONDS.items():
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"


def verdict(proof: Proof) -> str:
    """What a verification found, in one line without its failures."""
    if proof.outcome is not Outcome.PASSED:
        return f"{_WORDS[proof.outcome]} ({proof.level.value}): {proof.reason}"
    took = f"in {duration(proof.seconds)}"
    if proof.level is Level.BASIC:
        return f"passed (basic): {proof.count(Subject.OBJECTS)} objects authenticated and decoded {took}"
    where = f"restored on {proof.scratch}" + (f" ({proof.version_differs})" if proof.version_differs else "")
    return f"passed (full): {where}, {compared(proof)}, {took}"


def compared(proof: Proof) -> str:
    """What a restored copy was found to have in common with the backup; of data files, what it was found to be."""
    tables, rows = proof.count(Subject.TABLES, Means.RESTORED), proof.count(Subject.ROWS, Means.RESTORED) or 0
    if proof.count(Subject.FILES) is not None:
        pages = proof.count(Subject.PAGES, Means.RESTORED)
        by_page = f"{amount(pages, 'page')} by their checksums, " if pages else ""
        return f"{by_page}{amount(tables or 0, 'table')} with {amount(rows, 'row')} by the server's check"
    return f"{amount(tables or 0, 'table')} and {amount(rows, 'row')} equal"


def _problem(problem: ChomError) -> str:
    if isinstance(problem, KeyUnavailableError):
        return "not verified: no key"
    if isinstance(problem, UnencryptedError):
        return "not encrypted, and not believed"
    return "damaged" if problem.outcome is Outcome.FAILED else "not verified: it cannot be read"


_WORDS = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED", Outcome.NOT_VERIFIED: "not verified"}


def proved(found: OpenedEntry) -> str:
    """The last proof of each level and its age, newest first."""
    if found.problem and found.problem.outcome is found.outcome:
        return _problem(found.problem)
    newest = sorted(found.latest.values(), key=lambda proof: proof.started, reverse=True)
    said = [
        proof.level.value
        + (f" of {proof.backup}" if proof.backup != found.entry.id else "")
        + f" {_WORDS[proof.outcome]} {age(proof.started)}"
        for proof in newest
    ]
    disbelieved = "; not every proof is believed" if any(record.problem for record in found.proofs) else ""
    return (", ".join(said) or "never proved") + disbelieved
