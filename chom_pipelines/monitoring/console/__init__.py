"""A live view of a server in a terminal."""
