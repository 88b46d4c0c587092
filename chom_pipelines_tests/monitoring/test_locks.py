"""Who holds up whom, on real servers of both families, as it is drawn at 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from chom_pipelines.logical.snapshot import frozen
from chom_pipelines.monitoring.locks.locks import LockPicture, kind_of_state, read_locks
from chom_pipelines.monitoring.locks.ours import whose
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.session import monitoring_session
from chom_pipelines.monitoring.readers.waits import NOBODY_KNOWN, SESSIONLESS, LockKind, SessionSeen
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines_tests.monitoring.pile_ups import TABLE, People, drawn, people, telling, told
from chom_pipelines_tests.servers import PrivateServer

PASSWORD = "Aa-123456789"


@pytest.fixture(scope="module")
def told_by(any_server: PrivateServer) -> Iterator[PrivateServer]:
    with telling(any_server) as server:
        yield server


@pytest.fixture
def shop(told_by: PrivateServer) -> Iterator[tuple[PrivateServer, str, People]]:
    """A server that tells everything, a database with a table of two rows, and people who are ended first."""
    with told_by.scope() as server:
        name = filled(server)
        with people(server) as those:
            yield server, name, those


def filled(server: PrivateServer) -> str:
    name = server.fresh_database()
    with server.connect() as session:
        session.execute(TABLE.format(name))
        session.execute(f"INSERT INTO {name}.orders VALUES (1, 'a'), (2, 'b')")
    return name


def without_times(lines: list[str]) -> list[str]:
    """The tree alone, without for how long."""
    begin = next(number for number, line in enumerate(lines) if re.search(r"sessions? waits?", line))
    tree = (line for line in lines[begin:] if line and not line.startswith(("~", "last: ")))
    return [re.sub(r"\d+\.?\d* s(?=[,;]|$)", "N s", line) for line in tree]


def test_three_who_want_a_row_are_below_the_one_that_has_it(shop: tuple[PrivateServer, str, People]) -> None:
    server, name, those = shop
    first = those.one(f"UPDATE {name}.orders SET note = 'hers' WHERE id = 1")
    second, third = those.one(), those.one()
    those.waits(second, f"UPDATE {name}.orders SET note = 'secret' WHERE id = 1")
    told(server.backup, 1)
    those.waits(third, f"SELECT * FROM {name}.orders WHERE id = 1 FOR UPDATE")
    reading = told(server.backup, 2)
    assert without_times(drawn(reading)) == [
        "2 sessions wait, held up by 1.",
        f"{first.id} root@localhost  {mark(reading, first)}idle N s, transaction N s",
        f"holds up 2 sessions{kill(reading, first)}",
        f"├── {second.id} root@localhost  {mark(reading, second)}N s, transaction N s",
        f"│   waits for a row of {name}.orders, index PRIMARY",
        f"│   UPDATE {name}.orders SET note = ? WHERE id = ?",
        f"└── {third.id} root@localhost  {mark(reading, third)}N s, transaction N s",
        f"    waits for a row of {name}.orders, index PRIMARY",
        f"    SELECT * FROM {name}.orders WHERE id = ? FOR UPDATE",
    ]
    assert any("'secret'" in line for line in drawn(reading, literals=True))


def mark(reading: Reading[LockPicture], session: Session) -> str:
    """What is said of a session of this project's, as those of the tests are."""
    assert reading.value is not None
    return f"{reading.value.ours[session.id].said}  "


def kill(reading: Reading[LockPicture], session: Session) -> str:
    assert reading.value is not None
    return "" if session.id in reading.value.ours else f"; KILL {session.id} ends it"


def test_what_an_idle_blocker_did_last_is_shown_where_the_server_tells(mysql: PrivateServer) -> None:
    name = filled(mysql)
    with people(mysql) as those:
        those.one(f"UPDATE {name}.orders SET note = 'secret' WHERE id = 1")
        those.waits(those.one(), f"UPDATE {name}.orders SET note = 'x' WHERE id = 1")
        assert f"last: UPDATE {name}.orders SET note = ? WHERE id = ?" in drawn(told(mysql.backup, 1))


