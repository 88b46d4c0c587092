"""What a server's settings mean for backups and recovery to any second; pure.

A remedy is the statement that mends the running server and the my.cnf lines that keep it so; settings that only a
restart changes have the my.cnf lines alone.
"""

from collections.abc import Iterator

from chom_pipelines.server.facts import OLDEST, ServerFacts
from chom_pipelines.server.findings import Finding, failed, passed, warning

_DAY = 86_400
_WEEK = 7 * _DAY
_SHORTEST_RETENTION = 2 * _DAY
BINARY_LOG = "binary log"


def version_finding(facts: ServerFacts) -> Finding:
    """Whether this version is supported."""
    if facts.is_supported:
        return passed("version", facts.label)
    oldest = ".".join(map(str, OLDEST[facts.flavour][:2]))
    return failed("version", f"{facts.label} is older than what is supported", f"upgrade to {oldest} or newer")


def local_infile_finding(facts: ServerFacts) -> Finding:
    """Whether LOAD DATA LOCAL is accepted, which restores into this server use, and backups do not."""
    if facts.accepts_local_files:
        return passed("local_infile", "on: a restore can load rows into this server")
    message = "off, which backups do not mind; a restore into this server takes SET GLOBAL local_infile = ON meanwhile"
    return passed("local_infile", message)


def binary_log_findings(facts: ServerFacts, *, archived: bool) -> list[Finding]:
    """Everything that recovery to any second needs; `archived`: its binary log is to be archived."""
    if not facts.logs_binary:
        lines = "my.cnf, then restart:\n[mysqld]\nlog_bin = mysql-bin"
        lines += f"\nserver_id = {facts.server_id or 1}" + ("\nbinlog_format = ROW" if facts.is_mariadb else "")
        message = "off: nothing after a backup can be recovered"
        return [(failed if archived else warning)(BINARY_LOG, message, lines)]
    found = [*_format(facts), *_gtid(facts), *_durability(facts), *_retention(facts)]
    return found or [passed(BINARY_LOG, "on, by row, with GTIDs, synchronous, and kept long enough to archive")]


def _format(facts: ServerFacts) -> Iterator[Finding]:
    format_ = facts.variables.get("binlog_format", "ROW")  # only ROW is left where the variable is gone
    if format_ == "STATEMENT":
        message = "binlog_format is STATEMENT: replayed statements can give other rows than they gave then"
        yield failed(BINARY_LOG, message, _set("binlog_format", "'ROW'", "ROW"))
    elif format_ != "ROW":
        message = f"binlog_format is {format_}: changed rows cannot be found in it, nor put back"
        yield warning(BINARY_LOG, message, _set("binlog_format", "'ROW'", "ROW"))
    image = facts.variables.get("binlog_row_image", "FULL")
    if image not in {"FULL", "FULL_NODUP"}:
        message = f"binlog_row_image is {image}: rows cannot be put back as they were"
        yield warning(BINARY_LOG, message, _set("binlog_row_image", "'FULL'", "FULL"))


def _gtid(facts: ServerFacts) -> Iterator[Finding]:
    if not facts.has_gtid:
        message = "gtid_mode is off: recovery can stop at positions of one server's files only"
        yield warning(
            BINARY_LOG, message, "my.cnf, then restart:\n[mysqld]\ngtid_mode = ON\nenforce_gtid_consistency = ON"
        )


def _durability(facts: ServerFacts) -> Iterator[Finding]:
    if facts.variables.get("sync_binlog") != "1":
        message = f"sync_binlog is {facts.variables.get('sync_binlog')}: a crash can lose events that were committed"
        yield warning(BINARY_LOG, message, _set("sync_binlog", "1"))
    if facts.variables.get("innodb_flush_log_at_trx_commit") not in {"1", "3"}:
        value = facts.variables.get("innodb_flush_log_at_trx_commit")
        message = f"innodb_flush_log_at_trx_commit is {value}: a crash can lose rows that the binary log has"
        yield warning(BINARY_LOG, message, _set("innodb_flush_log_at_trx_commit", "1"))


def _retention(facts: ServerFacts) -> Iterator[Finding]:
    seconds = facts.binlog_retention_seconds
    remedy = _set("binlog_expire_logs_seconds", str(_WEEK))
    if seconds is None:
        yield warning(BINARY_LOG, "its files are never deleted: one day they fill the disk", remedy)
    elif seconds < _SHORTEST_RETENTION:
        message = f"its files are deleted after {seconds / _DAY:.2g} days: archiving may not stand still for longer"
        yield warning(BINARY_LOG, message, remedy)


def _set(name: str, value: str, in_file: str = "") -> str:
    return f"SET GLOBAL {name} = {value};\nmy.cnf:\n[mysqld]\n{name} = {in_file or value}"
