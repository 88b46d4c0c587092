"""Random schemas, backed up and restored, and compared by what the server itself says of both."""
