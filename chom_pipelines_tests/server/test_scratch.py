"""Private servers: they answer, they are private, and nothing of them is left whatever ends them.

The ends that a test's own process would not survive happen to a process of their own: it starts a server, prints its
directories and process ids, and is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from chom_pipelines.errors import AccessDeniedError, ProgramMissingError, ScratchServerError
from chom_pipelines.server import claimed_directories
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.empty_datadirs import create_datadir
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import server_program
from chom_pipelines.server.scratch import (
    ScratchServer,
    as_replica,
    free_port,
    listening_on,
    scratch_server,
    start_scratch_server,
    with_binary_log,
)
from chom_pipelines_tests.servers import PrivateServer

FLAVOURS = pytest.mark.parametrize("flavour", Flavour)
PATIENCE = 60.0


@dataclass(frozen=True)
class Trace:
    """What would be left of a server: its process and its two directories."""

    pid: int
    home: Path
    store: Path

    @classmethod
    def of(cls, server: ScratchServer) -> Trace:
        return cls(int((server.log.parent / "pid").read_text()), server.log.parent, server.directory.parent)

    @property
    def alive(self) -> bool:
        try:
            return "State:\tZ" not in Path(f"/proc/{self.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False

    @property
    def left(self) -> list[str]:
        return [str(path) for path in (self.home, self.store) if path.exists()] + [str(self.pid)] * self.alive

    def assert_gone(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while self.left and time.monotonic() < give_up:
            time.sleep(0.02)  # its processes are not children of this one
        assert not self.left


OWNER = """
import sys, time
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server, start_scratch_server
from chom_pipelines_tests.server.test_scratch import Trace
def wait(server):
    trace = Trace.of(server)
    print(trace.pid, trace.home, trace.store, flush=True)
    time.sleep(600)  # until it is killed
"""
IN_A_BLOCK = (
    OWNER
    + """
with scratch_server(Flavour(sys.argv[1])) as server:
    wait(server)
"""
)
IN_NO_BLOCK = (
    OWNER
    + """
