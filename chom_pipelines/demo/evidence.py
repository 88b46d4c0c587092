"""What the demonstration saw with its own eyes; whatever is missing or speaks against it is an error."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from chom_pipelines.demo.comparison import Answer, compare
from chom_pipelines.demo.place import SERVER
from chom_pipelines.demo.shop import DATABASE
from chom_pipelines.errors import DemonstrationFailedError
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.inventory.preflight import check_repository, check_server
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.streams import LATEST
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.findings import Finding
from chom_pipelines.server.identifiers import qualified

COPY = "shop_restored"
_ALONE = "look at what the step above left in its log"


def preflight(inventory: Inventory) -> list[Finding]:
    """What `chom check` finds; raises DemonstrationFailedError unless everything is as it should be."""
    answers = check_server(inventory.server(SERVER))
    findings = [*answers.findings, *check_repository(inventory.repository, answers.data_bytes)]
    wrong = [each for each in findings if each.outcome is not Outcome.PASSED]
    if wrong:
        said = "; ".join(f"{each.subject}: {each.message}" for each in wrong)
        raise DemonstrationFailedError(f"chom check does not pass: {said}", wrong[0].remedy)
    return findings


def backup_since(repository: Repository, since: datetime) -> BackupEntry:
    """The last backup; raises DemonstrationFailedError where it was begun before."""
    entry = repository.find(SERVER, LATEST)
    if entry.time is None or entry.time < since.replace(microsecond=0):
        raise DemonstrationFailedError(f"the last backup, {entry.id}, was there before this demonstration", _ALONE)
    return entry


def passed_proof(entry: BackupEntry, keyring: Keyring | None, level: Level) -> Proof:
    """Its last proof of this level; raises DemonstrationFailedError unless it passed and is believed."""
    records = entry.proofs(keyring)
    problem = next((record.problem for record in records if record.problem), None)
    if problem:
        raise problem
    proofs = [record.proof for record in records if record.proof and record.proof.level is level]
    if not proofs:
        raise DemonstrationFailedError(f"{entry.id} has no {level.value} proof", _ALONE)
    if proofs[-1].outcome is not Outcome.PASSED:
        what = f"{entry.id}, {level.value} verification: {proofs[-1].outcome.value}: {proofs[-1].reason}"
        raise DemonstrationFailedError(what, "\n".join(proofs[-1].failures) or _ALONE)
    return proofs[-1]


@dataclass(frozen=True)
class Restored:
    """A restore beside the live shop: its seconds, the rows counted in each table, what the comparison answered."""

    result: RestoreResult
    seconds: float
    rows: dict[str, int]
    answers: list[Answer]


def restored_beside(entry: BackupEntry, keyring: Keyring | None, root: Endpoint) -> Restored:
    """Restore the shop under another name on its own server, count its rows and compare it with the live one.

    Raises DemonstrationFailedError where rows are missing or anything speaks against the copy.
    """
    began = time.monotonic()
    result = restore_into_server(entry, keyring, root, RestoreRequest(rename={DATABASE: COPY}), unreported)
    seconds = time.monotonic() - began
    tables = entry.manifest(keyring).logical.tables
    with Session(root) as session:
        rows = {
            table.name: int(session.value(f"SELECT COUNT(*) FROM {qualified(COPY, table.name)}")) for table in tables
        }
        answers = compare(session, COPY)
    lost = [table.name for table in tables if rows[table.name] != table.rows]
    against = [answer.question for answer in answers if not answer.holds]
    if lost or against:
        what = f"{COPY} is not what was backed up: {'; '.join([*(f'rows of {name}' for name in lost), *against])}"
        raise DemonstrationFailedError(what, "report this as a bug")
    return Restored(result, seconds, rows, answers)
