"""Backups and their proofs as commands show them: for people and as JSON."""

from datetime import UTC, datetime
from typing import Any

from chom_pipelines.backups.listing import OpenedEntry
from chom_pipelines.backups.taking import Taken
from chom_pipelines.cli.output import duration, size
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.manifest import Coordinates, Manifest
from chom_pipelines.repository.proof import Level, Outcome, Proof

EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_VERIFIED: 3}

_SECONDS = {"d": 86_400, "h": 3_600, "min": 60}
_SHORT = 24


def as_json(found: OpenedEntry) -> dict[str, Any]:
    """Everything about a backup but its tables and objects."""
    body, problem = _entry_json(found.entry, found.manifest), found.problem
    body["proofs"] = [proof_json(record.proof) for record in found.proofs if record.proof]
    body["disbelieved_proofs"] = [record.problem.what for record in found.proofs if record.problem]
    body["outcome"] = found.outcome.value
    body["problem"] = {"kind": type(problem).__name__, "message": problem.what} if problem else None
    return body


def taken_json(taken: Taken) -> dict[str, Any]:
    """The same of one that was taken just now."""
    return {
        **_entry_json(taken.entry, taken.manifest),
        "proofs": [proof_json(taken.proof)] if taken.proof else [],
        "disbelieved_proofs": [],
        "outcome": taken.outcome.value,
        "problem": None,
    }


def _entry_json(entry: BackupEntry, manifest: Manifest | None) -> dict[str, Any]:
    body = {"server": entry.server, "id": entry.id, "path": str(entry.path)}
    return body | (_manifest_json(manifest) if manifest else {})


def _manifest_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "method": manifest.method.value,
        **{name: getattr(manifest, name).isoformat() for name in ("started", "snapshot", "finished")},
        "seconds": seconds_of(manifest),
        "source": f"{manifest.source.flavour} {manifest.source.version}",
        "databases": manifest.databases,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
        "raw_bytes": manifest.raw_bytes,
        "stored_bytes": manifest.stored_bytes,
        "ratio": round(manifest.ratio, 3),
        "compression": {"codec": manifest.codec.value, "level": manifest.level},
        "key": manifest.key.key_name if manifest.key else None,
        "coordinates": manifest.coordinates.model_dump(),
        "warnings": manifest.warnings,
    }


def proof_json(proof: Proof) -> dict[str, Any]:
    """All of a proof."""
    return {**proof.model_dump(mode="json", exclude={"format", "server", "backup"}), "seconds": proof.seconds}


def seconds_of(manifest: Manifest) -> float:
    """How long the backup took."""
    return (manifest.finished - manifest.started).total_seconds()


def summary(manifest: Manifest) -> str:
    """One line: what is in it, and how large it is."""
    sizes = f"{size(manifest.raw_bytes)} in {size(manifest.stored_bytes)} ({manifest.ratio:.1f}x)"
    how = ", encrypted" if manifest.key else ""
    return f"{len(manifest.tables)} tables, {manifest.rows:,} rows, {sizes}{how}"


def position(coordinates: Coordinates) -> str:
    """Where in the binary log the snapshot stands; a long GTID set is left to --json."""
    if coordinates.file is None:
        return "no binary log"
    gtid = coordinates.gtid if coordinates.gtid and len(coordinates.gtid) <= _SHORT else ""
    return f"{coordinates.file}:{coordinates.position} {gtid}".strip()


def age(moment: datetime) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `12 d ago`."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
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
        return f"passed (basic): {proof.objects} objects authenticated and decoded {took}"
    where = f"restored on {proof.scratch}" + (f" ({proof.version_differs})" if proof.version_differs else "")
    return f"passed (full): {where}, {proof.tables} tables and {proof.rows:,} rows equal, {took}"


_WORDS = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED", Outcome.NOT_VERIFIED: "not verified"}


def proved(found: OpenedEntry) -> str:
    """The last proof of each level and its age, newest first."""
    if found.manifest is None:
        return "damaged"
    if found.problem:
        return "not verified: no key"
    newest = sorted(found.latest.values(), key=lambda proof: proof.started, reverse=True)
    said = [f"{proof.level.value} {_WORDS[proof.outcome]} {age(proof.started)}" for proof in newest]
    return ", ".join(said) or "never proved"
