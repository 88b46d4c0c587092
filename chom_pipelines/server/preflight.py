"""Asks a server everything that a backup of it depends on, before one is taken."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.errors import AccessDeniedError, ChomError, MissingPrivilegeError, ProgramMissingError, ServerError
from chom_pipelines.server.binlog_settings import lacks, read_binlog_settings
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.driver_errors import is_there
from chom_pipelines.server.facts import ServerFacts, read_facts
from chom_pipelines.server.findings import Finding, failed, not_verified, passed, warning
from chom_pipelines.server.grants import Need, has_roles
from chom_pipelines.server.identifiers import literal, quote
from chom_pipelines.server.privileges import (
    create_user,
    missing_of_archive,
    missing_of_prepared,
    missing_of_replica,
    missing_privileges,
)
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.questions import SYSTEM, current_account, databases_there, shown_grants, tell_current_sizes
from chom_pipelines.server.settings import BINARY_LOG, binary_log_finding, local_infile_finding, version_finding
from chom_pipelines.server.versions import dotted, series

_NAMED = 10
_UNARCHIVED = "without which restores reach the moments of full backups only"
_UNNAMED = "without which no backup says past which transactions the log cannot be replayed onto it"
_REFUSED = re.compile(r"'(?P<user>[^']*)'@'(?P<host>[^']*)'|Host '(?P<stranger>[^']*)' is not allowed")


@dataclass(frozen=True)
class ServerAnswers:
    """The findings, and the bytes of data and indexes by the server's own estimate; None: not known."""

    findings: tuple[Finding, ...]
    data_bytes: int | None = None


def ask_server(
    endpoint: Endpoint, databases: Sequence[str] | None, *, proved: bool = True, archived: bool = True
) -> ServerAnswers:
    """Everything about one server; `proved`: restores of its backups are wanted; `archived`: its binary log is kept.

    What fails becomes a finding: nothing is raised for what a server refuses.
    """
    try:
        session = Session(endpoint, purpose="check")
    except ChomError as error:
        return ServerAnswers((_no_connection(endpoint, error),))
    with session:
        try:
            return _asked(session, databases, proved=proved, archived=archived)
        except AccessDeniedError as error:  # MariaDB lets one in whose password has expired, to set a new one
            return ServerAnswers((_no_connection(endpoint, error),))
        except ServerError as error:
            message = f"the server stopped answering: {error.what}"
            return ServerAnswers((not_verified("connection", message, error.remedy),))


def _asked(session: Session, databases: Sequence[str] | None, *, proved: bool, archived: bool) -> ServerAnswers:
    facts = read_facts(session)
    current, grants = "@".join(current_account(session)), shown_grants(session)
    missing, roles = missing_privileges(facts, grants, databases), has_roles(grants)
    findings = [
        passed("connection", f"{session.endpoint.where} as {current}"),
        _tls(session),
        version_finding(facts),
        *_privileges(missing, current, roles=roles),
        *_further(missing_of_replica(facts, grants), current, "which is then in no backup", roles=roles),
        *_further(missing_of_prepared(facts, grants), current, _UNNAMED, roles=roles),
        *_further(missing_of_archive(facts, grants), current, _UNARCHIVED, roles=roles),
        binary_log_finding(facts),
        *(_unlogged(session, facts, databases) if archived and facts.logs_binary else ()),
        *_databases(session, databases),
        *_led_out(session, databases),
        *_engines(session, databases, everything_is_seen=not missing),
        local_infile_finding(facts),
        _program(facts, proved=proved),
    ]
    return ServerAnswers(tuple(findings), None if missing else _data_bytes(session, facts, databases))


def _no_connection(endpoint: Endpoint, error: ChomError) -> Finding:
    refused = _REFUSED.search(error.what) if isinstance(error, AccessDeniedError) else None
    if refused is None or (isinstance(error, ServerError) and is_there(error)):
        return failed("connection", error.what, error.remedy)
    statement = create_user(endpoint.user, refused["host"] or refused["stranger"])
    remedy = f"{error.remedy}; where there is no such account, create it and run chom check again:\n{statement}"
    return failed("connection", error.what, remedy)


