"""Backups and their proofs as commands show them: opened, and described for people and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from chom_pipelines.cli.output import duration, size
from chom_pipelines.errors import DamagedError, KeyUnavailableError, RepositoryError
from chom_pipelines.inventory.models import RepositoryConfig
from chom_pipelines.inventory.preflight import read_keyring
from chom_pipelines.repository.entry import BackupEntry, ProofRecord
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local import Repository
from chom_pipelines.repository.manifest import Coordinates, Manifest
from chom_pipelines.repository.proof import Level, Outcome, Proof

EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_VERIFIED: 3}

_SECONDS = {"d": 86_400, "h": 3_600, "min": 60}
_SHORT = 24
_RESTORE = {"schema", "data", "programs"}  # the phases of a verification that a restore has as well


@dataclass(frozen=True)
class OpenedEntry:
    """A backup as it was found. Without its key the manifest is shown all the same, and the problem says so."""

    entry: BackupEntry
    manifest: Manifest | None
    proofs: tuple[ProofRecord, ...]
    problem: RepositoryError | None

    @property
    def outcome(self) -> Outcome:
        """What is known about it, without looking at its objects."""
        if isinstance(self.problem, KeyUnavailableError):
            return Outcome.NOT_VERIFIED
        disbelieved = any(record.problem for record in self.proofs)
        failed = any(proof.outcome is Outcome.FAILED for proof in self.latest.values())
        return Outcome.FAILED if self.problem or disbelieved or failed else Outcome.PASSED

    @property
    def latest(self) -> Mapping[Level, Proof]:
        """The last proof that came to an answer, of each level; else the last."""
        found: dict[Level, Proof] = {}
        for proof in (record.proof for record in self.proofs if record.proof):
            if proof.outcome is not Outcome.NOT_VERIFIED or proof.level not in found:
                found[proof.level] = proof
        return found

    @property
    def restored_in(self) -> float | None:
        """Seconds that the last full verification needed to restore it; None where there was none."""
        proof = self.latest.get(Level.FULL)
        if proof is None or proof.outcome is not Outcome.PASSED or not set(proof.phases) >= _RESTORE:
            return None
        return sum(proof.phases[name] for name in _RESTORE)


def opened_repository(config: RepositoryConfig) -> tuple[Repository, Keyring | None]:
    """The repository to read from, and the configured keys.

    Raises RepositoryError where there is none, and what reading the keys raises.
    """
    repository = Repository(config.path)
    if not config.path.is_dir():
        remedy = "mount it; where no backup was taken yet, `chom backup` creates it"
        raise RepositoryError(f"there is no repository at {config.path}", remedy)
    return repository, keyring_of(config)


def keyring_of(config: RepositoryConfig) -> Keyring | None:
    """The configured keys; None where encryption is not configured."""
    return read_keyring(config.encryption) if config.encryption else None


def opened(entry: BackupEntry, keyring: Keyring | None) -> OpenedEntry:
    """Read a backup's manifest and proofs; what is wrong with them becomes its problem."""
    try:
        return OpenedEntry(entry, entry.manifest(keyring), tuple(entry.proofs(keyring)), None)
    except KeyUnavailableError as error:
        return OpenedEntry(entry, _unauthenticated(entry), (), error)
    except RepositoryError as error:
        return OpenedEntry(entry, None, (), error)


def _unauthenticated(entry: BackupEntry) -> Manifest | None:
    try:
        return Manifest.model_validate({name: value for name, value in entry.peek().items() if name != "seal"})
    except (DamagedError, ValidationError):
        return None


def as_json(found: OpenedEntry) -> dict[str, Any]:
    """Everything about a backup but its tables and objects."""
    body: dict[str, Any] = {"server": found.entry.server, "id": found.entry.id, "path": str(found.entry.path)}
    if found.manifest:
        body |= _manifest_json(found.manifest)
    problem = found.problem
    body["proofs"] = [proof_json(record.proof) for record in found.proofs if record.proof]
    body["disbelieved_proofs"] = [record.problem.what for record in found.proofs if record.problem]
    body["outcome"] = found.outcome.value
    body["problem"] = {"kind": type(problem).__name__, "message": problem.what} if problem else None
    return body


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
