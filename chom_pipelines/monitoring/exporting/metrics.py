"""The metrics of the exporter: names, kinds, labels and what each means. Pure.

Every series of a server has the label `server`. Names that the contract settled and Prometheus' convention would not
have (a counter without `_total`, `_count` of what is no histogram, a time without its unit) stand beside the
conventional one. Timestamps are Unix seconds; ages are for who queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram", "unknown"]


@dataclass(frozen=True)
class Metric:
    """One family. `labels` are beside `server`, which all have but those that are of the exporter itself."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _gauges(*listed: tuple[str, str] | tuple[str, str, tuple[str, ...]]) -> tuple[Metric, ...]:
    return tuple(Metric(each[0], "gauge", each[1], each[2] if len(each) > 2 else ()) for each in listed)  # noqa: PLR2004  (labels are optional)


def _counters(*listed: tuple[str, str] | tuple[str, str, tuple[str, ...]]) -> tuple[Metric, ...]:
    return tuple(Metric(each[0], "counter", each[1], each[2] if len(each) > 2 else ()) for each in listed)  # noqa: PLR2004  (as above)


_EXPORTER = _gauges(
    ("chom_up", "Whether the server was reached and answered."),
    ("chom_collector_success", "Whether a collector told all that it is for.", ("collector",)),
    ("chom_collector_duration_seconds", "How long a collector took.", ("collector",)),
    ("chom_monitor_capability", "Whether the server, as it is set up, tells what this stands for.", ("name",)),
)
_SERVER = (
    *_gauges(
        ("chom_database_info", "The server's flavour and version, in labels.", ("flavour", "version")),
        ("chom_database_uptime_seconds", "Time since the server's start."),
        (
            "chom_database_size_bytes",
            "Size of a database, by the server's statistics: its rows, its indexes, or both.",
            ("database", "type"),
        ),
        ("chom_database_table_size_bytes", "Rows and indexes of the largest tables.", ("database", "table")),
        ("chom_database_tables", "Tables of a database.", ("database",)),
        ("chom_database_connections", "Sessions of clients: active, idle or all of them.", ("state",)),
        ("chom_database_connections_max", "Sessions that the server takes."),
        ("chom_database_indexes", "Indexes: read since the server counts, never read, or needed anyway.", ("state",)),
        ("chom_database_lock_waiting_sessions", "Sessions that wait for a lock.", ("kind",)),
        ("chom_database_lock_wait_longest_seconds", "How long the longest of them has waited.", ("kind",)),
        ("chom_database_replication_lag_seconds", "How far a replica is behind its source.", ("channel",)),
        ("chom_database_replication_running", "Whether a thread of replication runs.", ("channel", "thread")),
        (
            "chom_database_auto_increment_used_ratio",
            "How much of what a counting column can hold is used, from 0 to 1; of the fullest.",
            ("database", "table", "column"),
        ),
        ("chom_migrations_pending", "Files of migrations that the database does not record."),
    ),
    *_counters(
        ("chom_database_queries_total", "Statements that the server ran."),
        ("chom_database_slow_queries_total", "Statements that took longer than long_query_time."),
        ("chom_database_innodb_buffer_pool_reads_total", "Pages that InnoDB had to read from disk."),
        ("chom_database_innodb_buffer_pool_read_requests_total", "Pages that InnoDB was asked for."),
        ("chom_database_row_lock_waits_total", "Times that a session waited for a row."),
        ("chom_database_row_lock_wait_seconds_total", "Time that sessions waited for rows."),
        (
            "chom_database_table_locks_waited_total",
            "Times that a session waited for a table, of engines with such locks.",
        ),
        ("chom_database_deadlocks_total", "Deadlocks that InnoDB has ended."),
        ("chom_database_row_operations_total", "Rows that were read, inserted, updated, deleted.", ("operation",)),
    ),
    Metric("chom_database_innodb_buffer_pool_reads", "unknown", "As chom_database_innodb_buffer_pool_reads_total."),
    Metric(
        "chom_database_innodb_buffer_pool_read_requests",
        "unknown",
        "As chom_database_innodb_buffer_pool_read_requests_total.",
    ),
    Metric("chom_database_index_used_count", "unknown", 'As chom_database_indexes{state="used"} and {state="needed"}.'),
    Metric("chom_database_index_unused_count", "unknown", 'As chom_database_indexes{state="unused"}.'),
    Metric("chom_query_duration_seconds", "histogram", "How long statements take, as the server counts it."),
)
_BACKUPS = _gauges(
    ("chom_backup_configured", "1 for each server of chom.yaml: one that was never backed up has no other series."),
    (
        "chom_backup_last_success_timestamp_seconds",
        "As of when the newest backup holds its server that can be believed.",
        ("type",),
    ),
    ("chom_backup_last_success_timestamp", "As chom_backup_last_success_timestamp_seconds.", ("type",)),
    ("chom_backup_duration_seconds", "How long that took.", ("type",)),
    ("chom_backup_size_bytes", "What is stored of it.", ("type",)),
    ("chom_backups", "Backups that are listed.", ("type",)),
    ("chom_backups_unusable", "Backups and pieces of the binary log that are there and cannot be used."),
    ("chom_backup_last_verified_timestamp_seconds", "When a backup last passed a verification.", ("level",)),
    (
        "chom_recoverable_window_start_timestamp_seconds",
        "The first moment of the latest window that can be restored to.",
    ),
    ("chom_recoverable_window_end_timestamp_seconds", "The last moment that can be restored to."),
    ("chom_recoverable_window_gaps", "Gaps in the archive of the binary log after the newest full backup."),
    ("chom_recovery_exposure_seconds", "What would be lost if the server were lost now."),
    ("chom_binlog_archive_last_timestamp_seconds", "Up to when the binary log is in the archive."),
    (
        "chom_offsite_configured",
        "1 for each server that is to have a second copy: of one with nothing there no more is told.",
    ),
    ("chom_offsite_last_backup_timestamp_seconds", "Time of the newest full backup that the second copy has."),
    ("chom_pitr_drill_last_success_timestamp_seconds", "When a drill of a moment last passed."),
    ("chom_restore_predicted_seconds", "How long a restore of the newest full backup would take here.", ("method",)),
    (
        "chom_threshold_backup_age_seconds",
        "How old the newest backup may be: backup_age_hours of chom.yaml, and the time that one may take.",
    ),
    ("chom_threshold_exposure_seconds", "What may be lost: exposure_minutes, or without an archive backup_age_hours."),
    ("chom_threshold_slow_queries_per_second", "thresholds.slow_queries_per_second of chom.yaml."),
    ("chom_threshold_buffer_pool_hit_ratio", "thresholds.buffer_pool_hit_rate of chom.yaml, from 0 to 1."),
)
OF_NO_SERVER = _gauges(
    ("chom_build_info", "The version of chom, in a label.", ("version",)),
    ("chom_repository_free_bytes", "Free room on the file system of the repository."),
    ("chom_repository_size_bytes", "Size of the file system of the repository."),
)

METRICS = {each.name: each for each in (*_EXPORTER, *_SERVER, *_BACKUPS, *OF_NO_SERVER)}
"""All of them by name, in the order in which they are told."""
