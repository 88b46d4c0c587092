"""Binary logs: what is in their bytes, their archive, and points in time that are recovered from it."""
