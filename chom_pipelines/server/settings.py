"""What a server's version and settings mean for backups; pure."""

from chom_pipelines.server.facts import OLDEST, ServerFacts
from chom_pipelines.server.findings import Finding, failed, passed, warning
from chom_pipelines.server.versions import dotted, series

BINARY_LOG = "binary log"


def version_finding(facts: ServerFacts) -> Finding:
    """Whether this version is supported."""
    if facts.is_supported:
        return passed("version", facts.label)
    oldest = dotted(series(OLDEST[facts.flavour]))
    return failed("version", f"{facts.label} is older than what is supported", f"upgrade to {oldest} or newer")


def local_infile_finding(facts: ServerFacts) -> Finding:
    """Whether LOAD DATA LOCAL is accepted, which restores into this server use, and backups do not."""
    if facts.accepts_local_files:
        return passed("local_infile", "on: a restore can load rows into this server")
    message = "off, which backups do not mind; a restore into this server takes SET GLOBAL local_infile = ON meanwhile"
    return passed("local_infile", message)


def binary_log_finding(facts: ServerFacts) -> Finding:
    """Whether a backup can say where in the binary log it stands. Nothing here stops a backup."""
    if not facts.logs_binary:
        message = "off: recovery to a point in time, which needs it, will need it"
        lines = f"my.cnf, then restart:\n[mysqld]\nlog_bin = mysql-bin\nserver_id = {facts.server_id or 1}"
        return warning(BINARY_LOG, message, lines + ("\nbinlog_format = ROW" if facts.is_mariadb else ""))
    if not facts.has_gtid:
        message = "gtid_mode is off: the position of a backup is one in this server's files only"
        lines = "my.cnf, then restart:\n[mysqld]\ngtid_mode = ON\nenforce_gtid_consistency = ON"
        return warning(BINARY_LOG, message, lines)
    return passed(BINARY_LOG, "on, with GTIDs: a backup says where it stands")
