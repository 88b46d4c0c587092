"""The assets `table_growth` and `index_usage` of each server, `fleet_growth` of all, their job and schedules."""
