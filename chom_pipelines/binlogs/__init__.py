"""Binary logs: what is in their bytes, for the archive, its index and point-in-time recovery."""
