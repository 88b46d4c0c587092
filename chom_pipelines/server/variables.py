"""The global variables that are read of a server; each has those that it knows."""

from collections.abc import Iterable

from chom_pipelines.server.connection import Session

VARIABLES = (
    # what a backup and its restore depend on
    "character_set_database",
    "character_set_server",
    "collation_database",
    "collation_server",
    "character_set_collations",
    "default_storage_engine",
    "default_regex_flags",
    "block_encryption_mode",
    "default_week_format",
    "div_precision_increment",
    "group_concat_max_len",
    "old_mode",
    "default_collation_for_utf8mb4",
    "default_authentication_plugin",
    "explicit_defaults_for_timestamp",
    "innodb_autoinc_lock_mode",
    "innodb_default_row_format",
    "innodb_page_size",
    "innodb_strict_mode",
    "lower_case_table_names",
    "max_allowed_packet",
    "sql_mode",
    "sql_require_primary_key",
    "system_time_zone",
    "time_zone",
    "local_infile",
    "partial_revokes",
    "event_scheduler",
    "read_only",
    "super_read_only",
    "transaction_read_only",
    "tx_read_only",
    "innodb_read_only",
    "innodb_force_recovery",
    "innodb_force_primary_key",
    "innodb_native_foreign_keys",
    "disabled_storage_engines",
    "automatic_sp_privileges",
    "log_bin_trust_function_creators",
    # the binary log
    "log_bin",
    "log_bin_basename",
    "log_bin_compress",
    "log_replica_updates",
    "log_slave_updates",
    "binlog_checksum",
    "binlog_encryption",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "binlog_expire_logs_seconds",
    "binlog_expire_logs_auto_purge",
    "binlog_transaction_compression",
    "encrypt_binlog",
    "expire_logs_days",
    "max_binlog_size",
    "sync_binlog",
    "innodb_flush_log_at_trx_commit",
    "gtid_mode",
    "enforce_gtid_consistency",
    "gtid_domain_id",
    "gtid_slave_pos",
    "gtid_strict_mode",
    # where and who
    "datadir",
    "hostname",
    "have_ssl",
    "port",
    "require_secure_transport",
    "server_id",
    "server_uid",
    "server_uuid",
    "tls_version",
    "version_comment",
)


def read_variables(session: Session, names: Iterable[str]) -> dict[str, str]:
    """Those of these names that the server has."""
    listed = ", ".join(f"'{name}'" for name in names)
    rows = session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})")
    return {str(name).lower(): str(value) for name, value in rows}
