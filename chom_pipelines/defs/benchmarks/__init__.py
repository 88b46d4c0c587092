"""The asset `benchmark_report` of each server, its job and schedules."""