wait(start_scratch_server(Flavour(sys.argv[1])))
"""
)


@contextmanager
def owner(flavour: Flavour, script: str = IN_A_BLOCK) -> Iterator[tuple[subprocess.Popen[str], Trace]]:
    """A process that owns a server and waits."""
    command = [sys.executable, "-c", script, flavour.value]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            pid, home, store = process.stdout.readline().split()
            trace = Trace(int(pid), Path(home), Path(store))
            assert len(trace.left) == 3
            yield process, trace
        finally:
            process.kill()


def supervisor_of(trace: Trace) -> int:
    status = Path(f"/proc/{trace.pid}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


@pytest.fixture(scope="module", params=list(Flavour))
def served(request: pytest.FixtureRequest) -> Iterator[ScratchServer]:
    """One of each family, for what is true of all of them."""
    with scratch_server(request.param) as server:
        assert server.facts.flavour is request.param
        yield server


def test_it_answers_as_the_family_that_was_asked_for(served: ScratchServer) -> None:
    assert served.facts.version == server_program(served.facts.flavour).version
    with Session(served.endpoint) as session:
        assert session.value("SELECT CURRENT_USER()") == "root@localhost"


def test_it_logs_nothing_binary_and_runs_no_events_but_takes_them(served: ScratchServer) -> None:
    assert not served.facts.logs_binary
    assert served.facts.accepts_local_files
    with Session(served.endpoint) as session:
        session.execute("CREATE DATABASE d")
        session.execute("CREATE TABLE d.t (n INT)")
        session.execute("CREATE EVENT d.e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO d.t VALUES (1)")
        assert served.facts.variables["event_scheduler"] == "OFF"
        assert session.rows("SELECT 1 FROM information_schema.processlist WHERE user = 'event_scheduler'") == []


def test_only_its_own_user_can_reach_it(served: ScratchServer) -> None:
    with Session(served.endpoint) as session:
        assert session.value("SELECT @@skip_networking") == 1
    assert served.log.parent.stat().st_mode & 0o777 == 0o700
    assert served.directory.parent.stat().st_mode & 0o777 == 0o700


@FLAVOURS
def test_with_a_port_root_still_needs_the_socket(flavour: Flavour) -> None:
    port = free_port()
    over_tcp = Endpoint("over TCP", "root", "", host="127.0.0.1", port=port)
    with scratch_server(flavour, options=listening_on(port)) as server:
        assert server.facts.variables["port"] == str(port)
        with pytest.raises(AccessDeniedError):
            Session(over_tcp)


def test_a_version_other_than_productions_is_told(mariadb: PrivateServer) -> None:
    version = mariadb.facts.version
    with scratch_server(Flavour.MARIADB, version=version) as same:
        assert same.differs is None
    with scratch_server(Flavour.MARIADB, version=(10, 6, 1)) as other:
        assert other.differs == f"{mariadb.facts.label}, not 10.6.1"


@pytest.mark.long_on_mysql
@FLAVOURS
def test_two_at_a_time_do_not_meet(flavour: Flavour) -> None:
    with scratch_server(flavour) as one, scratch_server(flavour) as two:
        with Session(one.endpoint) as session:
            session.execute("CREATE DATABASE only_in_one")
        with Session(two.endpoint) as session:
            assert session.rows("SHOW DATABASES LIKE 'only_in_one'") == []
        if flavour is Flavour.MYSQL:
            assert one.facts.server_uuid != two.facts.server_uuid


@pytest.mark.long_on_mysql
@FLAVOURS
def test_options_that_count_at_birth_are_there_from_birth(flavour: Flavour) -> None:
    with scratch_server(flavour, options=["--lower-case-table-names=1"]) as server:
        assert server.facts.variables["lower_case_table_names"] == "1"
    with scratch_server(flavour) as server:
        assert server.facts.variables["lower_case_table_names"] == "0"


@pytest.mark.long_on_mysql
@FLAVOURS
def test_nothing_is_left_after_the_block(flavour: Flavour) -> None:
    with scratch_server(flavour) as server:
        trace = Trace.of(server)
        assert len(trace.left) == 3
    assert not trace.left


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_after_an_exception(interruption: type[BaseException]) -> None:
    traces = []

    def work() -> None:
        with scratch_server(Flavour.MARIADB) as server:
            traces.append(Trace.of(server))
            raise interruption

    with pytest.raises(interruption):
        work()
    assert [trace.left for trace in traces] == [[]]


def test_a_server_outlives_the_thread_that_started_it() -> None:
    with ExitStack() as stack:
        with ThreadPoolExecutor(1) as pool:
            server = pool.submit(stack.enter_context, scratch_server(Flavour.MARIADB)).result()
        with Session(server.endpoint) as session:
            assert session.value("SELECT 1") == 1


@pytest.mark.long_on_mysql
@FLAVOURS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_when_a_signal_ends_the_owner(flavour: Flavour, number: signal.Signals) -> None:
    with owner(flavour) as (process, trace):
        process.send_signal(number)
        process.wait(PATIENCE)
        trace.assert_gone()


def test_nothing_is_left_when_the_owners_process_group_is_killed() -> None:
    command = [sys.executable, "-c", IN_A_BLOCK, "mariadb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        pid, home, store = process.stdout.readline().split()
        os.killpg(process.pid, signal.SIGKILL)
        Trace(int(pid), Path(home), Path(store)).assert_gone()


def test_a_server_dies_with_its_supervisor() -> None:
    with scratch_server(Flavour.MARIADB) as server:
        trace = Trace.of(server)
        os.kill(supervisor_of(trace), signal.SIGKILL)
    trace.assert_gone()


def test_what_a_killed_supervisor_and_owner_leave_the_next_run_removes() -> None:
    with owner(Flavour.MARIADB) as (process, trace):
        supervisor = supervisor_of(trace)
        process.send_signal(signal.SIGSTOP)  # so that it cannot tidy up
        os.kill(supervisor, signal.SIGKILL)
        process.kill()
        process.wait(PATIENCE)
        give_up = time.monotonic() + PATIENCE
        while trace.alive and time.monotonic() < give_up:
            time.sleep(0.02)  # while it dies it may still write there
        # a test beside this one that starts a server just now may be removing them, and leave that to the next
        while trace.left and time.monotonic() < give_up:
            with scratch_server(Flavour.MARIADB):
                pass
        assert not trace.left


def test_a_living_server_keeps_its_directories_when_others_start() -> None:
    with scratch_server(Flavour.MARIADB) as server:
        trace = Trace.of(server)
        claimed_directories.remove_abandoned(trace.home.parent)
        assert len(trace.left) == 3


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        monkeypatch.setattr("chom_pipelines.server.scratch.MEMORY", Path(place))
        monkeypatch.setattr(claimed_directories, "MEMORY", Path(place))
        with (
            pytest.raises(ScratchServerError, match="no-such-option"),
            scratch_server(Flavour.MARIADB, options=["--no-such-option"]),
        ):
            pass
        assert list(Path(place).iterdir()) == []


def test_a_server_that_dies_half_way_is_noticed_and_leaves_nothing() -> None:
    with scratch_server(Flavour.MARIADB) as server:
        trace = Trace.of(server)
        os.kill(trace.pid, signal.SIGKILL)
    assert not trace.left


def test_data_that_do_not_fit_in_memory_go_to_the_given_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)  # no socket's path could be in it
    deep.mkdir()
    half_of_memory = claimed_directories.available_memory() // 2
    with scratch_server(Flavour.MARIADB, directory=deep, expected_bytes=half_of_memory) as server:
        assert deep in server.directory.parents
    assert list(deep.iterdir()) == []


def test_data_that_fit_nowhere_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with (
        pytest.raises(ScratchServerError, match="needs about"),
        scratch_server(
            Flavour.MARIADB,
            directory=tmp_path,
            expected_bytes=1 << 60,
        ),
    ):
        pass


def environment_of(pid: int) -> dict[str, str]:
    """The variables that a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


