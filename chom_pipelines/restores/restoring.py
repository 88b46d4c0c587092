"""Restoring a backup: into a running server, or into a directory that a server can be started on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.manifest import SourceServer
from chom_pipelines.repository.timing import READ_FIRST
from chom_pipelines.restores.authority import read_authority
from chom_pipelines.restores.definers import definers, stand_ins
from chom_pipelines.restores.destruction import refusal_to_destroy
from chom_pipelines.restores.directory_filling import filled_directory, new_server, without_accounts
from chom_pipelines.restores.directory_target import contained, refuse_directory
from chom_pipelines.restores.execution import Restore, RestoreResult
from chom_pipelines.restores.failed_proofs import failed_proof, refuse_failed
from chom_pipelines.restores.feasibility import not_allowed
from chom_pipelines.restores.likeness import at_other_moments
from chom_pipelines.restores.loading import settings
from chom_pipelines.restores.operations import Action, Operation, Operations
from chom_pipelines.restores.planning import operations_for
from chom_pipelines.restores.selection import RestoreRequest, Selection, selected
from chom_pipelines.restores.standing import Standing, read_standing, refuse_unfit_target
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts, read_facts
from chom_pipelines.server.grants import has_single_tables
from chom_pipelines.server.scratch import ScratchServer

_LOCK_SECONDS = 30
"""For which what is dropped is waited for: meanwhile everybody who wants it waits as well."""


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
        selection = selected(contents.manifest, contents.definitions(), request)
        _refuse_incomplete(contents, selection)
        damaged = failed_proof(entry, keyring, request)
    if target is None or isinstance(target, Path):
        found = operations_for(selection, Standing(), datetime.now(UTC))
        gone = contained(target) if target else ""
        replaced = Operation(Action.DROP, "directory", "", str(target), gone, needs_replace=True)
        return replace(found, after=(*found.after, replaced)) if gone else found, damaged
    with Session(target) as session:
        facts = read_facts(session)
        refuse_unfit_target(contents.manifest, facts, target)
        found, refused = _listed(session, facts, selection, contents.manifest.source)
        return found, damaged or refused


def refusal_of(contents: Contents, target: Endpoint, request: RestoreRequest) -> RestoreRefusedError | None:
    """Why a restore of this backup into that server would be refused as things stand; raises the server's errors."""
    selection = selected(contents.manifest, contents.definitions(), request)
    with Session(target) as session:
        facts = read_facts(session)
        refuse_unfit_target(contents.manifest, facts, target)
        return _listed(session, facts, selection, contents.manifest.source)[1]


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
        begun: list[str] = []
        with _explained(begun, target, request):
            return _restored(contents, target, request, report, begun)


def restore_contents(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
    """The same of a backup that is open already, into a private server, which goes where that fails."""
    return _restored(contents, target, request, report, [])


def _restored(
    contents: Contents, target: Endpoint, request: RestoreRequest, report: Report, begun: list[str]
) -> RestoreResult:
    selection, source = selected(contents.manifest, contents.definitions(), request), contents.manifest.source
    _refuse_incomplete(contents, selection)
    with Session(target) as session:
        facts = read_facts(session)
        refuse_unfit_target(contents.manifest, facts, target)
        found, refused = _listed(session, facts, selection, source)
        if refused:
            raise refused
        phases: dict[str, float] = {}
        if found.destructive:
            with timed(phases, READ_FIRST):
                _read_first(contents, selection, report)
            again, refused = _listed(session, read_facts(session), selection, source)  # reading may take hours
            if refused:
                raise refused
            if [each.line for each in again.all] != [each.line for each in found.all]:
                what = (
                    f"{target.where}: what stands there has changed while {selection.backup} was read; nothing was done"
                )
                raise RestoreRefusedError(what, "look at it with --dry-run, and run it again")
        for statement in (*settings(facts), f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}"):
            session.execute(statement)
        result = Restore(contents, found, target, facts, session, request, begun).run(report)
        return replace(result, phases={**phases, **result.phases})


def _listed(
    session: Session, facts: ServerFacts, selection: Selection, source: SourceServer
) -> tuple[Operations, RestoreRefusedError | None]:
    """The list of operations, and why it is refused: what stands in the way, or that it would stop midway.

    What is granted on single tables is not known to suffice or not: where nothing is lost, that is left to be tried.
    """
    standing = read_standing(session, facts, selection)
    found = operations_for(selection, standing, datetime.now(UTC))
    found = replace(found, warnings=(*found.warnings, *at_other_moments(session, selection, source)))
    refused = refusal_to_destroy(found, selection, standing, session.endpoint.where)
    if not refused:
        authority = read_authority(session, facts)
        if found.destructive or not has_single_tables(authority.grants):
            refused = not_allowed(found, facts, authority, session.endpoint.where)
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


def _used(selection: Selection) -> set[str]:
    """The objects that hold the rows."""
    return {path.partition("#")[0] for each in selection.tables for part in each.table.parts for path in part.objects}


def _refuse_incomplete(contents: Contents, selection: Selection) -> None:
    """Raise DamagedError where what will be loaded is not there, or of another size, before anything is begun."""
    there, used = {each.name: each.bytes for each in contents.folder.below()}, _used(selection)
    for stored in contents.manifest.objects:
        if stored.path in used and there.get(stored.path) != stored.bytes:
            found = f"has {there[stored.path]} bytes" if stored.path in there else "is not there"
            raise DamagedError(f"{contents.folder.where(stored.path)} {found}; {stored.bytes} were stored")


def _read_first(contents: Contents, selection: Selection, report: Report) -> None:
    """Authenticate and decode all that will be loaded, before anything makes room for it.

    Raises DamagedError with nothing changed.
    """
    paths = sorted(_used(selection))
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
