"""A backup that failed its last proof, or has one that cannot be believed, is not restored unless that is asked for."""

from __future__ import annotations

from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.payloads import Method
from chom_pipelines.restores.selection import RestoreRequest


def refuse_failed(entry: BackupEntry, keyring: Keyring | None, request: RestoreRequest) -> None:
    """Raise RestoreRefusedError where it, or what it builds on, failed its last proof, or one was forged."""
    if damaged := failed_proof(entry, keyring, request):
        raise damaged


def failed_proof(entry: BackupEntry, keyring: Keyring | None, request: RestoreRequest) -> RestoreRefusedError | None:
    """Why it is not restored: by the last proof of a level it, or what it builds on, failed, or one was forged.

    Raises the problem for which it, or what it builds on, cannot be opened, where nothing else is known against it.
    """
    if request.despite_failed_proof:
        return None
    found = opened(entry, keyring)
    forged = next((record for record in found.proofs if record.problem), None)
    if forged and forged.problem:
        if forged.problem.outcome is not Outcome.FAILED:  # it cannot be read now
            raise forged.problem
        which = entry.id if forged.backup == entry.id else f"{forged.backup}, on which {entry.id} builds,"
        what = f"{which} has a proof that cannot be believed, which may have said that it failed: {forged.problem.what}"
        remedy = "find out who writes there; to restore it all the same, --despite-failed-proof"
        return RestoreRefusedError(what, remedy)
    failed = [proof for proof in found.latest.values() if proof.outcome is Outcome.FAILED]
    last = max(failed, key=lambda proof: proof.started, default=None)
    if last:
        when = f"{last.started:%Y-%m-%d %H:%M} UTC"
        which = entry.id if last.backup == entry.id else f"{last.backup}, on which {entry.id} builds,"
        what = f"{which} failed its {last.level.value} verification of {when}: {last.reason}"
        remedy = "restore another backup; to get what can be got out of this one, use --despite-failed-proof"
        if found.manifest and found.manifest.method is Method.LOGICAL:
            remedy += ", with --tables for those that are whole"
        return RestoreRefusedError(what, remedy)
    if found.problem:
        raise found.problem
    return None
