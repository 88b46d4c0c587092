"""Backups, proofs, recovery, migrations, monitoring and benchmarks for MySQL and MariaDB, as a Dagster project."""

__version__ = "0.1.0"
