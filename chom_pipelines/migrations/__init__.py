"""The migration check: what pending migrations would do to a database, known before they do it."""