def test_of_many_who_want_the_same_some_are_drawn_and_the_rest_is_counted(
    shop: tuple[PrivateServer, str, People],
) -> None:
    server, name, those = shop
    those.one(f"UPDATE {name}.orders SET note = 'x' WHERE id = 1")
    for number in range(9):
        those.waits(those.one(), f"UPDATE {name}.orders SET note = '{number}' WHERE id = 1")
    other = those.one()
    those.waits(other, f"DELETE FROM {name}.orders WHERE id = 1")
    lines = drawn(told(server.backup, 10))
    assert "holds up 10 sessions" in lines
    assert sum("waits for a row" in line for line in lines) == 4
    assert any("and 6 more that want the same, for up to " in line for line in lines)
    assert any(f" {other.id} root@localhost" in line for line in lines)


def test_an_alter_behind_an_idle_transaction_and_everybody_behind_the_alter(
    shop: tuple[PrivateServer, str, People],
) -> None:
    server, name, those = shop
    idle = those.one(f"SELECT * FROM {name}.orders")
    alters, reads, writes = those.one(), those.one(), those.one()
    those.waits(alters, f"ALTER TABLE {name}.orders ADD COLUMN w INT DEFAULT 7")
    told(server.backup, 1)
    those.waits(reads, f"SELECT * FROM {name}.orders WHERE note = 'secret'")
    those.waits(writes, f"INSERT INTO {name}.orders (id) VALUES (9)")
    reading = told(server.backup, 3)
    doubt = " ~" if server.facts.is_mariadb else ""
    assert without_times(drawn(reading)) == [
        "3 sessions wait, held up by 1.",
        f"{idle.id} root@localhost  {mark(reading, idle)}idle N s, transaction N s",
        "holds up 3 sessions",
        f"└── {alters.id} root@localhost  {mark(reading, alters)}N s",
        f"    waits to have {name}.orders to itself{doubt}",
        f"    ALTER TABLE {name}.orders ADD COLUMN w INT DEFAULT ?",
        f"    ├── {reads.id} root@localhost  {mark(reading, reads)}N s",
        f"    │   waits to read {name}.orders{doubt}",
        f"    │   SELECT * FROM {name}.orders WHERE note = ?",
        f"    └── {writes.id} root@localhost  {mark(reading, writes)}N s",
        f"        waits to write to {name}.orders{doubt}",
        f"        INSERT INTO {name}.orders (id) VALUES (?)",
    ]


def test_who_locked_a_table_is_above_all_who_want_it(shop: tuple[PrivateServer, str, People]) -> None:
    server, name, those = shop
    locker = those.one(f"LOCK TABLES {name}.orders WRITE", autocommit=True)
    reads, writes = those.one(autocommit=True), those.one(autocommit=True)
    those.waits(reads, f"SELECT * FROM {name}.orders")
    those.waits(writes, f"UPDATE {name}.orders SET note = 'x'")
    assert tree(told(server.backup, 2)) == {reads.id: locker.id, writes.id: locker.id}


def tree(reading: Reading[LockPicture]) -> dict[int, int]:
    """Who is below whom; of one tree."""
    assert reading.value is not None
    [only] = reading.value.trees
    found: dict[int, int] = {}
    left = [only.root]
    while left:
        node = left.pop()
        found |= {child.session: node.session for child in node.children}
        left += node.children
    return found


def test_a_read_lock_of_the_whole_server_is_seen_by_who_connects_under_it(
    shop: tuple[PrivateServer, str, People],
) -> None:
    server, name, those = shop
    locker = those.one("FLUSH TABLES WITH READ LOCK", autocommit=True)
    writes = those.one(autocommit=True)
    those.waits(writes, f"UPDATE {name}.orders SET note = 'x'")
    reading = told(server.backup, 1)
    assert tree(reading) == {writes.id: locker.id}
    assert reading.value is not None
    assert {wait.kind for wait in reading.value.waits} == {LockKind.GLOBAL}


