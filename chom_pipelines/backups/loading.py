"""Loading a backup's data into tables that are there and empty, in parallel, and building their keys afterwards.

LOAD DATA LOCAL turns errors into warnings, so every statement's rows and warnings are counted: none may be left over.
Threads, not processes: decryption, decompression and the server's work all happen outside the interpreter's lock.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from chom_pipelines.backups.columns import load_statement
from chom_pipelines.backups.contents import Contents
from chom_pipelines.backups.table_sql import SplitTable
from chom_pipelines.errors import ChomError, RestoreFailedError, ServerError
from chom_pipelines.repository.manifest import Table
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.wire import load

_TRUNCATED = 1265
"""What a server says of the error value of an ENUM (index 0), which is stored all the same."""

_DDL_BUFFER = 128 << 20


def settings(facts: ServerFacts) -> list[str]:
    """What a session that restores is told: take values as they are, check nothing that the source had checked."""
    statements = [
        "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
        # a wait is for another part of the same table: its counter (innodb_autoinc_lock_mode 0 or 1)
        "SET SESSION foreign_key_checks = 0, max_error_count = 65535, innodb_lock_wait_timeout = 86400",
    ]
    if facts.is_mariadb:
        # not unique_checks = 0: 10.11 then fills an empty table in bulk, is no faster (measured with the keys added
        # afterwards), and spins for ever, not to be killed, at a value that is larger than its redo log
        statements.append("SET SESSION check_constraint_checks = 0")
        if facts.can_insert_history:
            statements.append("SET SESSION system_versioning_insert_history = 1")
    else:
        statements.append("SET SESSION unique_checks = 0")
        if facts.version >= (8, 0, 27):
            statements.append(f"SET SESSION innodb_ddl_buffer_size = {_DDL_BUFFER}")
    return statements


@dataclass(frozen=True)
class Target:
    """A table to fill: its data in the backup, its quoted name on the target, and what is built when it is full."""

    table: Table
    name: str
    split: SplitTable


@dataclass(frozen=True)
class _Unit:
    """One LOAD DATA, or the members of one bundle."""

    loads: tuple[tuple[Target, tuple[str, ...], int], ...]
    bundle: str | None
    bytes: int


@dataclass
class _State:
    waiting: dict[str, int]
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)
    seconds: dict[str, float] = field(default_factory=lambda: {"data": 0.0, "indexes": 0.0})
    sessions: list[Session] = field(default_factory=list)


class Loader:
    """Fills targets over several connections."""

    def __init__(self, contents: Contents, endpoint: Endpoint, facts: ServerFacts, threads: int) -> None:
        self.contents, self.endpoint, self.facts, self.threads = contents, endpoint, facts, threads

    def run(self, targets: Sequence[Target], progress: Callable[[int], None]) -> Mapping[str, float]:
        """Load everything and build the keys; return seconds of `data` and `indexes`, summed over the connections.

        Raises the first error of any connection; the others are then stopped, their statements killed.
        """
        units = self._units(targets)
        state = _State({target.name: 0 for target in targets})
        for unit in units:
            for target, _, _ in unit.loads:
                state.waiting[target.name] += 1
        work: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        for unit in sorted(units, key=lambda unit: -unit.bytes):
            work.put(unit)
        events: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
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
                else:
                    progress(event)
        finally:
            self._stop(state, threads)
        return state.seconds

    def _units(self, targets: Sequence[Target]) -> list[_Unit]:
        units: list[_Unit] = []
        bundles: dict[str, list[tuple[Target, tuple[str, ...], int]]] = {}
        for target in targets:
            parts = target.table.parts
            member = next((path for part in parts for path in part.objects if "#" in path), None)
            if member:
                bundles.setdefault(member.partition("#")[0], []).append((target, (member,), parts[0].rows))
            elif self.facts.is_mariadb or target.table.key_column is None:
                # several LOAD DATA into one table of MariaDB's wait for each other at its AUTO_INCREMENT counter
                objects = tuple(path for part in parts for path in part.objects)
                units.append(_Unit(((target, objects, target.table.rows),), None, target.table.bytes))
            else:
                units += [_Unit(((target, part.objects, part.rows),), None, part.bytes) for part in parts]
        units += [
            _Unit(tuple(loads), bundle, sum(target.table.bytes for target, _, _ in loads))
            for bundle, loads in bundles.items()
        ]
        return units

    def _serve(
        self,
        state: _State,
        work: queue.SimpleQueue[_Unit | None],
        events: queue.SimpleQueue[int | BaseException | None],
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
                    if unit is not None:
                        self._load_unit(session, state, unit, events.put)
            events.put(None)
        except BaseException as error:  # noqa: BLE001  (handed to the owner, who raises it)
            events.put(error)

    def _load_unit(self, session: Session, state: _State, unit: _Unit, sent: Callable[[int], None]) -> None:
        if unit.bundle:
            by_member = {paths[0].partition("#")[2]: (target, rows) for target, paths, rows in unit.loads}
            for name, text in self.contents.members(unit.bundle):
                if name in by_member:
                    target, rows = by_member.pop(name)
                    self._load(session, state, target, chunks=iter([text] if text else []), rows=rows, sent=sent)
            if by_member:
                message = f"{self.contents.path / unit.bundle}: no member {', '.join(by_member)}"
                raise RestoreFailedError(message, "restore another backup")
        else:
            for target, paths, rows in unit.loads:
                chunks = (chunk for path in paths for chunk in self.contents.text(path))
                self._load(session, state, target, chunks=chunks, rows=rows, sent=sent)

    def _load(
        self,
        session: Session,
        state: _State,
        target: Target,
        *,
        chunks: Iterator[bytes],
        rows: int,
        sent: Callable[[int], None],
    ) -> None:
        started = time.monotonic()
        statement = load_statement(target.name, target.table.load, "chom")
        if rows:
            loaded = load(session, statement, _until(state.stopped, chunks), sent)
            self._refuse_losses(session, target, loaded, rows)
            if not target.table.transactional:
                session.execute("COMMIT")  # MySQL without a binary log warns when another engine comes next
        else:
            for _ in chunks:
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

    def _refuse_losses(self, session: Session, target: Target, loaded: int, rows: int) -> None:
        count = int(session.value("SHOW COUNT(*) WARNINGS"))
        if count:
            listed = session.warnings()
            tolerated = [
                code == _TRUNCATED and any(f"'{column}'" in text for column in _by_number(target.table))
                for _, code, text in listed
            ]
            if not listed or not all(tolerated) or len(listed) != count:
                first = listed[0][2] if listed else f"{count} warnings"
                message = f"{target.name}: values are not stored as they were dumped: {first} ({count} such warnings)"
                raise RestoreFailedError(message, "restore into a server of the source's version and settings")
        if loaded != rows:
            message = f"{target.name}: {loaded} rows were stored of {rows}"
            raise RestoreFailedError(message, "restore into a server of the source's version and settings")

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


def _by_number(table: Table) -> list[str]:
    """The ENUM and SET columns that are loaded as numbers."""
    settings_of = table.load.partition(") SET ")[2]
    return [column for column in table.columns if f"`{column.replace('`', '``')}` = CAST(@" in settings_of]
