"""What `chom restore` is not told clearly, or told for what it does not go with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.errors import ConfigurationError


def refuse_unclear(
    into_server: str | None, into_directory: Path | None, as_database: Sequence[str] | None, user: str | None
) -> None:
    """Raise ConfigurationError unless one target is named."""
    if into_server and into_directory:
        raise ConfigurationError("--into-server and --into-directory are two targets", "use one of them")
    if not (into_server or into_directory or as_database):
        remedy = "use --into-server NAME, --into-directory DIR, or --as-database NAME for a copy beside the original"
        raise ConfigurationError("it is not said where to restore to", remedy)
    if user and into_directory:
        raise ConfigurationError("--user names an account of a server; a directory has none", "leave --user out")


def refuse_route(route: Route | None, moments: Sequence[str | None]) -> None:
    """Raise ConfigurationError for a route to no point in time."""
    if route and not any(moments):
        raise ConfigurationError("--route is for a point in time, and none is named", "leave it out, or add --at")


def refuse_parts(into_directory: Path | None, options: Mapping[str, object]) -> None:
    """Raise ConfigurationError for options that only a server's restore has, where a directory is the target."""
    for name, given in options.items():
        if into_directory and given:
            what = f"{name} is for a server: a directory gets all that there was at a point in time"
            raise ConfigurationError(
                what, "leave it out, or restore into a server, with --into-server or --as-database"
            )


def refuse_of_one_backup(options: Mapping[str, bool]) -> None:
    """Raise ConfigurationError for options that no point in time has."""
    for name, given in options.items():
        if given:
            what = f"{name} is for a backup by itself, and not for a point in time"
            raise ConfigurationError(what, "leave it out, or restore that backup without --at, --gtid and --before")


def refuse_of_rows(backup: str, options: Mapping[str, object]) -> None:
    """Raise ConfigurationError for options that choose among rows, where a directory of data files is the target."""
    for name, given in options.items():
        if given:
            what = f"{name} is for a server: {backup} is a physical backup, and a directory gets all of its files"
            remedy = "leave it out, or restore into a server, with --into-server or --as-database"
            raise ConfigurationError(what, remedy)
