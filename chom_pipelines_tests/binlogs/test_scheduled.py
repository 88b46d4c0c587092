"""Events of the scheduler have after a replay the status that they had at the source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.format.statements import understand
from chom_pipelines.binlogs.recovery.scheduled import is_of_events, statuses
from chom_pipelines.server.facts import Flavour

ON = {("shop", "e"): "ENABLE"}
OFF = {("shop", "e"): "DISABLE"}


@pytest.mark.parametrize(
    ("before", "sql", "after"),
    [
        ({}, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", ON),
        (
            {},
            "CREATE DEFINER=`a`@`%` EVENT `shop`.`E` ON SCHEDULE EVERY 1 DAY DISABLE COMMENT 'ENABLE' DO DO 1",
            OFF,
        ),
        ({}, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY COMMENT 'x' DO CALL `disable`() /* DISABLE */", ON),
        ({}, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO DO 1", {("shop", "e"): "DISABLE ON SLAVE"}),
        (OFF, "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY ENABLE DO SELECT 1", OFF),
        (OFF, "CREATE OR REPLACE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", ON),
        (OFF, "ALTER EVENT e ON SCHEDULE EVERY 2 DAY STARTS '2026-01-01 ENABLE'", OFF),
        (OFF, "ALTER EVENT shop.e ENABLE", ON),
        (ON, "alter event e disable do select 'enable'", OFF),
        (OFF, "ALTER EVENT e RENAME TO `ENABLE`", {("shop", "enable"): "DISABLE"}),
        (OFF, "ALTER EVENT e RENAME TO other.f ENABLE", {("other", "f"): "ENABLE"}),
        (ON, "DROP EVENT IF EXISTS e", {}),
        (ON, "DROP DATABASE shop", {}),
        (ON, "DROP DATABASE other", ON),
        (ON, "CREATE DATABASE shop", ON),
        (ON, "DROP TABLE shop.e", ON),
    ],
)
def test_statements_of_a_log_tell_which_events_run(
    before: dict[tuple[str, str], str], sql: str, after: dict[tuple[str, str], str]
) -> None:
    statement = understand(sql.encode(), "shop", Flavour.MARIADB)
    assert statuses(before, filter(is_of_events, [statement])) == after


@given(st.lists(st.sampled_from(["ENABLE", "DISABLE", ""])))
def test_the_last_word_on_an_event_counts(words: list[str]) -> None:
    statements = [
        understand(f"ALTER EVENT shop.e ON SCHEDULE EVERY 1 DAY {word}".encode(), "", Flavour.MARIADB) for word in words
    ]
    said = [word for word in words if word]
    assert statuses(ON, statements) == {("shop", "e"): said[-1] if said else "ENABLE"}