def test_a_lock_by_name_is_seen_and_its_name_is_a_value_of_somebody(shop: tuple[PrivateServer, str, People]) -> None:
    server, _, those = shop
    first = those.one("SELECT GET_LOCK('user 42', 0)", autocommit=True)
    second = those.one(autocommit=True)
    those.waits(second, "SELECT GET_LOCK('user 42', 60)")
    reading = told(server.backup, 1)
    assert tree(reading) == {second.id: first.id}
    assert any("waits for a lock by name" in line for line in drawn(reading))
    assert not any("user 42" in line for line in drawn(reading))
    assert any("user 42" in line for line in drawn(reading, literals=True))


def test_a_prepared_transaction_without_a_session_is_told_apart_from_what_is_not_known(
    shop: tuple[PrivateServer, str, People],
) -> None:
    server, name, those = shop
    change = f"UPDATE {name}.orders SET note = 'x' WHERE id = 1"
    with server.connect() as gone:
        for statement in ("XA START 'left'", change, "XA END 'left'", "XA PREPARE 'left'"):
            gone.execute(statement)
    waits = those.one()
    those.waits(waits, change)
    try:
        reading = told(server.backup, 1)
    finally:
        with server.connect() as root:
            root.execute("XA ROLLBACK 'left'")
    assert tree(reading) == {waits.id: SESSIONLESS}
    assert reading.value is not None
    assert reading.value.is_whole
    assert "a transaction without a session  holds up 1 session" in drawn(reading)


def test_our_own_backup_is_named_as_the_one_that_holds_up_writers(shop: tuple[PrivateServer, str, People]) -> None:
    server, name, those = shop
    writer, changer = those.one(autocommit=True), those.one(autocommit=True)
    seen: list[Reading[LockPicture]] = []

    def begin(seconds: float) -> list[list[list[str]]]:
        del seconds
        those.waits(writer, f"UPDATE {name}.orders SET note = 'x'")
        those.waits(changer, f"ALTER TABLE {name}.orders ADD COLUMN w INT")
        seen.append(told(server.backup, 2))
        return []

    with Session(server.backup, purpose="backup") as dump:
        frozen(dump, server.facts, begin)  # a real dump's, at the moment at which it holds everybody up
        assert tree(seen[0]) == {writer.id: dump.id, changer.id: dump.id}
        lines = drawn(seen[0])
    root = next(line for line in lines if line.startswith(str(dump.id)))
    assert "chom_backup@127.0.0.1" in root
    assert "our own chom backup" in root
    assert not any("KILL" in line for line in lines)


def test_ddl_behind_the_lock_that_a_dump_of_mysql_keeps_is_shown_below_it(mysql: PrivateServer) -> None:
    name = filled(mysql)
    with Session(mysql.backup, purpose="backup") as dump, people(mysql) as those:
        dump.execute("LOCK INSTANCE FOR BACKUP")
        changer = those.one(autocommit=True)
        those.waits(changer, f"ALTER TABLE {name}.orders ADD COLUMN w INT")
        assert tree(told(mysql.backup, 1)) == {changer.id: dump.id}


