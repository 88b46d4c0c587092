"""A private server as a replica for a while: from one place of its source's binary log to another, and no further."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chom_pipelines.binlogs.format.statements import understand
from chom_pipelines.errors import RestoreFailedError
from chom_pipelines.progress import Report
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import literal
from chom_pipelines.server.questions import status

_POLL_SECONDS = 0.05
_GROUPS = ("Slave_DDL_Groups", "Slave_Non_Transactional_Groups", "Slave_Transactional_Groups")
"""Columns of MariaDB's status: each transaction is counted in one of them."""
_NEAR = re.compile(r" near '.*?'( at line \d)", re.DOTALL)
"""With what both families repeat a piece of a statement that they do not understand."""


@dataclass(frozen=True)
class Source:
    """A private server on this machine that serves a binary log, and the account that may read it."""

    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class _Words:
    """What a family calls the parts of replication."""

    change: str
    prefix: str
    """Of options."""
    more: str
    start: str
    stop: str
    reset: str
    status: str
    place: tuple[str, str]
    """Columns of the status: the file and position of the source up to which all is executed."""
    running: str


_WORDS = {
    Flavour.MARIADB: _Words(
        change="CHANGE MASTER TO",
        prefix="MASTER",
        more="MASTER_USE_GTID = no",
        start="START SLAVE",
        stop="STOP SLAVE",
        reset="RESET SLAVE ALL",
        status="SHOW SLAVE STATUS",
        place=("Relay_Master_Log_File", "Exec_Master_Log_Pos"),
        running="Slave_SQL_Running",
    ),
    Flavour.MYSQL: _Words(
        change="CHANGE REPLICATION SOURCE TO",
        prefix="SOURCE",
        more="SOURCE_AUTO_POSITION = 0, GET_SOURCE_PUBLIC_KEY = 1",
        start="START REPLICA",
        stop="STOP REPLICA",
        reset="RESET REPLICA ALL",
        status="SHOW REPLICA STATUS",
        place=("Relay_Source_Log_File", "Exec_Source_Log_Pos"),
        running="Replica_SQL_Running",
    ),
}


@dataclass(frozen=True)
class Replica:
    """A server that was started with `as_replica`, and a session of its root's."""

    session: Session
    flavour: Flavour

    @property
    def _words(self) -> _Words:
        return _WORDS[self.flavour]

    def replicate(self, source: Source, begin: Position, end: Position, report: Report) -> int | None:
        """Execute what is between these places, in the order of the log.

        Returns how many transactions MariaDB has counted meanwhile; None where it had to try some again, which it may
        count again, and on MySQL, whose set of GTIDs tells. Raises RestoreFailedError with the server's error, or where
        it ends elsewhere.
        """
        words, prefix = self._words, self._words.prefix
        if self.flavour is Flavour.MYSQL:
            self.session.execute("SET GLOBAL replica_parallel_workers = 1")  # more cost as much as they give
        self.session.execute(
            f"{words.change} {prefix}_HOST = '127.0.0.1', {prefix}_PORT = {source.port}, "
            f"{prefix}_USER = {literal(source.user)}, {prefix}_PASSWORD = {literal(source.password)}, "
            f"{_place(prefix, begin)}, {prefix}_CONNECT_RETRY = 1, {words.more}"
        )
        try:
            self.session.execute(f"{words.start} UNTIL {_place(prefix, end)}")
            status = self._wait(end, report)
        finally:
            self.session.execute(words.stop)
        counted = self._counted(status)
        self.session.execute(words.reset)
        return counted

    def _counted(self, last: Mapping[str, Any]) -> int | None:
        again = status(self.session, "Slave_retried_transactions")
        return None if self.flavour is Flavour.MYSQL or again != "0" else sum(int(last[kind]) for kind in _GROUPS)

    def _wait(self, end: Position, report: Report) -> Mapping[str, Any]:
        """Return the last status."""
        words = self._words
        while True:
            status = self.session.dicts(words.status)[0]
            file, position = (status[column] for column in words.place)
            for which in ("SQL", "IO"):
                if status[f"Last_{which}_Errno"]:
                    said = shown_error(status[f"Last_{which}_Error"], self.flavour)
                    what = f"the replay failed behind {file}:{position}: {said}"
                    remedy = "restore to a place before it, with --before"
                    if which == "IO":  # between two servers of ours
                        remedy = "try again, and report it as a bug if it stays"
                    raise RestoreFailedError(what, remedy)
            if file == end.file:
                report(int(position), end.position, f"replay {file}")
            if status[words.running] == "No":
                break
            time.sleep(_POLL_SECONDS)  # the server tells nobody how far it is
        if (file, int(position)) != (end.file, end.position):
            what = f"the replay ended at {file}:{position}, and not at {end.file}:{end.position}"
            raise RestoreFailedError(what, "report this as a bug")
        return status


def _place(prefix: str, place: Position) -> str:
    return f"{prefix}_LOG_FILE = {literal(place.file)}, {prefix}_LOG_POS = {place.position}"


def shown_error(error: object, flavour: Flavour) -> str:
    """A server's error without the literals of the statement that it repeats: there may be a password among them."""
    # a piece of a statement may begin within a literal, so that nothing tells what is one
    said, mark, statement = _NEAR.sub(r" near '…'\1", str(error)).partition("Query: '")
    return f"{said}{mark}{understand(statement.encode(), 'mysql', flavour).text}" if mark else said
