"""What commands that restore have in common: as of when, and as whom."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import typer

from chom_pipelines.binlogs.recovery.targets import AtTime, EndOfArchive, Target, ThroughGtid, parse_place, parse_time
from chom_pipelines.errors import ConfigurationError, MissingPrivilegeError
from chom_pipelines.inventory.models import Server
from chom_pipelines.server.connection import Endpoint

PASSWORD = "CHOM_RESTORE_PASSWORD"  # noqa: S105  (the name of a variable)
_WHO_MAY = "name an account that may write there with --user: the one that takes backups should not"


def moment_of(at: str | None, gtid: str | None, before: str | None) -> Target | EndOfArchive | None:
    """The point in time, where one was given; `latest` is all that is archived."""
    given = [text for text in (at, gtid, before) if text is not None]
    if len(given) > 1:
        raise ConfigurationError("--at, --gtid and --before each say where to restore to", "use one of them")
    if at is not None:
        moment = moment_at(at)
        return moment if isinstance(moment, EndOfArchive) else AtTime(moment)
    if before is not None:
        return parse_place(before)
    return ThroughGtid(gtid) if gtid is not None else None


def moment_at(text: str) -> datetime | EndOfArchive:
    """What --at says: a time with its zone, or `latest`; raises ConfigurationError."""
    return EndOfArchive() if text.strip().lower() == str(EndOfArchive()) else parse_time(text)


@contextmanager
def account_explained(user: str | None) -> Iterator[None]:
    """Say of a privilege that is missing which account should have been named."""
    try:
        yield
    except MissingPrivilegeError as error:
        raise error if user else MissingPrivilegeError(error.what, _WHO_MAY) from error


def target_endpoint(server: Server, user: str | None) -> Endpoint:
    """Where to restore to, and as whom; the password comes from the environment or is asked for.

    Raises ConfigurationError where there is none.
    """
    if user is None:
        return server.endpoint()
    endpoint = server.model_copy(update={"password": None}).endpoint()
    return replace(endpoint, user=user, password=_password(user, endpoint))


def _password(user: str, endpoint: Endpoint) -> str:
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if sys.stdin.isatty():
        question = f"Password of {user} on {endpoint.where} (Enter: none)"
        return str(typer.prompt(question, default="", hide_input=True, show_default=False, err=True))
    if endpoint.socket:
        return ""  # the server knows the account by the system's user
    raise ConfigurationError(f"no password for {user}", f"export {PASSWORD}, or run it in a terminal")
