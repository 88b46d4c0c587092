"""A database of random tables: backed up in small ranges, proved, restored under another name, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from chom_pipelines.errors import ChomError, ServerError
from chom_pipelines.logical import dump, ranges
from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.queries import reading
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.snapshot import STATEMENTS
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.loading import VALUES_AS_THEY_ARE
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Row, Session
from chom_pipelines.server.identifiers import literal, quote
from chom_pipelines.server.wire import ExpectedCounts, UnfitRowError, rendered_rows, separate_rows
from chom_pipelines_tests.differential.documented import OWN_DEFINITION, definitions_differ, rows_differ
from chom_pipelines_tests.differential.tables import RandomTable, random_table
from chom_pipelines_tests.differential.tally import Tally
from chom_pipelines_tests.logical.comparing import checksums, exact_rows
from chom_pipelines_tests.logical.taking import TOGETHER, Backups
from chom_pipelines_tests.servers import PrivateServer

PACKET = 1 << 24
_UNSTABLE = re.compile(r" VIRTUAL|USING HASH|^  (UNIQUE )?KEY .*\(\(", re.MULTILINE)
"""Tables with virtual columns, hidden ones too: their sum has what was in a buffer, and changes with FLUSH TABLES."""

_ROWS_DIFFER = "rows of the restored copy differ"
"""As a proof says it, without the columns."""


class Trial:
    """One database of `count` tables, made from the seed alone; what it is compared with is told by the server."""

    def __init__(self, server: PrivateServer, directory: Path, seed: int, count: int) -> None:
        self.server, self.directory, self.seed, self.count = server, directory, seed, count
        self.random = Random(f"{server.flavour.value} {seed}")
        self.database = server.fresh_database(name=f"differential_{seed}")
        self.copy = server.fresh_database(name=f"{self.database}_copy")
        self.tally = Tally()
        self.creates: dict[str, str] = {}
        self.left: list[str] = []

    def run(self) -> Tally:
        """Make the tables and try them; one that is found wrong is dropped, so that the others are tried as well."""
        with self.server.connect() as session:
            session.execute(f"USE {quote(self.database)}")
            for number in range(self.count):
                self._make(session, number)
            self.tally.tables = len(self.creates)
            self._renderings(session)
            self.left = list(self.creates)
            while self.left and (wrong := self._round(session)):
                for name in wrong:
                    session.execute(f"DROP TABLE IF EXISTS {quote(self.database)}.{quote(name)}")
                    self.left.remove(name)
        return self.tally

    def _make(self, session: Session, number: int) -> None:
        while True:
            table = random_table(self.random, number, mariadb=self.server.facts.is_mariadb)
            try:
                session.execute(f"SET SESSION sql_mode = '{table.mode}'")
                session.execute(table.create)
            except ServerError:
                self.tally.refused_by_the_server += 1
                continue
            self._fill(session, table)
            self.creates[table.name] = f"SET sql_mode='{table.mode}'; {table.create}"
            return

    def _fill(self, session: Session, table: RandomTable) -> None:
        checks = self.server.facts.is_mariadb and self.random.random() < 0.5
        if checks:
            session.execute("SET SESSION check_constraint_checks = 0")
        for statement in table.rows:
            with suppress(ServerError):  # what the server does not take need not come back
                session.execute(statement)
        if checks:
            session.execute("SET SESSION check_constraint_checks = 1")

    def _renderings(self, session: Session) -> None:
        """Each row gives the same text whether the server renders it or its columns come one by one."""
        for statement in STATEMENTS:
            session.execute(statement)
        for table in Catalog(session, self.server.facts, (self.database,)).tables():
            how = reading(replace(table, rows=0), Range(), PACKET)  # of no rows it says that they are not wide
            try:
                anything = ExpectedCounts(0, counts_separators=False, counts_backslashes=False)
                together = b"".join(
                    b.data for b in rendered_rows(session, how.attempts[-1].sql, anything, lambda: None)
                )
            except UnfitRowError:
                continue
            separately = b"".join(block.data for block in separate_rows(session, how.separate, how.escaped))
            if together != separately:
                self._found(table.name, "renderings differ")
        session.execute("SET character_set_results = utf8mb4")

    def _found(self, name: str, what: str) -> str:
        self.tally.found(f"{self.server.flavour.value} seed {self.seed}, {name}: {what}\n{self.creates.get(name, '')}")
        return name

    def _round(self, session: Session) -> set[str]:
        """Back up, prove, restore, compare; return the tables that something was wrong with."""
        backups = Backups(self.directory, policy=TOGETHER)
        small = self.random.choice([500, 4_000, 20_000])
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(dump, "cut", partial(_cut, range_bytes=small))
                entry = backups.take(self.server, self.database)
            payload = entry.manifest(None).logical
            proof = verify(entry, Level.FULL, None, unreported, threads=2)
            failures = proof.failures or (proof.reason,)
            differs = proof.outcome is Outcome.FAILED and all(_ROWS_DIFFER in each for each in failures)
            if proof.outcome is not Outcome.PASSED and not differs:
                return {self._blamed(session, each) for each in failures}
            request = RestoreRequest(
                rename={self.database: self.copy}, threads=2, replace=True, despite_failed_proof=differs
            )
            restore_into_server(entry, None, self.server.root, request, unreported)
        except ChomError as error:
            return {self._blamed(session, str(error))}
        self.tally.rows += payload.rows
        self.tally.ranges += sum(len(table.parts) for table in payload.tables)
        wrong = {self._found(name, what) for name, what in self._differences(session)}
        if differs:  # which rows, the copy has told; where it has not, there is still what the proof says
            wrong |= {self._blamed(session, each) for each in failures if not any(name in each for name in wrong)}
        session.execute(f"DROP DATABASE {quote(self.copy)}")
        return wrong

    def _blamed(self, session: Session, message: str) -> str:
        """The table that a message is about; where it names none, the first that the server does not make again."""
        named = [name for name in self.left if name in message.replace("``", "`")]
        name = max(named, key=len, default="")
        if not named or "its definition differs" in message or "at: create table" in message:
            name = next((each for each in named or self.left if not self._made_again(session, each)), "")
            message = f"{OWN_DEFINITION}: {message}" if name else message
        if not (name or named):
            raise AssertionError(message)
        return self._found(name or named[0], message)

    def _made_again(self, session: Session, name: str) -> bool:
        """True where the server makes of the definition that it shows a table of the same one."""
        wanted = _shown(session, self.database, name)
        session.execute(f"USE {quote(self.copy)}")
        session.execute(f"DROP TABLE IF EXISTS {quote(name)}")
        try:
            session.execute(wanted)
            return _shown(session, self.copy, name) == wanted
        except ServerError:
            return False
        finally:
            session.execute(f"DROP TABLE IF EXISTS {quote(name)}")

    def _differences(self, session: Session) -> Iterator[tuple[str, str]]:
        session.execute("SET SESSION sql_mode = ''")
        source, copy = exact_rows(session, self.database), exact_rows(session, self.copy)
        sums, copied = checksums(session, self.database), checksums(session, self.copy)
        for name in self.left:
            wanted, found = (_shown(session, database, name) for database in (self.database, self.copy))
            if wanted != found:
                yield name, definitions_differ(wanted, found)
            elif source[name] != copy[name]:
                again = "" if self._recomputed(session, name) == copy[name] else ", and not as the server makes them"
                yield name, rows_differ(wanted, source[name], copy[name]) + again
            elif sums[name] != copied[name] and not _UNSTABLE.search(wanted):
                yield name, "checksums differ"

    def _recomputed(self, session: Session, name: str) -> list[Row]:
        """The rows that the server itself makes of the source's in the sql_mode of a restore."""
        session.execute(VALUES_AS_THEY_ARE)
        source, again = f"{quote(self.database)}.{quote(name)}", f"{quote(self.copy)}.{quote('again')}"
        stored = session.rows(f"SHOW COLUMNS FROM {source} WHERE Extra NOT LIKE '% GENERATED%'")
        columns = ", ".join(quote(row[0]) for row in stored)
        by_number = re.compile(r"(?:enum|set)\(")  # as text, '' as a member of a SET is lost beside others
        values = ", ".join(f"{quote(row[0])} + 0" if by_number.match(row[1]) else quote(row[0]) for row in stored)
        session.execute(f"CREATE TABLE {again} LIKE {source}")
        session.execute(f"INSERT IGNORE INTO {again} ({columns}) SELECT {values} FROM {source}")
        rows = exact_rows(session, self.copy)["again"]
        session.execute(f"DROP TABLE {again}")
        return rows


def _cut(session: Session, table: TableInfo, range_bytes: int) -> list[Range]:
    return ranges.cut(session, table, range_bytes)


def _shown(session: Session, database: str, name: str) -> str:
    """A definition; MySQL names a character set beside a collation, which implies it, only where it was named."""
    row = session.row(f"SHOW CREATE TABLE {quote(database)}.{quote(name)}")
    assert row, literal(name)
    return re.sub(r" CHARACTER SET \w+ COLLATE ", " COLLATE ", str(row[1]))
