"""A sequence goes on behind the rows that are in the backup, whatever came in while it was taken."""

from __future__ import annotations

import pytest

from chom_pipelines.logical import dump, snapshot
from chom_pipelines.logical.catalog import Catalog, CountedColumn
from chom_pipelines.logical.definitions import Definition
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer

INSERTS = "INSERT INTO t (v) VALUES ('a'), ('b'), ('c')"


def counted(server: PrivateServer, options: str = "NOCACHE") -> str:
    """A database with a table that a sequence counts."""
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute(f"CREATE SEQUENCE s {options}")
        session.execute("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY DEFAULT NEXTVAL(s), v CHAR(1))")
        session.execute(INSERTS)
    return database


def insert_before_the_snapshot(
    monkeypatch: pytest.MonkeyPatch, server: PrivateServer, database: str, *statements: str
) -> None:
    def then(session: Session, facts: ServerFacts, begin: snapshot.Begin) -> snapshot.Frozen:
        with server.connect() as other:
            other.execute(f"USE {quote(database)}")
            for statement in statements:
                other.execute(statement)
        return snapshot.frozen(session, facts, begin)

    monkeypatch.setattr(dump, "frozen", then)


def insert_into_a_copy(server: PrivateServer, entry: BackupEntry, database: str) -> list[int]:
    """Restore beside the source, insert three rows, return all ids."""
    copy = server.fresh_database()
    restore_into_server(entry, None, server.root, RestoreRequest(rename={database: copy}, threads=1), unreported)
    with server.connect() as session:
        session.execute(f"USE {quote(copy)}")
        session.execute(INSERTS)
        return [int(number) for (number,) in session.rows("SELECT id FROM t ORDER BY id")]


@pytest.mark.parametrize(
    "options",
    ["NOCACHE", "CACHE 2", "START WITH -1 INCREMENT BY -3 NOCACHE", "MINVALUE 1 MAXVALUE 8 NOCACHE CYCLE"],
)
def test_rows_that_come_between_the_definitions_and_the_snapshot_cost_no_duplicate_key(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    database = counted(mariadb, options)
    deletes = ("DELETE FROM t WHERE id < 6",) if "CYCLE" in options else ()
    insert_before_the_snapshot(monkeypatch, mariadb, database, INSERTS, *deletes)
    entry = backups.take(mariadb, database)
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
    assert len(insert_into_a_copy(mariadb, entry, database)) == (4 if deletes else 9)


def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the dump keep the counters from before the snapshot."""

    def unmoved(definitions: list[Definition], _counters: object) -> list[Definition]:
        return definitions

    monkeypatch.setattr(dump, "standing", unmoved)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ("NOCACHE", "4 in the restored copy, where d.t.id holds 6; in the source with 7"),
        ("INCREMENT BY -1 NOCACHE", "-4 in the restored copy, where d.t.id holds -6; in the source with -7"),
    ],
)
def test_a_counter_that_is_behind_the_rows_fails_the_proof(
    mariadb: PrivateServer, backups: Backups, monkeypatch: pytest.MonkeyPatch, options: str, seen: str
) -> None:
    database = counted(mariadb, options)
    insert_before_the_snapshot(monkeypatch, mariadb, database, INSERTS)
    stale(monkeypatch)
    proof = verify(backups.take(mariadb, database), Level.FULL, None, unreported)
    assert proof.outcome is Outcome.FAILED
    (failure,) = proof.failures
    assert failure.replace(database, "d") == f"sequence d.s: it goes on with {seen}"


@pytest.mark.parametrize(
    ("options", "by_hand"),
    [
        ("NOCACHE", "INSERT INTO t VALUES (1000, 'x')"),
        ("INCREMENT BY -1 NOCACHE", "INSERT INTO t VALUES (-1000, 'x')"),
        ("MINVALUE 1 MAXVALUE 3 CYCLE NOCACHE", "DELETE FROM t WHERE id = 1; INSERT INTO t (v) VALUES ('x')"),
        ("NOCACHE", "DELETE FROM t"),
        ("NOCACHE", "INSERT INTO t (v) VALUES ('x'); ALTER SEQUENCE s RESTART 1"),
    ],
)
def test_a_counter_that_was_behind_the_rows_in_the_source_is_no_failure(
    mariadb: PrivateServer, backups: Backups, options: str, by_hand: str
) -> None:
    database = counted(mariadb, options)
    with mariadb.connect() as session:
        session.execute(f"USE {quote(database)}")
        for statement in by_hand.split("; "):
            session.execute(statement)
    proof = verify(backups.take(mariadb, database), Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())


def test_columns_that_a_sequence_counts_are_found_whatever_the_names_are(mariadb: PrivateServer) -> None:
    database, other = mariadb.fresh_database(name="a`.`b"), mariadb.fresh_database()
    with mariadb.connect() as session:
        session.execute(f"CREATE SEQUENCE {quote(other)}.`s``(1)`")
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE SEQUENCE s")
        session.execute(
            "CREATE TABLE t (a INT DEFAULT NEXTVAL(s), b BIGINT UNSIGNED DEFAULT (NEXT VALUE FOR s), c INT DEFAULT 3, "
            "d INT DEFAULT (NEXTVAL(s) + 1), e TEXT DEFAULT NEXTVAL(s), "
            f"f INT DEFAULT NEXTVAL({quote(other)}.`s``(1)`))"
        )
        found = Catalog(session, mariadb.facts, (database,)).counted_by_sequences()
    assert found == [
        CountedColumn(database, "t", "a", (database, "s")),
        CountedColumn(database, "t", "b", (database, "s")),
        CountedColumn(database, "t", "f", (other, "s`(1)")),
    ]
