"""Accounts that may do only what a test says."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.identifiers import literal
from chom_pipelines_tests.servers import PrivateServer


@contextmanager
def limited(server: PrivateServer, *grants: str) -> Iterator[Endpoint]:
    """An account with these, each as `PROCESS ON *.*`; it is gone after the block."""
    user, password = f"limited_{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    with server.connect() as session:
        session.execute(f"CREATE USER {user}@localhost IDENTIFIED BY {literal(password)}")
        for grant in grants:
            session.execute(f"GRANT {grant} TO {user}@localhost")
    try:
        yield replace(server.root, name="chom-1", user=user, password=password)
    finally:
        with server.connect() as session:
            session.execute(f"DROP USER {user}@localhost")


def grant(server: PrivateServer, statement: str) -> None:
    """What a Lack says mends it."""
    with server.connect() as session:
        for each in statement.split(";"):
            if each.strip():
                session.execute(each)
