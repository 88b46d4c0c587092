"""Restoring a backup: into a running server, or into a directory that a server can be started on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.errors import (
    ChomError,
    DamagedError,
    RestoreFailedError,
    RestoreRefusedError,
)
from chom_pipelines.logical.contents import Contents
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest, SourceServer
from chom_pipelines.repository.payloads import Method
from chom_pipelines.restores.allowance import not_allowed
from chom_pipelines.restores.authority import read_authority
from chom_pipelines.restores.definers import definers, stand_ins
from chom_pipelines.restores.directory_target import contained, put_in_place, refuse_directory
from chom_pipelines.restores.execution import Restore, RestoreResult
from chom_pipelines.restores.likeness import at_other_moments, birth_options, zones_of
from chom_pipelines.restores.loading import settings
from chom_pipelines.restores.operations import Action, Operation, Operations
from chom_pipelines.restores.planning import decided, refusal
from chom_pipelines.restores.redo_log import redo_log_off
from chom_pipelines.restores.selection import RestorePlan, RestoreRequest, planned
from chom_pipelines.restores.standing import Standing, read_standing, refuse_unfit_target
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour, ServerFacts, read_facts
from chom_pipelines.server.grants import has_single_tables
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines.server.time_zones import forget_others
from chom_pipelines.server.versions import parse_version

_ROOT_ALONE = (
    "no accounts but root@localhost without a password, as which nobody can connect from another machine; views, "
    "triggers and routines of other accounts do not work without these: --accounts restores the source's"
)
_LOCK_SECONDS = 30
"""For which what is dropped is waited for: meanwhile everybody who wants it waits as well."""

FAST = ("--innodb-doublewrite=OFF", "--innodb-flush-log-at-trx-commit=0", "--innodb-autoinc-lock-mode=2")
"""For a directory that is thrown away unless the restore ends well."""


def plan_restore(
    entry: BackupEntry,
    keyring: Keyring | None,
    target: Endpoint | Path | None,
    request: RestoreRequest,
) -> tuple[Operations, RestoreRefusedError | None]:
    """What a restore would do on that server, or in a directory (None: a new one); and why it would be refused.

    Raises RestoreRefusedError where there is not even a list, and what reading the backup raises.
    """
    with entry.reading("dry run of a restore"):
        contents = Contents.of(entry, keyring)
        plan = planned(contents.manifest, contents.definitions(), request)
        _refuse_incomplete(contents, plan)
        damaged = failed_proof(entry, keyring, request)
    if target is None or isinstance(target, Path):
        found = decided(plan, Standing(), datetime.now(UTC))
        gone = contained(target) if target else ""
        replaced = Operation(Action.DROP, "directory", "", str(target), gone, needs_replace=True)
        return replace(found, after=(*found.after, replaced)) if gone else found, damaged
    with Session(target) as session:
        facts = read_facts(session)
        refuse_unfit_target(contents.manifest, facts, target)
        found, refused = _listed(session, facts, plan, contents.manifest.source)
        return found, damaged or refused


def refusal_of(contents: Contents, target: Endpoint, request: RestoreRequest) -> RestoreRefusedError | None:
    """Why a restore of this backup into that server would be refused, or stop midway, as things stand.

    What is granted on single tables is not known to suffice or not: that is left to be tried. Raises the server's
    errors.
    """
    plan = planned(contents.manifest, contents.definitions(), request)
    with Session(target) as session:
        facts = read_facts(session)
        refuse_unfit_target(contents.manifest, facts, target)
        found, refused = _listed(session, facts, plan, contents.manifest.source)
        authority = read_authority(session, facts)
        if refused or has_single_tables(authority.grants):
            return refused
        return not_allowed(found, facts, authority, target.where)


def restore_into_server(
    entry: BackupEntry,
    keyring: Keyring | None,
    target: Endpoint,
    request: RestoreRequest,
    report: Report,
) -> RestoreResult:
    """Restore into a running server.

    Raises RestoreRefusedError with nothing changed; RestoreFailedError, DamagedError or the server's error with an
    unfinished copy that the message names.
    """
    with entry.reading("restore"):
        contents = Contents.of(entry, keyring)
        refuse_failed(entry, keyring, request)
        return restore_contents(contents, target, request, report)


def restore_contents(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
    """Like restore_into_server, of a backup that is open already."""
    plan, source = planned(contents.manifest, contents.definitions(), request), contents.manifest.source
    _refuse_incomplete(contents, plan)
    with Session(target) as session:
        facts = read_facts(session)
        refuse_unfit_target(contents.manifest, facts, target)
        found, refused = _listed(session, facts, plan, source)
        if refused:
            raise refused
        if found.destructive:
            _read_first(contents, plan, report)
            again, refused = _listed(session, read_facts(session), plan, source)  # reading may take hours
            if refused:
                raise refused
            if [each.line for each in again.all] != [each.line for each in found.all]:
                what = f"{target.where}: what stands there has changed while {plan.backup} was read; nothing was done"
                raise RestoreRefusedError(what, "look at it with --dry-run, and run it again")
        for statement in (*settings(facts), f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}"):
            session.execute(statement)
        restore = Restore(contents, found, target, facts, session, request)
        with _explained(restore.begun, target, request):
            return restore.run(report)


def _listed(
    session: Session, facts: ServerFacts, plan: RestorePlan, source: SourceServer
) -> tuple[Operations, RestoreRefusedError | None]:
    """The list of operations, and why it is refused where it is."""
    standing = read_standing(session, facts, plan)
    found = decided(plan, standing, datetime.now(UTC))
    found = replace(found, warnings=(*found.warnings, *at_other_moments(session, plan, source)))
    refused = refusal(found, plan, standing, session.endpoint.where)
    if found.destructive and not refused:
        refused = not_allowed(found, facts, read_authority(session, facts), session.endpoint.where)
    return found, refused


def restore_into_directory(
    entry: BackupEntry,
    keyring: Keyring | None,
    directory: Path,
    request: RestoreRequest,
    report: Report,
) -> RestoreResult:
    """Make a data directory that holds the backup, ready for a server of the installed version.

    It appears under its name when it is complete and its server was shut down in order. Unless accounts are
    restored, root@localhost is the only one, without a password.
    Raises RestoreRefusedError where something is there that may not be replaced, with nothing begun; and what
    restore_into_server and the scratch server raise.
    """
    refuse_directory(directory, replace=request.replace)
    with entry.reading("restore"):
        contents = Contents.of(entry, keyring)
        refuse_failed(entry, keyring, request)
        return filled_directory(
            directory,
            lambda data: new_server(contents.manifest, data),
            lambda server: _filled(contents, server, request, report),
            replace_it=request.replace,
        )


def _filled(contents: Contents, server: ScratchServer, request: RestoreRequest, report: Report) -> RestoreResult:
    with stand_ins(server, () if request.accounts else definers(contents.definitions())):
        result = restore_contents(contents, server.endpoint, request, report)
    return result if request.accounts else without_accounts(result)


def without_accounts(result: RestoreResult) -> RestoreResult:
    """The same, with what is to be known of a directory into which no accounts were restored."""
    return replace(result, warnings=(*result.warnings, _ROOT_ALONE))


def filled_directory(
    directory: Path,
    serve: Callable[[Path], AbstractContextManager[ScratchServer]],
    fill: Callable[[ScratchServer], RestoreResult],
    *,
    replace_it: bool,
) -> RestoreResult:
    """Make a data directory by what `fill` does to the private server that `serve` starts on one that it makes there.

    Raises what restore_into_directory raises.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    # however this ends, nothing half-made stays; not in a hidden directory, below which MySQL sees no files
    with claimed_directory(directory.parent) as claim:
        data = claim.path / "data"
        with serve(data) as server:
            result = fill(server)
            differs = server.differs
        put_in_place(data, directory, replace=replace_it)
    warnings = (*result.warnings, *([f"made with {differs}, the source's version"] if differs else []))
    return replace(result, warnings=warnings)


