"""The asset `pitr_drill` of each server, its job and schedules."""
