"""Restoring a backup: the plan, its execution, the loading of rows, and the targets."""