def _tls(session: Session) -> Finding:
    endpoint = session.endpoint
    local = endpoint.socket is not None or _is_loopback(endpoint.host or "")
    if not session.encrypted:
        if local:
            return passed("tls", "none; the connection does not leave this machine")
        message = "none: rows and definitions cross the network in the clear"
        return warning("tls", message, "give the server a certificate, then in chom.yaml: tls: {ca: PATH}")
    version = session.rows("SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1]
    if endpoint.tls and endpoint.tls.verify != "none":
        names = " and host name" if endpoint.tls.verify == "identity" else ""
        return passed("tls", f"{version}, certificate{names} checked")
    if local:
        return passed("tls", f"{version}, not checked; the connection does not leave this machine")
    message = f"{version}, but who answers is not checked: another could pose as the server and get the password"
    return warning("tls", message, "in chom.yaml: tls: {ca: PATH} with the authority of the server's certificate")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _privileges(missing: Sequence[Need], current: str, *, roles: bool) -> Iterator[Finding]:
    user, _, host = current.rpartition("@")
    hint = "; a role counts only where it is a default role" if roles else ""
    for need in missing:
        message = f"{need.privilege} on {need.scope} is missing: it {need.why}{hint}"
        yield failed("privileges", message, need.grant(user, host))
    if not missing:
        yield passed("privileges", "all that a backup takes")


def _further(missing: Sequence[Need], current: str, without: str, *, roles: bool) -> Iterator[Finding]:
    """What a backup can be taken without; `without` is what is not had then."""
    user, _, host = current.rpartition("@")
    hint = "; a role counts only where it is a default role" if roles else ""
    for need in missing:
        message = f"{need.privilege} on {need.scope} is missing: it {need.why}, {without}{hint}"
        yield warning("privileges", message, need.grant(user, host))


def _unlogged(session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> Iterator[Finding]:
    """What would not be in an archive of the binary log."""
    try:
        settings = read_binlog_settings(session, facts).settings
    except MissingPrivilegeError as error:
        yield not_verified(
            BINARY_LOG, f"what is kept out of it cannot be seen: {error.what}", "grant the privileges above"
        )
        return
    for lack in lacks(settings, databases):
        if lack.matters:
            yield failed(BINARY_LOG, f"{lack.what}: no restore to a point in time has that", lack.remedy)
        else:
            yield not_verified(BINARY_LOG, f"{lack.what}: whether that is anything that is backed up", lack.remedy)


def _databases(session: Session, databases: Sequence[str] | None) -> Iterator[Finding]:
    there = set(databases_there(session))
    for name in databases or ():
        if name not in there:
            remedy = f"correct servers.databases in chom.yaml, or GRANT SELECT ON {quote(name)}.* to this account"
            yield failed("databases", f"{name} does not exist, or this account cannot see it", remedy)
    wanted = there if databases is None else there & set(databases)
    if wanted:
        yield passed("databases", _some(wanted))
    elif databases is None:
        yield warning("databases", "there is none that is not the server's own", "create one, or check the privileges")


def _led_out(session: Session, databases: Sequence[str] | None) -> Iterator[Finding]:
    """Foreign keys to databases that are not backed up, which a replay of the binary log has not."""
    for database, table, parent, name in session.rows(
        "SELECT t.constraint_schema, t.table_name, t.unique_constraint_schema, t.referenced_table_name"
        f" FROM information_schema.referential_constraints t WHERE {_within(databases, 't.constraint_schema')}"
        f" AND NOT ({_within(databases, 't.unique_constraint_schema')}) ORDER BY 1, 2, 3, 4",
    ):
        message = f"{database}.{table} has a foreign key to {parent}.{name}, which is not backed up"
        remedy = f"back up {parent} too: else a restore of {database} to a point in time may be refused, or lose rows"
        yield warning("databases", message, remedy)


def _engines(session: Session, databases: Sequence[str] | None, *, everything_is_seen: bool) -> Iterator[Finding]:
    names = [
        f"{database}.{table} ({engine})"
        for database, table, engine in session.rows(
            "SELECT t.table_schema, t.table_name, t.engine FROM information_schema.tables t"
            " JOIN information_schema.engines e ON e.engine = t.engine"
            f" WHERE t.table_type = 'BASE TABLE' AND e.transactions <> 'YES' AND {_within(databases)}"
            " ORDER BY t.table_schema, t.table_name",
        )
    ]
    if names:
        message = f"{len(names)} without transactions are not part of the consistent snapshot: {_some(names)}"
        remedy = "ALTER TABLE … ENGINE=InnoDB, or accept that each is as of when it was read"
        yield warning("tables", message, remedy)
    if not everything_is_seen:
        yield not_verified("tables", "some cannot be seen, as privileges are missing", "grant the privileges above")
    elif databases is not None and not set(databases) & set(databases_there(session)):
        yield not_verified("tables", "none of the databases is there", "correct servers.databases in chom.yaml")
    elif not names:
        yield passed("tables", "all have transactions")


def _program(facts: ServerFacts, *, proved: bool) -> Finding:
    """A server program of the family, to restore backups on this machine and compare them."""
    try:
        program = server_program(facts.flavour)
    except ProgramMissingError as error:
        message = f"{error.what}: no backup can be proved by a restore here"
        return (failed if proved else warning)("programs", message, error.remedy)
    version = dotted(program.version)
    if series(program.version) < series(facts.version):
        message = f"{program.path} is {version}, older than the server: it may not know all that a backup holds"
        return warning("programs", message, f"install {facts.label} or newer on this machine")
    return passed("programs", f"{program.path} {version} restores for proofs")


def _data_bytes(session: Session, facts: ServerFacts, databases: Sequence[str] | None) -> int:
    tell_current_sizes(session, facts)
    total = session.value(
        f"SELECT SUM(t.data_length + t.index_length) FROM information_schema.tables t WHERE {_within(databases)}",
    )
    return int(total or 0)


def _within(databases: Sequence[str] | None, column: str = "t.table_schema") -> str:
    if databases is None:
        return f"{column} NOT IN {SYSTEM}"
    return f"{column} IN ({', '.join(map(literal, databases))})"


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
    return ", ".join(ordered[:_NAMED]) + more
