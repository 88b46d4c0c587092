"""A throw-away server with production's schema and none of its rows, that writes down every statement it gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chom_pipelines.errors import ServerError
from chom_pipelines.logical.definitions import INVALID_VIEW, Definition
from chom_pipelines.migrations.production import Production, own_databases
from chom_pipelines.migrations.reading_shapes import read_shape
from chom_pipelines.migrations.shapes import Shape
from chom_pipelines.migrations.statements import Statement
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.identifiers import literal, qualified, quote
from chom_pipelines.server.scratch import ScratchServer, scratch_server, with_binary_log

_BIRTH = ("lower_case_table_names", "innodb_page_size")
_AS_COPIED = "SET SESSION foreign_key_checks=0, unique_checks=0, time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES'"
LOGGING = ("--log-output=TABLE", "--general-log=OFF")
"""Options of a server that can write down its statements."""
_CONNECTS = {"Connect", "Init DB"}
_RUNS = {"Query", "Execute"}


@dataclass(frozen=True)
class Logged:
    """One line of the general log: what a connection did, in its own words."""

    connection: int
    command: str
    text: str


@dataclass
class Shadow:
    """The running copy."""

    server: ScratchServer
    production: Production
    unlike: list[str] = field(default_factory=list)
    """In what it differs from production, for people: each makes a verdict weaker."""
    left_out: set[str] = field(default_factory=set)
    """Views that could not be made."""
    removed: list[str] = field(default_factory=list)
    """SQL that takes away what production has, after it was filled."""
    accounts: frozenset[tuple[str, str]] = frozenset()
    """The server's own: others are a migration's."""

    @property
    def endpoint(self) -> Endpoint:
        """An administrator's."""
        return self.server.endpoint

    @property
    def databases(self) -> list[str]:
        """Of the copy, whether or not they are still there."""
        return [each.name for each in self.production.definitions if each.kind == "database"]

    def fill(self) -> None:
        """Make everything in it as production has it; what was there is dropped, with all databases of others.

        Raises ServerError where a definition is refused, and names that.
        """
        with Session(self.endpoint) as session:
            for name in own_databases(session):
                session.execute(f"DROP DATABASE {quote(name)}")
            for user, host in _accounts(session) - self.accounts:
                session.execute(f"DROP USER {literal(user)}@{literal(host)}")
            session.execute(_AS_COPIED)
            for each in self.production.definitions:
                self._make(session, each)
            for history, records in self.production.records.items():
                listed, marks = ", ".join(map(quote, records.columns)), ", ".join(["%s"] * len(records.columns))
                for row in records.rows:
                    session.execute(f"INSERT INTO {qualified(*history)} ({listed}) VALUES ({marks})", row)
            session.execute("SET SESSION foreign_key_checks = 0")
            for sql in self.removed:
                session.execute(sql)
        self.forget_log()

    def _make(self, session: Session, definition: Definition) -> None:
        if definition.kind != "database":
            session.execute(f"USE {quote(definition.database)}")
        for setting in definition.context.settings():
            session.execute(setting)
        try:
            session.statement(definition.statement)
        except ServerError:
            if definition.kind not in {"view", INVALID_VIEW}:
                raise
            self.left_out.add(definition.label)  # it is broken in production, or rests on one that is
        for ending in definition.context.endings():
            session.execute(ending)
        session.execute(_AS_COPIED)

    def shape(self) -> Shape:
        """What it consists of now."""
        with Session(self.endpoint) as session:
            return read_shape(session, self.server.facts, sorted({*self.databases, *own_databases(session)}))

    def forget_log(self) -> None:
        """Empty the log of statements."""
        with Session(self.endpoint) as session:
            session.execute("SET GLOBAL general_log = OFF")
            session.execute("TRUNCATE TABLE mysql.general_log")
            session.execute("SET GLOBAL general_log = ON")

    def logged(self) -> list[Logged]:
        """What was sent to it since then, in order; without this project's own questions about the log."""
        with Session(self.endpoint) as session:
            session.execute("SET GLOBAL general_log = OFF")
            rows = session.rows("SELECT thread_id, command_type, argument FROM mysql.general_log")
            session.execute("SET GLOBAL general_log = ON")
        return [
            Logged(int(thread), str(command), _text(text)) for thread, command, text in rows if thread != session.id
        ]


def statements_of(lines: Sequence[Logged]) -> Iterator[tuple[int, Statement]]:
    """The statements that were run, each with its connection and the database in use."""
    using: dict[int, str] = {}
    for line in lines:
        if line.command in _CONNECTS:
            # `user@host on database using Socket`; Init DB has the name alone
            name = line.text.partition(" on ")[2].partition(" using ")[0] if line.command == "Connect" else line.text
            using[line.connection] = name.strip() or using.get(line.connection, "")
        elif line.command in _RUNS:
            statement = Statement(line.text, using.get(line.connection, ""))
            if statement.verb == "USE":
                using[line.connection] = statement.bare[3:].strip().strip("`").replace("``", "`")
            yield line.connection, statement


@contextmanager
def shadow_of(production: Production) -> Iterator[Shadow]:
    """Start it, with production's definitions and configured as that is; it is gone after the block.

    Raises ScratchServerError, ProgramMissingError; ServerError where a definition is refused.
    """
    facts = production.facts
    options = [f"--{name.replace('_', '-')}={facts.variables[name]}" for name in _BIRTH if name in facts.variables]
    options += LOGGING
    if facts.logs_binary:  # some statements are refused for the sake of the log alone
        options += [*with_binary_log(facts.flavour, server_id=1), "--log-bin-trust-function-creators=ON"]
    with scratch_server(facts.flavour, version=facts.version, options=options) as server:
        with Session(server.endpoint) as session:
            shadow = Shadow(server, production, accounts=_accounts(session))
        if server.differs:
            shadow.unlike.append(f"the copy runs on {server.differs}")
        _configure(shadow)
        shadow.fill()
        yield shadow


def _accounts(session: Session) -> frozenset[tuple[str, str]]:
    return frozenset((str(user), str(host)) for user, host in session.rows("SELECT user, host FROM mysql.user"))


def _configure(shadow: Shadow) -> None:
    with Session(shadow.endpoint) as session:
        for name, wanted in shadow.production.settings.items():
            have = session.row(f"SHOW GLOBAL VARIABLES LIKE '{name}'")
            if have is None:
                shadow.unlike.append(f"the copy does not know {name}, which production has set to {wanted}")
            elif str(have[1]) != wanted:
                value = wanted if wanted.isdigit() else literal(wanted)
                session.execute(f"SET GLOBAL {name} = {value}")


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
