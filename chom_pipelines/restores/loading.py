"""Loading a backup's data into tables that are there and empty, in parallel, and building their keys afterwards.

LOAD DATA LOCAL turns errors into warnings, so every statement's rows and warnings are counted; where there are any, the
rows are read back, as only their values tell whether something was lost.
Threads, not processes: decryption, decompression and the server's work all happen outside the interpreter's lock.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from chom_pipelines.errors import ChomError, RestoreFailedError, ServerError
from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.rendering import load_statement
from chom_pipelines.logical.snapshot import STATEMENTS
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.restores.load_units import Load, Target, Unit, load_units
from chom_pipelines.restores.losses import ReadBack
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.upload import load as load_data

VALUES_AS_THEY_ARE = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"

_DDL_BUFFER = 128 << 20


def settings(facts: ServerFacts) -> list[str]:
    """What a session that restores is told: take values as they are, check nothing that the source had checked."""
    statements = [
        VALUES_AS_THEY_ARE,
        "SET SESSION foreign_key_checks = 0, max_error_count = 65535",
    ]
    if facts.is_mariadb:
        # not unique_checks = 0: 10.11 then fills an empty table in bulk, in 40 % more time, as its statistics thread
        # spins meanwhile (7 % less with STATS_AUTO_RECALC=0 on the table and its keys in place); it wants as much room
        # in tmpdir as the table takes, and spins for ever, not to be killed, at a value larger than its redo log
        statements.append("SET SESSION check_constraint_checks = 0")
        if facts.can_insert_history:
            statements.append("SET SESSION system_versioning_insert_history = 1")
    else:
        statements.append("SET SESSION unique_checks = 0")
        if facts.version >= (8, 0, 27):
            statements.append(f"SET SESSION innodb_ddl_buffer_size = {_DDL_BUFFER}")
    return statements


@dataclass(frozen=True)
class Progress:
    """Told of bytes: of text as it is sent, and of a whole table's text when its keys are built, or it has none."""

    loaded: Callable[[int], None]
    keyed: Callable[[int], None]


@dataclass(frozen=True)
class _Keyed:
    bytes: int


_Text = Callable[[], Iterator[bytes]]
"""What is loaded, from its beginning, as often as it is asked for."""

_Events = queue.SimpleQueue["int | _Keyed | BaseException | None"]
"""Bytes sent, a table's keys built, an error, the end of a connection's work."""


@dataclass
class _State:
    waiting: dict[str, int]
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)
    seconds: dict[str, float] = field(default_factory=lambda: {"data": 0.0, "indexes": 0.0})
    sessions: list[Session] = field(default_factory=list)
    there: dict[str, dict[str, TableInfo]] = field(default_factory=dict)
    """By database and name, the tables on the target."""


