"""Looking again and again: a server that goes away is said to, and asked again."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group
from rich.text import Text

from chom_pipelines.errors import ServerError
from chom_pipelines.log_lines import duration
from chom_pipelines.monitoring.console.looking import Looker
from chom_pipelines.monitoring.console.screens import DOUBT, UNKNOWN, Header, drawn, screen
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_SAID_AGAIN = 5
"""Looks after a connection was made again at which that is still said."""


class Watching:
    """A looker, and the connection that it has at the moment."""

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self._session: Session | None = None
        self._facts: ServerFacts | None = None
        self._lost: datetime | None = None
        self._again = ""
        self._said = 0

    def next(self, now: datetime) -> Group:
        """The screen as it is now; `now` is aware. Where the server does not answer, that, and since when."""
        looker = self.looker
        try:
            self._connect(now)
            look = looker.look(self._session, self._facts)
        except ServerError as error:
            self.close()
            self._lost = self._lost or now
            away = (now - self._lost).total_seconds()
            note = f"The connection is lost, for {duration(away)} now. It is tried again."
            header = Header(looker.server.name, looker.screen.value, now, notes=(note,))
            return screen(header, (), Text.assemble((UNKNOWN, DOUBT), f": {error.what}"))
        label = self._facts.label if self._facts else None
        notes = (self._again,) if self._said > 0 else ()
        self._said -= 1
        return drawn(looker.server.name, looker.screen.value, look, label, notes)

    def close(self) -> None:
        """Close the connection; harmless where there is none."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connect(self, now: datetime) -> None:
        if not self.looker.screen.needs_server or self._session is not None:
            return
        self._session, self._facts = monitoring_session(self.looker.server.endpoint())
        if self._lost is not None:
            away = duration((now - self._lost).total_seconds())
            self._again = f"Connected again at {now:%H:%M:%S}Z, after {away} without."
            self._said, self._lost = _SAID_AGAIN, None
