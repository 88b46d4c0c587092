"""Which files of migrations were checked, so that a pipeline knows whether they are those that it deploys."""

from __future__ import annotations

import hashlib
from pathlib import Path

from chom_pipelines.errors import ConfigurationError


def file_digest(place: Path) -> str:
    """SHA-256 of names and contents of an application's own migrations: of a Laravel project, or of a folder of SQL.

    Raises ConfigurationError where they cannot be read.
    """
    laravel = place / "database" / "migrations"
    folder, pattern = (laravel, "*.php") if laravel.is_dir() else (place, "*.sql")
    digest = hashlib.sha256()
    try:
        files = sorted(each for each in folder.iterdir() if each.match(pattern))
        for file in files:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{content}  {file.name}\n".encode())
    except OSError as refused:
        raise ConfigurationError(
            f"{refused.filename or folder} cannot be read: {refused.strerror}", "see to it"
        ) from None
    return digest.hexdigest()