@pytest.mark.parametrize("flavour", Flavour)
def test_no_secret_of_the_environment_reaches_it(flavour: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOM_PASSWORD", "secret")
    monkeypatch.setenv("TZ", "UTC")
    with scratch_server(flavour) as server:
        pid = int((server.log.parent / "pid").read_text())
        supervisor = psutil.Process(pid).ppid()
        for found in (environment_of(pid), environment_of(supervisor)):
            named = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
            # Python adds LC_CTYPE in the C locale, and a shell the rest, where the program is started by a script
            assert found.keys() <= named | {"LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_"}
            assert (found["TZ"], found["PATH"]) == ("UTC", os.environ["PATH"])


def test_without_the_program_there_is_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHOM_MYSQLD", str(tmp_path / "absent"))
    with pytest.raises(ProgramMissingError), scratch_server(Flavour.MYSQL):
        pass


@FLAVOURS
def test_an_existing_data_directory_is_served_and_left_in_order(flavour: Flavour, tmp_path: Path) -> None:
    data = tmp_path / "restored"
    create_datadir(server_program(flavour), (), data)
    with scratch_server(flavour, data_directory=data) as server, Session(server.endpoint) as session:
        trace = Trace.of(server)
        session.execute("CREATE DATABASE kept")
    assert not trace.alive
    assert not trace.home.exists()
    with scratch_server(flavour, data_directory=data) as server:
        assert "crash recovery" not in server.log.read_text().lower()
        with Session(server.endpoint) as session:
            assert session.rows("SHOW DATABASES LIKE 'kept'") == [("kept",)]


@pytest.mark.long_on_mysql
@FLAVOURS
def test_a_started_server_runs_until_it_is_stopped(flavour: Flavour) -> None:
    server = start_scratch_server(flavour)
    trace = Trace.of(server)
    with Session(server.endpoint) as session:
        assert session.value("SELECT 1") == 1
    server.stop()
    assert not trace.left
    server.stop()


@pytest.mark.long_on_mysql
@FLAVOURS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_started_server_when_its_owner_is_killed(flavour: Flavour, number: signal.Signals) -> None:
    with owner(flavour, IN_NO_BLOCK) as (process, trace):
        process.send_signal(number)
        process.wait(PATIENCE)
        trace.assert_gone()


FOLLOW = {
    Flavour.MARIADB: "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'follower',"
    " MASTER_PASSWORD = 'f', MASTER_USE_GTID = slave_pos",
    Flavour.MYSQL: "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port},"
    " SOURCE_USER = 'follower', SOURCE_PASSWORD = 'f', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
}
REPLICA = {Flavour.MARIADB: "SLAVE", Flavour.MYSQL: "REPLICA"}


@contextmanager
def source(flavour: Flavour, port: int) -> Iterator[Session]:
    """Root's session on a server with a binary log, one row, and an account that replicates."""
    with (
        scratch_server(flavour, options=(*listening_on(port), *with_binary_log(flavour, 1))) as server,
        Session(server.endpoint) as session,
    ):
        assert server.facts.has_gtid
        assert server.facts.binlog_retention_seconds is None
        session.execute("CREATE USER follower@'%' IDENTIFIED BY 'f'")
        session.execute("GRANT REPLICATION SLAVE ON *.* TO follower@'%'")
        session.execute("CREATE DATABASE d")
        session.execute("CREATE TABLE d.t (n INT PRIMARY KEY)")
        session.execute("INSERT INTO d.t VALUES (1)")
        yield session


def await_rows(session: Session, expected: int) -> None:
    give_up = time.monotonic() + PATIENCE
    found = 0
    while found != expected and time.monotonic() < give_up:
        time.sleep(0.02)  # a replica tells nobody that it has applied something
        if session.rows("SELECT 1 FROM information_schema.tables WHERE table_schema = 'd' AND table_name = 't'"):
            found = session.value("SELECT COUNT(*) FROM d.t")
    assert found == expected


@FLAVOURS
def test_one_replicates_from_anothers_binary_log(flavour: Flavour) -> None:
    port = free_port()
    with source(flavour, port), scratch_server(flavour, options=as_replica(flavour, 2)) as server:
        assert not server.facts.logs_binary
        with Session(server.endpoint) as session:
            session.execute(FOLLOW[flavour].format(port=port))
            session.execute(f"START {REPLICA[flavour]}")
            await_rows(session, 1)


@pytest.mark.long_on_mysql
@FLAVOURS
def test_a_replica_is_served_again_with_other_options_and_goes_on_when_told(flavour: Flavour, tmp_path: Path) -> None:
    port = free_port()
    data = tmp_path / "replica"
    create_datadir(server_program(flavour), (), data)
    with source(flavour, port) as leader:
        first = start_scratch_server(flavour, data_directory=data, options=as_replica(flavour, 2))
        with Session(first.endpoint) as session:
            session.execute(FOLLOW[flavour].format(port=port))
            session.execute(f"START {REPLICA[flavour]}")
            await_rows(session, 1)
        first.stop()
        leader.execute("INSERT INTO d.t VALUES (2)")
        options = (*as_replica(flavour, 2), *with_binary_log(flavour, 3, str(tmp_path / "own")))
        with scratch_server(flavour, data_directory=data, options=options) as second:
            assert second.facts.server_id == 3
            assert Path(f"{tmp_path / 'own'}.index").exists()
            with Session(second.endpoint) as session:
                assert session.rows("SELECT 1 FROM information_schema.processlist WHERE user = 'system user'") == []
                session.execute(f"START {REPLICA[flavour]}")
                await_rows(session, 2)


def test_a_server_on_files_that_stay_has_its_own_redo_log_and_on_others_one_for_the_data(tmp_path: Path) -> None:
    create_datadir(server_program(Flavour.MARIADB), (), tmp_path / "data")
    with (
        scratch_server(Flavour.MARIADB, data_directory=tmp_path / "data", expected_bytes=400 << 20) as kept,
        scratch_server(Flavour.MARIADB, expected_bytes=400 << 20) as thrown_away,
    ):
        found = [sizes(kept), sizes(thrown_away)]
    assert found[0] == {"pool": 400, "sort": 8, "redo": 96}
    assert found[1] == {"pool": 400, "sort": 8, "redo": 256}


def sizes(server: ScratchServer) -> dict[str, int]:
    names = {"pool": "innodb_buffer_pool_size", "sort": "innodb_sort_buffer_size", "redo": "innodb_log_file_size"}
    with Session(server.endpoint) as session:
        return {each: int(str(session.value(f"SELECT @@{name}"))) >> 20 for each, name in names.items()}
