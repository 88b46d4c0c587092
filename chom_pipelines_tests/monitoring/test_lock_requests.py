"""Who waits for whom by metadata locks: as the servers grant them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.monitoring.locks.lock_requests import Request, metadata_waits, wanted_by
from chom_pipelines.monitoring.readers.waits import LockKind


def pairs(*requests: Request) -> set[tuple[int, int]]:
    return {(wait.waiter, wait.blocker) for wait in metadata_waits(requests)}


def held(session: int, mode: str, scope: str = "TABLE", name: str = "shop.orders") -> Request:
    return Request(session, scope, name, mode, is_granted=True)


def asked(session: int, mode: str, scope: str = "TABLE", name: str = "shop.orders") -> Request:
    return Request(session, scope, name, mode, is_granted=False)


_modes = st.sampled_from(["SHARED_READ", "SHARED_WRITE", "SHARED_UPGRADABLE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"])
_requests = st.lists(st.builds(Request, st.integers(1, 5), st.just("TABLE"), st.just("t"), _modes, st.booleans()))


@given(_requests)
def test_nobody_waits_for_itself_and_nobody_whose_locks_are_granted_waits(requests: list[Request]) -> None:
    asking = {each.session for each in requests if not each.is_granted}
    for wait in metadata_waits(requests):
        assert wait.waiter != wait.blocker
        assert wait.waiter in asking


def test_who_reads_waits_for_an_alter_that_waits_for_an_open_transaction() -> None:
    found = pairs(held(1, "SHARED_READ"), held(2, "SHARED_UPGRADABLE"), asked(2, "EXCLUSIVE"), asked(3, "SHARED_READ"))
    assert found == {(2, 1), (3, 2)}


def test_who_reads_does_not_wait_for_who_reads_or_writes() -> None:
    assert pairs(held(1, "SHARED_READ"), held(2, "SHARED_WRITE"), asked(3, "SHARED_READ")) == set()


def test_a_second_alter_waits_for_the_first_one() -> None:
    assert pairs(held(1, "SHARED_UPGRADABLE"), asked(2, "SHARED_UPGRADABLE")) == {(2, 1)}


def test_another_table_is_another_lock() -> None:
    assert pairs(held(1, "EXCLUSIVE", name="shop.users"), asked(2, "SHARED_READ")) == set()


def test_who_writes_waits_for_the_lock_of_the_whole_server_and_for_who_asks_for_it() -> None:
    waits = list(metadata_waits([held(1, "SHARED", "GLOBAL", ""), asked(2, "INTENTION_EXCLUSIVE", "GLOBAL", "")]))
    assert [(each.waiter, each.blocker, each.kind) for each in waits] == [(2, 1, LockKind.GLOBAL)]
    behind = (
        held(1, "INTENTION_EXCLUSIVE", "GLOBAL", ""),
        asked(2, "SHARED", "GLOBAL", ""),
        asked(3, "INTENTION_EXCLUSIVE", "GLOBAL", ""),
    )
    assert pairs(*behind) == {(2, 1), (3, 2)}


@pytest.mark.parametrize(
    ("statement", "mode"),
    [
        ("select 1 from t", "SHARED_READ"),
        ("SELECT * FROM t FOR UPDATE", "SHARED_WRITE"),
        (" INSERT INTO t VALUES (1)", "SHARED_WRITE"),
        ("ALTER TABLE t ADD c INT", "EXCLUSIVE"),
        ("LOCK TABLES t WRITE", "SHARED_NO_READ_WRITE"),
        ("LOCK TABLES t READ", "SHARED_READ_ONLY"),
        ("", "SHARED_READ"),
    ],
)
def test_what_a_statement_is_about_to_ask_for(statement: str, mode: str) -> None:
    assert wanted_by(statement) == mode
