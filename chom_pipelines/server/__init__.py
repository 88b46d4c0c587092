"""A database server: connection, facts, privileges, identifiers; the scratch server."""