@contextmanager
def new_server(manifest: Manifest, data: Path, options: Sequence[str] = ()) -> Iterator[ScratchServer]:
    """A private server on a new data directory, which can hold this backup, and is shut down in order.

    Until then it is fast, and not durable.

    Raises what starting it and shutting it down raise.
    """
    flavour, birth = Flavour(manifest.source.flavour), birth_options(manifest)
    zones = zones_of(manifest.source)
    create_datadir(server_program(flavour), birth, data, named_zones=bool(zones.named))
    with scratch_server(
        flavour,
        version=parse_version(manifest.source.version),
        directory=data.parent,
        options=(*birth, *FAST, *options),
        data_directory=data,
        zones=zones,
    ) as server:
        with Session(server.endpoint) as session:
            forget_others(session, zones.named)
        with redo_log_off(server):
            yield server


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


def _used(plan: RestorePlan) -> set[str]:
    """The objects that hold the rows."""
    return {path.partition("#")[0] for each in plan.tables for part in each.table.parts for path in part.objects}


def _refuse_incomplete(contents: Contents, plan: RestorePlan) -> None:
    """Raise DamagedError where what will be loaded is not there, or of another size, before anything is begun."""
    there, used = {each.name: each.bytes for each in contents.folder.below()}, _used(plan)
    for stored in contents.manifest.objects:
        if stored.path in used and there.get(stored.path) != stored.bytes:
            found = f"has {there[stored.path]} bytes" if stored.path in there else "is not there"
            raise DamagedError(f"{contents.folder.where(stored.path)} {found}; {stored.bytes} were stored")


def _read_first(contents: Contents, plan: RestorePlan, report: Report) -> None:
    """Authenticate and decode all that will be loaded, before anything makes room for it.

    Raises DamagedError with nothing changed.
    """
    paths = sorted(_used(plan))
    done, total = 0, sum(contents.stored[path].raw_bytes for path in paths if path in contents.stored)
    for path in paths:
        for piece in contents.text(path):
            done += len(piece)
            report(done, total, f"read {contents.manifest.id} before anything is replaced")


@contextmanager
def _explained(begun: list[str], target: Endpoint, request: RestoreRequest) -> Iterator[None]:
    """Say what an interrupted restore leaves behind."""
    try:
        yield
    except ChomError as error:
        if not begun:
            raise
        names = ", ".join(begun)
        what = f"{error.what}\n  {target.where} holds an unfinished restore in: {names}"
        again = "run again" if request.replace else "run again with --replace"
        remedy = f"{error.remedy}; the same restore, {again}, replaces it".lstrip("; ")
        raise (type(error) if not isinstance(error, RestoreFailedError) else RestoreFailedError)(
            what, remedy
        ) from error
