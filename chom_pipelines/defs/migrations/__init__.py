"""The asset `migration_check` of each server with migrations, its job and its sensor."""
