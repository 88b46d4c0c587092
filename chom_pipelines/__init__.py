"""Backups of MySQL and MariaDB that are proved by restoring them, as a Dagster project."""

__version__ = "0.1.0"
