"""The asset `retention` of each server, its job and schedules."""
