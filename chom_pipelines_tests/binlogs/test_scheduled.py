"""Events of the scheduler have after a replay the status that they had at the source."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.binlogs.format.event_clauses import EventClauses
from chom_pipelines.binlogs.format.statements import understand
from chom_pipelines.binlogs.recovery.scheduled import is_of_events, same, statuses
from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_replay import noted, recovered
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer

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
        (ON, "ALTER DEFINER=app@127.0.0.1 EVENT shop.e DISABLE", OFF),
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


NAMES = st.one_of(
    st.sampled_from(["e", "comment", "ENABLE", "disable", "rename", "Größe", "on_", "e1"]),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).map(
        lambda name: "`" + name.replace("`", "``") + "`"
    ),
    st.sampled_from(["`do`", "`e``do`", "`what to do`", "`x comment y`", "`DISABLE`", "`/* do */`", "`-- do`"]),
)
DEFINERS = st.sampled_from(["", "DEFINER=`do`@`localhost`", "DEFINER = 'comment' @ \"do\"", "DEFINER=CURRENT_USER()"])
SCHEDULES = st.sampled_from(
    [
        "ON SCHEDULE EVERY 1 DAY",
        "ON SCHEDULE AT '2037-01-01 DISABLE' + INTERVAL 1 DAY",
        "ON SCHEDULE EVERY '1:2' HOUR_MINUTE STARTS CURRENT_TIMESTAMP + INTERVAL (1 + enable(2)) DAY ENDS @disable",
        "ON SCHEDULE AT disable(enable.`do`(), x.disable()) + INTERVAL @`enable` DAY",
    ]
)
COMPLETIONS = st.sampled_from(["", "ON COMPLETION PRESERVE", "ON COMPLETION NOT PRESERVE"])
WORDS = {"ENABLE": "ENABLE", "disable": "DISABLE", "Disable ON slave": "DISABLE ON SLAVE", "": ""}
COMMENTS = st.sampled_from(["", "COMMENT 'ENABLE do'", 'COMMENT "its DISABLE"', r"COMMENT 'a\' DISABLE'"])
BODIES = st.sampled_from(["DO SET @x = 1", "DO BEGIN DO 1; ALTER EVENT e DISABLE; END", "do call `disable`()"])
GAPS = st.sampled_from([" ", "\n", "/* DO DISABLE */", f" /* {'x' * 1500} */ ", "\t-- ENABLE do\n", " # DISABLE\n"])


@st.composite
def events(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """A statement, the event's name in it, its new name or "", and the status that it says."""
    name, is_new = draw(NAMES), draw(st.booleans())
    renamed = "" if is_new else draw(st.one_of(st.just(""), NAMES))
    status = draw(st.sampled_from(sorted(WORDS)))
    body = draw(BODIES) if is_new else draw(st.one_of(st.just(""), BODIES))
    schedule = draw(SCHEDULES) if is_new else draw(st.one_of(st.just(""), SCHEDULES))
    parts = [
        *(["CREATE"] if is_new else ["ALTER"]),
        draw(DEFINERS),
        "EVENT",
        draw(st.sampled_from(["", "shop.", "`shop` . "])) + name,
        schedule,
        draw(COMPLETIONS),
        f"RENAME{draw(GAPS)}TO {renamed}" if renamed else "",
        status,
        draw(COMMENTS),
        body,
    ]
    gaps = iter(lambda: draw(GAPS), None)
    text = "".join(f"{gap}{part}" for gap, part in zip(gaps, filter(None, parts), strict=False))
    return text, name, renamed, WORDS[status]


def said(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


@given(events(), st.sampled_from(list(Flavour)))
def test_clauses_are_told_from_all_that_looks_like_them(event: tuple[str, str, str, str], flavour: Flavour) -> None:
    text, name, renamed, status = event
    found = understand(text.encode(), "shop", flavour)
    assert found.tables == (("shop", said(name)),)
    assert found.event == EventClauses(status, ("shop", said(renamed)) if renamed else None)


LETTERS = "eéÉêEsßSåaøoØOæñnçœlŁłdđтТеёЁЕςσΣάαΑıiIİ각간กกิककि日本ẽ"  # noqa: RUF001  (some look alike)


def test_names_are_one_to_this_program_where_they_are_to_a_server(server: PrivateServer) -> None:
    database, seen = server.fresh_database(), set()
    count = f"SELECT COUNT(*) FROM information_schema.events WHERE event_schema = '{database}'"
    with server.connect() as session:
        session.execute("SET NAMES utf8mb4")
        for name in (*LETTERS, "กิ", "कि"):
            seen.add(same(name))
            session.execute(f"CREATE EVENT IF NOT EXISTS {database}.`{name}` ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1")
            assert session.value(count) == len(seen), name


@pytest.mark.parametrize("flavour", Flavour)
def test_events_have_their_statuses_after_a_replay(flavour: Flavour, tmp_path: Path) -> None:
    asking = (
        "SELECT event_schema, event_name, status FROM information_schema.events "
        "WHERE event_schema <> 'sys' ORDER BY event_schema, event_name"
    )
    daily, far = "ON SCHEDULE EVERY 1 DAY", f"/* {'x' * 1500} */"
    with archived_server(flavour) as server:
        archived = Archive(server, Backups(tmp_path / "archive"))
        archived.work(f"CREATE EVENT shop.old {daily} DISABLE DO DO 1", f"CREATE EVENT shop.alt {daily} DO DO 1")
        archived.backups.take(server)
        archived.work(
            "CREATE DATABASE more",
            "USE shop",
            f"CREATE EVENT `to-do` {daily} DISABLE DO DO 1",
            f"CREATE EVENT comment {daily} DISABLE DO DO 1",
            f"CREATE EVENT `x comment y` {daily} DISABLE DO DO 1",
            f"CREATE EVENT `e``do` {daily} DISABLE DO DO 1",
            f"CREATE EVENT ev {daily} DISABLE DO DO 1",
            "ALTER EVENT ev RENAME TO `do`",
            f"CREATE DEFINER = `do`@`localhost` EVENT odd {daily} DISABLE DO DO 1",
            f"CREATE EVENT {far} l1 {daily} DO DO 1",
            f"CREATE EVENT l2 ON SCHEDULE {far} EVERY 1 DAY DISABLE COMMENT '{'ENABLE ' * 9}' DO DO 1",
            f"CREATE EVENT l3 {daily} COMMENT '{'c' * 60}' DO SELECT '{'c' * 1500}'",
            f"ALTER {far} EVENT l3 DISABLE",
            f"CREATE EVENT l4 {daily} DISABLE DO DO 1",
            f"ALTER EVENT l4 {far} ENABLE",
            "ALTER EVENT ALT RENAME TO more.alt2 DISABLE",
            "ALTER EVENT old ENABLE",
            "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
            """CREATE EVENT "a\\" ON SCHEDULE EVERY '1' DAY DISABLE COMMENT 'b\\' DO SELECT 'DO'""",
        )
        place = noted(archived)
        with server.connect() as session:
            wanted = session.rows(asking)
        archived.archive()
        (tmp_path / "files").mkdir()
        _, found = recovered(archived, place.place, Route.REPLICATION, tmp_path / "files", asking=asking)
    assert found == tuple(wanted)
