"""Restoring a backup: what is selected, the operations that it takes, their execution, and the loading of rows."""
