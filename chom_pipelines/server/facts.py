"""What a server is and can do: flavour, version, settings and the capabilities that follow from them.

The only place that knows how the two families differ; others ask a property.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from chom_pipelines.server.connection import Session
from chom_pipelines.server.variables import VARIABLES, read_variables
from chom_pipelines.server.versions import Version, dotted, parse_version


class Flavour(StrEnum):
    """The two families."""

    MARIADB = "mariadb"
    MYSQL = "mysql"


SYSTEM_DATABASES = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
"""The server's own; both families have them."""

OLDEST: Mapping[Flavour, Version] = {Flavour.MARIADB: (10, 6, 0), Flavour.MYSQL: (8, 0, 0)}
_NAMES = {Flavour.MARIADB: "MariaDB", Flavour.MYSQL: "MySQL"}


@dataclass(frozen=True)
class ServerFacts:
    """A server as it described itself. `variables` holds those global variables that this server has."""

    flavour: Flavour
    version: Version
    version_text: str
    hostname: str
    server_id: int
    server_uuid: str | None
    variables: Mapping[str, str]

    @property
    def label(self) -> str:
        """Like `MariaDB 10.11.19`."""
        return f"{_NAMES[self.flavour]} {dotted(self.version)}"

    @property
    def is_mariadb(self) -> bool:
        """The family, where a whole dialect hangs on it."""
        return self.flavour is Flavour.MARIADB

    @property
    def is_supported(self) -> bool:
        """Not older than what this project supports."""
        return self.version >= OLDEST[self.flavour]

    @property
    def has_backup_stages(self) -> bool:
        """BACKUP STAGE START … BLOCK_COMMIT … END."""
        return self.is_mariadb

    @property
    def has_instance_lock(self) -> bool:
        """LOCK INSTANCE FOR BACKUP, which keeps DDL out for the length of a dump."""
        return not self.is_mariadb

    @property
    def has_sequences(self) -> bool:
        """CREATE SEQUENCE."""
        return self.is_mariadb

    @property
    def has_packages(self) -> bool:
        """CREATE PACKAGE."""
        return self.is_mariadb

    @property
    def has_system_versioning(self) -> bool:
        """Tables that keep their own history."""
        return self.is_mariadb

    @property
    def can_insert_history(self) -> bool:
        """History rows of system-versioned tables can be loaded with their times."""
        return self.is_mariadb and self.version >= (10, 11, 0)

    @property
    def grants_are_patterns(self) -> bool:
        """A database's name in a GRANT is a pattern, in which % and _ are wildcards."""
        return not _on(self.variables.get("partial_revokes"))

    @property
    def caches_statistics(self) -> bool:
        """information_schema answers with table sizes up to a day old unless told otherwise."""
        return not self.is_mariadb

    @property
    def has_expression_indexes(self) -> bool:
        """An index may be on an expression, which information_schema shows in a column of its own."""
        return not self.is_mariadb and self.version >= (8, 0, 13)

    @property
    def logs_binary(self) -> bool:
        """The binary log is on."""
        return _on(self.variables.get("log_bin"))

    @property
    def has_gtid(self) -> bool:
        """Transactions in the binary log carry GTIDs."""
        return self.logs_binary and (self.is_mariadb or self.variables.get("gtid_mode") == "ON")

    @property
    def gtid_variable(self) -> str | None:
        """The global variable that holds the GTIDs of all that the binary log has; None: without GTIDs."""
        if not self.has_gtid:
            return None
        return "gtid_binlog_pos" if self.is_mariadb else "gtid_executed"

    @property
    def purged_gtid_variable(self) -> str | None:
        """The global variable that holds the GTIDs that the binary log no longer has; None: this server keeps none."""
        return "gtid_purged" if self.has_gtid and not self.is_mariadb else None

    @property
    def binlog_status_statement(self) -> str:
        """Tells the binary log's file and position now."""
        renamed = not self.is_mariadb and self.version >= (8, 2, 0)
        return "SHOW BINARY LOG STATUS" if renamed else "SHOW MASTER STATUS"

    @property
    def replica_status_statement(self) -> str:
        """Tells of every source that this server replicates, and up to where; no row: it replicates none."""
        if self.is_mariadb:
            return "SHOW ALL SLAVES STATUS"
        return "SHOW REPLICA STATUS" if self.version >= (8, 0, 22) else "SHOW SLAVE STATUS"

    @property
    def replicates(self) -> bool:
        """A MariaDB that has executed events of another server, and perhaps goes on with it.

        Without a privilege that few accounts have this is all that it tells. MySQL asks for none that a backup lacks.
        """
        return self.is_mariadb and bool(self.variables.get("gtid_slave_pos"))

    @property
    def updates_off(self) -> str | None:
        """The variable that keeps what this server replicates, if anything, out of its binary log; None: none does."""
        names = ("log_replica_updates", "log_slave_updates")
        return next((name for name in names if name in self.variables and not _on(self.variables[name])), None)

    @property
    def binlog_retention_seconds(self) -> float | None:
        """After how long the server deletes its own binary logs; None: never."""
        if self.variables.get("binlog_expire_logs_auto_purge") == "OFF":
            return None
        seconds = float(self.variables.get("binlog_expire_logs_seconds") or 0)
        return seconds or float(self.variables.get("expire_logs_days") or 0) * 86_400 or None

    @property
    def accepts_local_files(self) -> bool:
        """LOAD DATA LOCAL INFILE is allowed."""
        return _on(self.variables.get("local_infile"))

    @property
    def locks_counters(self) -> bool:
        """Several connections that load one table wait for each other at its AUTO_INCREMENT counter.

        Where innodb_autoinc_lock_mode is 0 or 1, for the time of a statement; MariaDB's in any mode, at each row.
        """
        return self.is_mariadb or self.variables.get("innodb_autoinc_lock_mode") != "2"

    @property
    def is_read_only(self) -> bool:
        """Only some accounts may write: on MariaDB from 12 on read_only has more values than two."""
        return self.variables.get("read_only", "OFF") not in {"OFF", "0"}

    @property
    def read_only_privileges(self) -> tuple[str, ...]:
        """Who has one of these may write all the same; the first is the least."""
        if not self.is_mariadb:
            return ("CONNECTION_ADMIN", "SUPER")
        spelled = ("READ_ONLY ADMIN", "READ ONLY ADMIN")  # both are granted, and the first is what 10.11 shows
        return spelled if self.version >= (10, 11, 0) else (*spelled, "SUPER")

    @property
    def definer_privileges(self) -> tuple[str, ...]:
        """Who has one of these may name another account as DEFINER; the first is the least."""
        if self.is_mariadb:
            return ("SET USER",) if self.version >= (11, 0, 0) else ("SET USER", "SUPER")
        return ("SET_ANY_DEFINER" if self.version >= (8, 2, 0) else "SET_USER_ID", "SUPER")

    @property
    def refuses_missing_definers(self) -> bool:
        """A DEFINER that does not exist takes a privilege of its own."""
        return not self.is_mariadb and self.version >= (8, 2, 0)

    @property
    def protects_system_users(self) -> bool:
        """What belongs to an account with SYSTEM_USER is made and dropped by such accounts only."""
        return not self.is_mariadb and self.version >= (8, 0, 16)

    @property
    def checks_references(self) -> bool:
        """A foreign key takes REFERENCES on the table that it leads to."""
        return not self.is_mariadb

    @property
    def restricts_error_counts(self) -> bool:
        """SET max_error_count takes a privilege."""
        return not self.is_mariadb and self.version >= (8, 0, 14)

    @property
    def distrusts_creators(self) -> bool:
        """Functions must say that they are safe for the binary log, and they and triggers take SUPER to be created."""
        return self.logs_binary and not _on(self.variables.get("log_bin_trust_function_creators"))

    @property
    def has_automatic_routine_privileges(self) -> bool:
        """Who creates a routine is granted EXECUTE on it."""
        return _on(self.variables.get("automatic_sp_privileges"))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "flavour": self.flavour.value, "version": list(self.version)}


def read_facts(session: Session) -> ServerFacts:
    """Ask a server what it is. Needs no privilege."""
    variables = read_variables(session, VARIABLES)
    version_text = str(session.value("SELECT VERSION()"))
    return ServerFacts(
        flavour=Flavour.MARIADB if "mariadb" in version_text.lower() else Flavour.MYSQL,
        version=parse_version(version_text),
        version_text=version_text,
        hostname=variables["hostname"],
        server_id=int(variables["server_id"]),
        server_uuid=variables.get("server_uuid"),
        variables=variables,
    )


def _on(value: str | None) -> bool:
    return (value or "").upper() in {"ON", "1"}
