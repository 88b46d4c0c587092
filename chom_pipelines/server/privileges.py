"""The least privileges that a backup takes, and which of them an account lacks.

Every line below was tried on both servers by taking it away. Nothing here can write a row, and nothing is SUPER.

=====================  =================  ===========================================================================
MariaDB                MySQL              what fails without it
=====================  =================  ===========================================================================
RELOAD                 RELOAD             BACKUP STAGE; FLUSH TABLES WITH READ LOCK; FLUSH BINARY LOGS: error 1227
PROCESS                PROCESS            naming who holds up a lock; other sessions are invisible, silently
BINLOG MONITOR         REPLICATION CLIENT the binary log's position and files: error 1227
SLAVE MONITOR          REPLICATION CLIENT a replica's position in its source's binary log: error 1227
REPLICATION SLAVE      REPLICATION SLAVE  the binary log itself, for its archive: the client's error 1227
(none)                 BACKUP_ADMIN       LOCK INSTANCE FOR BACKUP: error 1227
(none)                 XA_RECOVER_ADMIN   the ids of prepared XA transactions: error 1401
SELECT                 SELECT             rows, sequences; columns and view texts are missing, silently
SHOW VIEW              SHOW VIEW          SHOW CREATE VIEW: error 1142; view texts are empty, silently
TRIGGER                TRIGGER            triggers are missing from information_schema, silently
EVENT                  EVENT              events are missing from information_schema, silently
SELECT ON mysql.*      SHOW_ROUTINE       others' routines and packages are missing, silently
SELECT ON mysql.*      SELECT ON mysql.*  SHOW CREATE USER and SHOW GRANTS FOR others: error 1044
=====================  =================  ===========================================================================

SELECT, SHOW VIEW, TRIGGER and EVENT are needed on the databases that are backed up: on those that chom.yaml names, else
on *.*, where SELECT includes mysql.* and, on MySQL, the routines. Before MySQL 8.0.20, which has no SHOW_ROUTINE, only
SELECT ON *.* shows routines. SLAVE MONITOR is for replicas only, whose backup says that it lacks the coordinates and is
taken all the same; REPLICATION SLAVE is for the archive of the binary log. XA_RECOVER_ADMIN tells ids alone, but who
knows an id may commit or roll back that transaction; without it a backup says that it does not know of any, and is
taken all the same. The silent ones are why a backup refuses to start without all of them.
"""

from collections.abc import Iterable, Iterator, Sequence

from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Need, Wanted, grants, missing, spelled
from chom_pipelines.server.identifiers import account

_ROWS_AND_DEFINITIONS = {
    "SELECT": "reads rows, columns and sequences",
    "SHOW VIEW": "reads the definitions of views",
    "TRIGGER": "sees triggers",
    "EVENT": "sees events",
}
_OLDEST_SHOW_ROUTINE = (8, 0, 20)


def needs(facts: ServerFacts, databases: Sequence[str] | None = None) -> list[Need]:
    """What a backup of these databases, or of all (None), takes."""
    return [spelled(facts, wanted) for wanted in _wanted(facts, databases)]


def create_user(user: str, host: str) -> str:
    """The statement that creates the account; the password is left to the person."""
    return f"CREATE USER {account(user, host)} IDENTIFIED BY '<password>';"


def grants_for_backup(
    facts: ServerFacts,
    user: str,
    host: str,
    databases: Sequence[str] | None = None,
) -> list[str]:
    """The GRANT statements, one a scope."""
    further = (spelled(facts, each) for each in [*_archives(facts), *_replicas(facts), *_prepared(facts)])
    return grants([*needs(facts, databases), *further], user, host)


def missing_privileges(
    facts: ServerFacts,
    show_grants: Iterable[str],
    databases: Sequence[str] | None = None,
) -> list[Need]:
    """What the account lacks, by the lines of its own SHOW GRANTS, which hold those of its active roles."""
    return missing(facts, show_grants, _wanted(facts, databases))


def missing_of_files(facts: ServerFacts, show_grants: Iterable[str]) -> list[Need]:
    """What the account lacks to have the data files read while the server writes them."""
    return missing(facts, show_grants, [*_locks(facts), *_keeps_ddl_out(facts)])


def missing_of_replica(facts: ServerFacts, show_grants: Iterable[str]) -> list[Need]:
    """What else the account of a replica lacks, without which its backup has not the source's coordinates."""
    return missing(facts, show_grants, _replicas(facts))


def missing_of_archive(facts: ServerFacts, show_grants: Iterable[str]) -> list[Need]:
    """What else the account lacks without which the server's binary log cannot be archived."""
    return missing(facts, show_grants, _archives(facts))


def missing_of_prepared(facts: ServerFacts, show_grants: Iterable[str]) -> list[Need]:
    """What else the account lacks, without which its backups do not name prepared XA transactions."""
    return missing(facts, show_grants, _prepared(facts))


def _archives(facts: ServerFacts) -> list[Wanted]:
    return [Wanted("REPLICATION SLAVE", None, "reads the binary log for its archive")] if facts.logs_binary else []


def _replicas(facts: ServerFacts) -> list[Wanted]:
    reads = "reads up to where a replica has executed its source's binary log"
    return [Wanted("SLAVE MONITOR", None, reads, ("SUPER",))] if facts.replicates else []


def _prepared(facts: ServerFacts) -> list[Wanted]:
    names = "names XA transactions that are prepared and so in no backup"
    return [] if facts.is_mariadb else [Wanted("XA_RECOVER_ADMIN", None, names)]


def _locks(facts: ServerFacts) -> Iterator[Wanted]:
    yield Wanted("RELOAD", None, "takes the brief lock of a consistent snapshot")
    yield Wanted("PROCESS", None, "names the session that holds up a lock")
    status = "BINLOG MONITOR" if facts.is_mariadb else "REPLICATION CLIENT"
    yield Wanted(status, None, "reads the binary log's position", ("SUPER",))


def _keeps_ddl_out(facts: ServerFacts) -> Iterator[Wanted]:
    if facts.has_instance_lock:
        yield Wanted("BACKUP_ADMIN", None, "keeps DDL out while a backup runs")


def _wanted(facts: ServerFacts, databases: Sequence[str] | None) -> Iterator[Wanted]:
    yield from _locks(facts)
    yield from _keeps_ddl_out(facts)
    if databases is not None and not facts.is_mariadb:
        routines = "SHOW_ROUTINE" if facts.version >= _OLDEST_SHOW_ROUTINE else "SELECT"
        yield Wanted(routines, None, "reads the definitions of routines", ("SELECT",))
    for database in (None,) if databases is None else databases:
        for privilege, why in _ROWS_AND_DEFINITIONS.items():
            yield Wanted(privilege, database, why)
    if databases is not None:
        routines = ", routines and packages" if facts.is_mariadb else ""
        yield Wanted("SELECT", "mysql", f"reads the definitions of accounts{routines}")
