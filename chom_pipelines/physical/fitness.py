"""Whether a server can be backed up by its data files: asked before it is, and by `chom check`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from chom_pipelines.errors import ChomError, ProgramMissingError, UnsupportedServerError
from chom_pipelines.inventory.models import Server
from chom_pipelines.physical.cloning import CONVERT, tables_left_out
from chom_pipelines.repository.payloads import Method
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts, read_facts
from chom_pipelines.server.findings import Finding, failed, passed, warning
from chom_pipelines.server.own_data_directory import readable_data_directory
from chom_pipelines.server.privileges import missing_of_files
from chom_pipelines.server.programs import backup_program, server_program
from chom_pipelines.server.questions import current_account, shown_grants
from chom_pipelines.server.versions import dotted, series

_METHOD = "backup.method"
_LOGICAL = "use method: logical"


def check_fitness(server: Server) -> list[Finding]:
    """Where its backups are physical: every reason why not, each with what to do about it; or that it can be.

    So with its schedules that this method does not serve.

    What keeps it from being asked is found by who asks the server all else.
    """
    if server.backup.method is not Method.PHYSICAL:
        return []
    try:
        with Session(server.endpoint()) as session:
            facts = read_facts(session)
            found = list(_reasons(session, facts))
    except ChomError:
        return []
    found = found or [passed(_METHOD, f"physical: {facts.variables['datadir']} can be read")]
    return [*found, *_vain_schedules(server, facts)]


def _vain_schedules(server: Server, facts: ServerFacts) -> Iterator[Finding]:
    """Schedules that physical backups alone do not serve."""
    if server.schedules.incremental and not facts.is_mariadb:
        what = "CLONE always copies all of a MySQL server: each incremental_backup would fail"
        yield failed("schedules.incremental", what, "remove it, and archive the binary log instead")
    if server.schedules.benchmark:
        what = "it measures with the newest full backup of rows, and this server's schedule takes physical ones alone"
        remedy = f"take one now and then: chom backup --server {server.name} --method logical"
        yield warning("schedules.benchmark", what, remedy)


def refuse_unfit_source(session: Session, facts: ServerFacts) -> None:
    """Raise UnsupportedServerError with the first reason why not."""
    for reason in _reasons(session, facts):
        raise UnsupportedServerError(reason.message, reason.remedy)


def _reasons(session: Session, facts: ServerFacts) -> Iterator[Finding]:
    where = session.endpoint.where
    account = current_account(session)
    for need in missing_of_files(facts, shown_grants(session)):
        message = f"{where}: the user lacks {need.privilege} ON {need.scope}: it {need.why}"
        yield failed("privileges", message, need.grant(*account))
    try:
        directory = readable_data_directory(session.endpoint, facts)
    except UnsupportedServerError as error:
        yield failed(_METHOD, error.what, error.remedy)
        return
    yield from _program(facts)
    yield from _elsewhere(session, facts)
    if not facts.is_mariadb:
        yield from _clone(session, directory)
        yield from _not_cloned(session)
    encrypted = [str(name) for (name,) in session.rows(_ENCRYPTED[facts.flavour])]
    if encrypted:
        what = f"{where}: its files may be encrypted ({', '.join(encrypted[:_NAMED])}); who restores has not the keys"
        yield failed(_METHOD, what, _LOGICAL)


_NAMED = 3
_ENCRYPTED = {
    Flavour.MARIADB: (
        "SELECT PLUGIN_NAME FROM information_schema.PLUGINS "
        "WHERE PLUGIN_TYPE = 'ENCRYPTION' AND PLUGIN_STATUS = 'ACTIVE'"
    ),
    Flavour.MYSQL: (
        "SELECT NAME FROM information_schema.INNODB_TABLESPACES WHERE ENCRYPTION = 'Y' "
        "UNION SELECT 'innodb_redo_log_encrypt' WHERE @@innodb_redo_log_encrypt "
        "UNION SELECT 'innodb_undo_log_encrypt' WHERE @@innodb_undo_log_encrypt"
    ),
}
"""What may be encrypted, or by what; nothing: nothing is."""


def _clone(session: Session, directory: Path) -> Iterator[Finding]:
    active = "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone' AND PLUGIN_STATUS = 'ACTIVE'"
    where = session.endpoint.where
    if not session.value(active):
        remedy = f"INSTALL PLUGIN clone SONAME 'mysql_clone.so', or {_LOGICAL}"
        yield failed(_METHOD, f"{where}: its CLONE plugin is not there, which copies the files", remedy)
    if os.geteuid() not in {0, directory.stat().st_uid}:
        what = f"{where}: its clone belongs to the owner of {directory}, and has to be started by this user"
        yield failed(_METHOD, what, f"run chom as that user or as root, or {_LOGICAL}")


def _not_cloned(session: Session) -> Iterator[Finding]:
    """What of a MySQL its plugin does not copy, of what this account sees; what it does not see shows in the clone."""
    where = session.endpoint.where
    if left_out := tables_left_out(session):
        what = f"{where}: CLONE copies InnoDB's rows alone, and not those of {', '.join(left_out[:_NAMED])}"
        yield failed(_METHOD, what, CONVERT)
    elsewhere = [str(name) for (name,) in session.rows(_PLACED)]
    if elsewhere:
        what = f"{where}: files lie outside of the data directory: {', '.join(elsewhere[:_NAMED])}"
        yield failed(_METHOD, what, _LOGICAL)


_PLACED = "SELECT FILE_NAME FROM information_schema.FILES WHERE FILE_TYPE = 'TABLESPACE' AND FILE_NAME LIKE '/%'"


def _program(facts: ServerFacts) -> Iterator[Finding]:
    try:
        program = backup_program() if facts.is_mariadb else server_program(facts.flavour)
    except ProgramMissingError as error:
        yield failed(_METHOD, error.what, error.remedy)
        return
    if series(program.version) != series(facts.version):
        what = f"{program.path} is of {dotted(program.version)}, and the server of {facts.label}: their files differ"
        yield failed(_METHOD, what, f"install {program.path.name} of the server's series, or {_LOGICAL}")


def _elsewhere(session: Session, facts: ServerFacts) -> Iterator[Finding]:
    """InnoDB's own files that do not lie in the data directory, where a restored server would not find them."""
    top = PurePath(facts.variables["datadir"])
    places = session.row("SELECT @@innodb_data_home_dir, @@innodb_undo_directory, @@innodb_log_group_home_dir")
    names = ("innodb_data_home_dir", "innodb_undo_directory", "innodb_log_group_home_dir")
    for name, place in zip(names, places or (), strict=True):
        if place and top / str(place) != top:
            what = f"{session.endpoint.where}: {name} is {place}, outside of the data directory {top}"
            yield failed(_METHOD, what, _LOGICAL)
    files = str(session.value("SELECT @@innodb_data_file_path"))
    if "/" in files or "raw" in files:
        what = f"{session.endpoint.where}: innodb_data_file_path is {files}, not all in the data directory"
        yield failed(_METHOD, what, _LOGICAL)
