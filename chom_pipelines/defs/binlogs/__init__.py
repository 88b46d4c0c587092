"""The assets `binlog_archive` and `recoverable_windows` of each server, their checks, job, schedules and sensor."""
