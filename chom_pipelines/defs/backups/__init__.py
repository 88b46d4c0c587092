"""The asset `full_backup` of each server, its checks, job and schedules; and `incremental_backup`, in one module."""