class Loader:
    """Fills targets over several connections.

    With `accept_losses`, what cannot be stored as it was dumped is named in `losses`; else it ends the restore.
    """

    def __init__(
        self, contents: Contents, endpoint: Endpoint, facts: ServerFacts, threads: int, *, accept_losses: bool
    ) -> None:
        self.contents, self.endpoint, self.facts, self.threads = contents, endpoint, facts, threads
        self.accept_losses = accept_losses
        self.losses: list[str] = []

    def run(self, targets: Sequence[Target], progress: Progress) -> Mapping[str, float]:
        """Load everything and build the keys; return seconds of `data` and `indexes`, summed over the connections.

        Raises the first error of any connection; the others are then stopped, their statements killed.
        """
        units = load_units(targets, counters_are_locked=self.facts.locks_counters)
        state = _State({target.name: 0 for target in targets})
        for unit in units:
            for each in unit.loads:
                state.waiting[each.target.name] += 1
        work: queue.SimpleQueue[Unit] = queue.SimpleQueue()
        for unit in units:
            work.put(unit)
        events: _Events = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._serve, args=(state, work, events), daemon=True) for _ in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    running -= 1
                elif isinstance(event, _Keyed):
                    progress.keyed(event.bytes)
                else:
                    progress.loaded(event)
        finally:
            self._stop(state, threads)
        return state.seconds

    def _serve(
        self,
        state: _State,
        work: queue.SimpleQueue[Unit],
        events: _Events,
    ) -> None:
        try:
            with Session(self.endpoint, local_infile=True) as session:
                state.sessions.append(session)
                for statement in settings(self.facts):
                    session.execute(statement)
                while not state.stopped.is_set():
                    try:
                        unit = work.get_nowait()
                    except queue.Empty:
                        break
                    self._load_unit(session, state, unit, events)
            events.put(None)
        except BaseException as error:  # noqa: BLE001  (handed to the owner, who raises it)
            events.put(error)

    def _load_unit(self, session: Session, state: _State, unit: Unit, events: _Events) -> None:
        if unit.bundle:
            by_member = {each.paths[0]: each for each in unit.loads}
            for name, text in self.contents.members(unit.bundle):
                if name in by_member:
                    pieces = (text,) if text else ()
                    self._load(session, state, by_member.pop(name), functools.partial(iter, pieces), events)
            if by_member:
                message = f"{self.contents.folder.where(unit.bundle)}: no member {', '.join(by_member)}"
                raise RestoreFailedError(message, "restore another backup")
        else:
            for each in unit.loads:
                self._load(session, state, each, functools.partial(self._text, each), events)

    def _text(self, load: Load) -> Iterator[bytes]:
        return (chunk for path in load.paths for chunk in self.contents.text(path))

    def _load(self, session: Session, state: _State, load: Load, text: _Text, events: _Events) -> None:
        started = time.monotonic()
        target = load.target
        if load.rows:
            statement = load_statement(target.name, target.table.load, "chom")
            loaded = load_data(session, statement, _until(state.stopped, text()), events.put)
            self._find_losses(session, state, load, loaded, text)
            if not target.table.transactional:
                session.execute("COMMIT")  # MySQL without a binary log warns when another engine comes next
        else:
            for _ in text():
                pass
        with state.lock:
            state.seconds["data"] += time.monotonic() - started
            state.waiting[target.name] -= 1
            full = not state.waiting[target.name]
        if full:
            started = time.monotonic()
            for addition in target.split.additions(target.name):
                session.statement(addition)
            with state.lock:
                state.seconds["indexes"] += time.monotonic() - started
            events.put(_Keyed(target.table.bytes))

    def _find_losses(self, session: Session, state: _State, load: Load, loaded: int, text: _Text) -> None:
        """Where the server warned: compare. Raise RestoreFailedError where values were lost, or note what was."""
        count = int(session.value("SHOW COUNT(*) WARNINGS"))
        if not count and loaded == load.rows:
            return
        warned = f"{count} warnings, the first: {session.warnings()[0][2]}" if count else "the server did not warn"
        table = self._there(state, load.target)
        with Session(self.endpoint) as reader:
            state.sessions.append(reader)
            for statement in STATEMENTS:
                reader.execute(statement)
            back = ReadBack(reader, table, load.parts, int(self.facts.variables["max_allowed_packet"]))
            if loaded == load.rows and back.is_as_dumped():
                return
            lost = back.losses(text(), load.rows - loaded)
        what = f"{load.target.name}: not stored as dumped: {lost} ({warned})"
        if not self.accept_losses:
            remedy = "restore into a server of the source's version and settings, or use --accept-losses for the rest"
            raise RestoreFailedError(what, remedy)
        with state.lock:
            self.losses.append(what)

    def _there(self, state: _State, target: Target) -> TableInfo:
        """The table on the target; its whole database is read, once, and only where the server warned."""
        with state.lock:
            if target.database not in state.there:
                with Session(self.endpoint) as session:
                    tables = Catalog(session, self.facts, (target.database,)).tables()
                state.there[target.database] = {table.name: table for table in tables}
            return state.there[target.database][target.table.name]

    def _stop(self, state: _State, threads: list[threading.Thread]) -> None:
        """End what still runs: without it a cancelled restore would go on building indexes."""
        state.stopped.set()
        alive = [thread for thread in threads if thread.is_alive()]
        if any(alive):
            for thread in alive:
                thread.join(0.2)
            if any(thread.is_alive() for thread in alive):
                with suppress(ChomError), Session(self.endpoint) as control:
                    for session in state.sessions:
                        with suppress(ServerError):
                            control.execute(f"KILL {session.id}")
            for thread in alive:
                thread.join()


def _until(stopped: threading.Event, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if stopped.is_set():
            raise RestoreFailedError("the restore was stopped", "run it again")
        yield chunk
