"""What stands where a restore would go, and whether that server takes it at all."""

from __future__ import annotations

from chom_pipelines.errors import RestoreRefusedError, UnsupportedServerError
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.restores.plan import MARKER, RestorePlan, RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts


def refuse_unfit(manifest: Manifest, facts: ServerFacts, target: Endpoint) -> None:
    """Raise UnsupportedServerError or RestoreRefusedError where this server cannot take the backup."""
    if facts.flavour.value != manifest.source.flavour:
        message = f"{target.where} is {facts.label}; the backup is of {manifest.source.flavour}"
        raise UnsupportedServerError(message, "restore into a server of the same family")
    if not facts.accepts_local_files:
        message = f"{target.where} does not accept LOAD DATA LOCAL"
        raise RestoreRefusedError(message, "SET GLOBAL local_infile = 1 for the time of the restore")


def obstacles(session: Session, plan: RestorePlan, manifest: Manifest, request: RestoreRequest) -> list[str]:
    """What stands where the restore would go; refuses unless it may be replaced, or is an unfinished restore."""
    found = []
    for database in plan.databases:
        tables = {
            str(name) for schema, name in session.rows(
                "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,),
            ) if schema == database  # it compares names without case and accents
        }  # fmt: skip
        programs = _programs(session, database) if request.tables is None else set()
        wanted = {each.table.name for each in plan.tables if each.database == database}
        taken = tables | programs if request.tables is None else tables & wanted
        if MARKER in tables:
            found.append(f"replace the unfinished restore in {database}")
        elif taken and request.replace:
            found.append(f"replace what {database} holds: {len(taken)} objects")
        elif taken:
            names = ", ".join(sorted(taken)[:5])
            message = f"{session.endpoint.where}: {database} holds {len(taken)} objects: {names}"
            remedy = "restore with --as-database under another name, or replace what is there with --replace"
            raise RestoreRefusedError(f"{message}; {manifest.id} was not restored", remedy)
    return found


def _programs(session: Session, database: str) -> set[str]:
    """Routines and events, which a database without a table may hold."""
    return {
        str(name)
        for kind, column in (("ROUTINES", "ROUTINE"), ("EVENTS", "EVENT"))
        for schema, name in session.rows(
            f"SELECT {column}_SCHEMA, {column}_NAME FROM information_schema.{kind} WHERE {column}_SCHEMA = %s",
            (database,),
        )
        if schema == database
    }
