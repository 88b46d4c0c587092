"""The physical engine: the server's own data files, streamed by its own program."""
