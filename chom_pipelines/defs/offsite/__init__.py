"""The asset `offsite_copy` of each server with a second copy, its job, schedules and sensor."""