def test_sessions_in_a_circle_are_told_to_be_in_one(shop: tuple[PrivateServer, str, People]) -> None:
    server, name, those = shop
    with server.connect() as session:
        session.execute(f"CREATE TABLE {name}.users (id INT PRIMARY KEY)")
    one = those.one(f"UPDATE {name}.orders SET note = 'x' WHERE id = 1")
    two = those.one(f"SELECT * FROM {name}.users")
    alters = those.one()
    those.waits(alters, f"ALTER TABLE {name}.users ADD COLUMN w INT")
    told(server.backup, 1)
    those.waits(two, f"UPDATE {name}.orders SET note = 'y' WHERE id = 1")
    told(server.backup, 2)
    those.waits(one, f"SELECT * FROM {name}.users")  # neither kind of lock knows of the other one's waits
    reading = told(server.backup, 3)
    assert reading.value is not None
    [circle] = reading.value.trees
    assert set(circle.circle) == {one.id, two.id, alters.id}
    assert any("is in a circle" in line for line in drawn(reading, width=120))


def test_an_idle_transaction_is_told_of_before_anybody_waits_for_it(
    shop: tuple[PrivateServer, str, People], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name, those = shop
    monkeypatch.setattr("chom_pipelines.monitoring.locks.locks._LONG_SECONDS", 0)
    idle = those.one(f"UPDATE {name}.orders SET note = 'x'")
    lines = drawn(told(server.backup, 0))
    assert "Nobody waits for a lock." in lines
    assert any(line.startswith(f"{idle.id} root@localhost") for line in lines)


def test_a_mariadb_without_the_plugin_shows_who_waits_and_how_to_learn_for_whom(mariadb: PrivateServer) -> None:
    name = filled(mariadb)
    with people(mariadb) as those:
        idle = those.one(f"SELECT * FROM {name}.orders")
        alters, reads = those.one(), those.one()
        those.waits(alters, f"ALTER TABLE {name}.orders ADD COLUMN w INT")
        told(mariadb.backup, 1)
        those.waits(reads, f"SELECT * FROM {name}.orders")
        reading = told(mariadb.backup, 2)
    assert tree(reading) == {alters.id: NOBODY_KNOWN, reads.id: NOBODY_KNOWN}
    lines = drawn(reading)
    assert "  INSTALL SONAME 'metadata_lock_info';" in lines
    assert "not known who  holds up 2 sessions" in lines
    assert any(line.startswith(f"perhaps {idle.id} root@localhost") for line in lines)


def test_who_could_hold_a_table_by_lock_tables_is_named_where_the_server_does_not_tell(mariadb: PrivateServer) -> None:
    """Without a transaction: an innocent one that is idle must not stand there alone."""
    name = filled(mariadb)
    with people(mariadb) as those:
        holder = those.one(f"LOCK TABLES {name}.orders WRITE")
        innocent = those.one("SELECT 1 FROM mysql.innodb_table_stats LIMIT 1")
        reads = those.one()
        those.waits(reads, f"SELECT * FROM {name}.orders")
        lines = drawn(told(mariadb.backup, 1))
        holder.execute("UNLOCK TABLES")
    perhaps = {line.split()[1] for line in lines if line.startswith("perhaps ")}
    assert {str(holder.id), str(innocent.id)} <= perhaps
    assert "1 session waits." in lines


def low(server: PrivateServer, *grants: str) -> Endpoint:
    """An account with these privileges, for a test."""
    with server.connect() as root:
        root.execute("DROP USER IF EXISTS low@'%'")
        root.execute(f"CREATE USER low@'%' IDENTIFIED BY '{PASSWORD}'")
        for grant in grants:
            root.execute(f"GRANT {grant} TO low@'%'")
    return Endpoint("low", "low", PASSWORD, host=server.backup.host, port=server.backup.port)


def read_anew(account: Endpoint) -> Reading[LockPicture]:
    session, facts = monitoring_session(account)
    with session:
        return read_locks(session, facts, account.user)


def test_who_sees_no_processes_is_told_so_and_never_that_nobody_waits(shop: tuple[PrivateServer, str, People]) -> None:
    server, name, those = shop
    those.one(f"UPDATE {name}.orders SET note = 'x' WHERE id = 1")
    those.waits(those.one(), f"UPDATE {name}.orders SET note = 'y' WHERE id = 1")
    told(server.backup, 1)
    reading = read_anew(low(server))
    assert reading.value is None
    lines = drawn(reading)
    assert "  GRANT PROCESS ON *.* TO `low`@`%`;" in lines
    assert any(line.startswith("who waits for a lock: not known") for line in lines)
    assert not any("Nobody" in line for line in lines)


def test_what_is_lacking_is_mended_by_the_statements_that_are_printed(shop: tuple[PrivateServer, str, People]) -> None:
    server, name, those = shop
    holds = those.one(f"SELECT * FROM {name}.orders")
    alters = those.one()
    those.waits(alters, f"ALTER TABLE {name}.orders ADD COLUMN w INT")
    told(server.backup, 1)
    account, printed = low(server), []
    while (reading := read_anew(account)).lacks:
        with server.connect() as root:
            for lack in reading.lacks:
                assert lack.remedy not in printed
                printed.append(lack.remedy)
                root.execute(lack.remedy)
    expected = {"GRANT PROCESS ON *.* TO `low`@`%`;"}
    expected |= set() if server.facts.is_mariadb else {"GRANT SELECT ON `performance_schema`.* TO `low`@`%`;"}
    assert expected <= set(printed)
    assert tree(reading) == {alters.id: holds.id}


def test_with_processes_alone_a_mysql_tells_who_waits_and_not_for_whom(mysql: PrivateServer) -> None:
    name = filled(mysql)
    with people(mysql) as those:
        those.one(f"UPDATE {name}.orders SET note = 'x' WHERE id = 1")
        waits = those.one()
        those.waits(waits, f"UPDATE {name}.orders SET note = 'y' WHERE id = 1")
        reading = told(low(mysql, "PROCESS ON *.*"), 1)
    assert tree(reading) == {waits.id: NOBODY_KNOWN}
    assert [lack.remedy for lack in reading.lacks] == ["GRANT SELECT ON `performance_schema`.* TO `low`@`%`;"]


def seen(user: str, program: str | None, statement: str = "") -> SessionSeen:
    return SessionSeen(7, user, "localhost", None, "Sleep", "", 1.0, statement, None, program)


@pytest.mark.parametrize(
    ("session", "holds", "said"),
    [
        (seen("root", "chom backup"), False, "our own chom backup"),
        (seen("root", "chom"), False, "our own chom"),
        (seen("root", "chomp"), False, None),
        (seen("chom_backup", "mysql"), True, None),
        (seen("chom_backup", None), False, "probably our own chom"),
        (seen("chom_backup", None), True, "probably our own chom backup"),
        (seen("chom_backup", None, "BACKUP STAGE BLOCK_COMMIT"), False, "probably our own chom backup"),
        (seen("chom_backup", "mariadb-backup"), True, "probably our own chom backup (mariadb-backup)"),
        (seen("app", None, "FLUSH TABLES WITH READ LOCK"), True, None),
    ],
)
def test_what_is_ours_is_known_by_its_program_and_else_by_its_account(
    session: SessionSeen, holds: object, said: str | None
) -> None:
    mark = whose(session, "chom_backup", holds_the_server=bool(holds))
    assert (mark.said if mark else None) == said


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Waiting for table metadata lock", LockKind.METADATA),
        ("Waiting for schema metadata lock", LockKind.METADATA),
        ("Waiting for table flush", LockKind.GLOBAL),
        ("Waiting for backup lock", LockKind.GLOBAL),
        ("Waiting for global read lock", LockKind.GLOBAL),
        ("Waiting for commit lock", LockKind.GLOBAL),
        ("Waiting for table level lock", LockKind.TABLE),
        ("User lock", LockKind.USER),
        ("Waiting for work from SQL thread", None),
        ("Waiting for source to send event", None),
        ("Updating", None),
        ("", None),
    ],
)
def test_states_that_are_waits_for_locks(state: str, kind: LockKind | None) -> None:
    assert kind_of_state(state) is kind
