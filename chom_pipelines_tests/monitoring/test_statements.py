"""Statements that run too long, and digests: what is told, what is lacking, and that no user's value is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chom_pipelines.monitoring.console.screen_queries import queries
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.monitoring.readers.statements import Digest, read_digests, read_running, since
from chom_pipelines.monitoring.readers.waits import SessionSeen
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.monitoring.pile_ups import PATIENCE, lines_of, people, telling
from chom_pipelines_tests.monitoring.test_locks import low
from chom_pipelines_tests.servers import PrivateServer

DIGEST = Digest("d1", "shop", "SELECT ?", 10, 2.0, 0.5, 100, 10, 0, 0)


@pytest.fixture(scope="module")
def told_by(any_server: PrivateServer) -> Iterator[PrivateServer]:
    with telling(any_server) as server:
        yield server


def test_a_statement_that_runs_is_shown_without_its_values(told_by: PrivateServer) -> None:
    session, facts = monitoring_session(told_by.backup)
    with session, people(told_by) as those:
        sleeper = those.one(autocommit=True)
        those.waits(sleeper, "SELECT SLEEP(60), 'secret' /* of Zoe */")
        end = time.monotonic() + PATIENCE
        while not (reading := read_running(session, facts, 0.3)).value:
            assert time.monotonic() < end, reading
            time.sleep(0.05)  # until the statement has run for so long
        digests = read_digests(session, facts)
    shown = lines_of(queries(reading, digests, slow=0.3, literals=False))
    assert [each.id for each in reading.value] == [sleeper.id]
    assert "  SELECT SLEEP(?), ?" in shown
    assert not any("secret" in line or "Zoe" in line for line in shown)
    assert any("'secret'" in line for line in lines_of(queries(reading, digests, slow=0.3, literals=True)))


def test_statements_of_one_form_are_counted_together_and_their_values_are_not_kept(told_by: PrivateServer) -> None:
    name = told_by.fresh_database()
    session, facts = monitoring_session(told_by.backup)
    with session, told_by.connect() as work:
        work.execute(f"CREATE TABLE {name}.orders (id INT, note TEXT)")
        work.execute(f"INSERT INTO {name}.orders VALUES (1, 'a'), (2, 'b')")
        work.execute(f"USE {name}")
        before = read_digests(session, facts).value
        for number in range(5):
            work.rows(f"SELECT note FROM orders WHERE id = {number} OR note = 'secret {number}'")
        reading = read_digests(session, facts)
    assert before is not None
    assert reading.value is not None
    [found] = [each for each in since(reading.value, before) if each.database == name]
    assert (found.count, found.rows_examined, found.without_index, found.errors) == (5, 10, 5, 0)
    assert found.total > 0
    assert "secret" not in (found.text or "")
    assert (found.p95 is None) == facts.is_mariadb
    nothing_runs: Reading[tuple[SessionSeen, ...]] = Reading("running", (), 0.0)
    lines = lines_of(queries(nothing_runs, reading, slow=1, literals=False, before=before))
    assert any("no index" in line for line in lines)


def test_a_mariadb_without_performance_schema_says_what_to_set(mariadb: PrivateServer) -> None:
    session, facts = monitoring_session(mariadb.backup)
    with session:
        reading = read_digests(session, facts)
    assert (reading.value, [lack.remedy for lack in reading.lacks]) == (None, ["[mariadbd]\nperformance_schema=ON"])


def test_without_its_privileges_nothing_is_told_and_the_grants_are(told_by: PrivateServer) -> None:
    session, facts = monitoring_session(low(told_by))
    with session:
        running, digests = read_running(session, facts, 0), read_digests(session, facts)
    assert (running.value, digests.value) == (None, None)
    assert [lack.remedy for lack in running.lacks] == ["GRANT PROCESS ON *.* TO `low`@`%`;"]
    assert [lack.remedy for lack in digests.lacks] == ["GRANT SELECT ON `performance_schema`.* TO `low`@`%`;"]
    lines = lines_of(queries(running, digests, slow=1, literals=False))
    assert sum("not known" in line for line in lines) == 2


def test_where_the_consumer_of_digests_is_off_the_statement_that_mends_it_is_told(told_by: PrivateServer) -> None:
    switch = "UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'"
    session, facts = monitoring_session(told_by.backup)
    with session, told_by.connect() as root:
        root.execute(switch)
        [lack] = read_digests(session, facts).lacks
        root.execute(lack.remedy)
        assert read_digests(session, facts).succeeded


@pytest.mark.parametrize("flavour", Flavour)
def test_a_slow_statement_of_the_monitor_itself_ends(
    flavour: Flavour, mariadb_server: PrivateServer, mysql_server: PrivateServer
) -> None:
    server = mariadb_server if flavour is Flavour.MARIADB else mysql_server
    session, _ = monitoring_session(server.backup, 0.2)
    with session:
        assert session.value("SELECT @@lock_wait_timeout") == 2
        limit = "max_statement_time" if flavour is Flavour.MARIADB else "max_execution_time"
        assert float(session.value(f"SELECT @@{limit}")) > 0


def test_what_came_since_is_the_difference() -> None:
    later = replace(DIGEST, count=14, total=3.0, rows_examined=140)
    [found] = since([later], [DIGEST])
    assert (found.count, found.total, found.rows_examined, found.mean) == (4, 1.0, 40, 0.25)


def test_what_did_not_run_since_is_left_out_and_what_is_new_is_whole() -> None:
    new = replace(DIGEST, id="d2", total=9.0)
    assert since([DIGEST, new], [DIGEST]) == (new,)


def test_a_table_of_digests_that_was_emptied_is_counted_from_its_begin() -> None:
    fewer = replace(DIGEST, count=3, total=0.5)
    assert since([fewer], [DIGEST]) == (fewer,)
