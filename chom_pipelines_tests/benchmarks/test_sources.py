"""What is read of a machine and of a server, and the data that are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdCompressor

from chom_pipelines.benchmarks.generated import SHAPES, fill, planned
from chom_pipelines.benchmarks.host import _memory, disk_directory, read_host
from chom_pipelines.benchmarks.stopwatch import server_cpu
from chom_pipelines.benchmarks.table_sizes import read_sizes
from chom_pipelines.errors import BenchmarkRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines.server.claimed_directories import MEMORY
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.load import Machine
from chom_pipelines.server.machine import mounted, processor
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.servers import PrivateServer

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
22 21 0:20 / /run rw shared:2 - tmpfs tmpfs rw
23 21 0:21 / /srv/with\\040space rw - xfs /dev/sdb1 rw
24 21 0:22 / /srv/twice rw - xfs /dev/sdc1 rw
25 24 0:23 / /srv/twice rw - btrfs /dev/sdd1 rw
"""


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        ("/var/lib/x", "ext4 on /dev/root"),
        ("/run/work", "tmpfs on tmpfs"),
        ("/running", "ext4 on /dev/root"),
        ("/srv/with space/a", "xfs on /dev/sdb1"),
        ("/srv/twice", "btrfs on /dev/sdd1"),
    ],
)
def test_a_directory_is_on_the_file_system_that_is_mounted_last_and_lowest(directory: str, found: str) -> None:
    assert mounted(Path(directory), MOUNTS) == found


def test_a_processor_is_called_what_the_kernel_calls_it() -> None:
    assert processor("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: a b\n") == "AMD EPYC"
    assert processor("processor : 0\nBogoMIPS : 50.0\n") == ""
    assert _memory("MemTotal:       1024 kB\nMemFree: 1 kB\n") == 1 << 20


def test_this_machine_is_described(tmp_path: Path) -> None:
    host = read_host(tmp_path)
    assert host.cores >= 1
    assert host.memory_bytes > 1 << 28
    assert " on " in host.disk


MACHINES = st.builds(Machine, st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))


@given(MACHINES, MACHINES)
def test_what_others_took_is_a_part_of_the_machine(before: Machine, later: Machine) -> None:
    assert 0 <= before.elsewhere(later) <= 1


def test_what_a_private_server_took_is_ours_once_it_has_ended() -> None:
    before = Machine.now()
    with scratch_server(Flavour.MARIADB) as server:
        with Session(server.endpoint) as session:
            session.value("SELECT BENCHMARK(12000000, SHA2('a', 256))")
        took = server_cpu(server.endpoint)
    assert Machine.now().ours - before.ours >= 0.9 * took  # of seconds, as its calculation is the most of it


def test_what_we_took_is_not_what_others_took() -> None:
    assert Machine(10, 100, 5).elsewhere(Machine(30, 200, 25)) == 0
    assert Machine(10, 100, 5).elsewhere(Machine(60, 200, 25)) == 0.3
    assert Machine.now().all > Machine.now().busy > Machine.now().ours


def test_the_sizes_of_tables_are_the_servers_own(server: PrivateServer) -> None:
    database, other = server.fresh_database(), server.fresh_database()
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.small (id INT PRIMARY KEY)")
        session.execute(f"CREATE TABLE {database}.large (id INT PRIMARY KEY, s VARCHAR(200), KEY (s))")
        session.execute(f"CREATE VIEW {database}.v AS SELECT * FROM {database}.small")
        session.execute(f"CREATE TABLE {other}.t (id INT)")
        rows = ", ".join(f"({number}, REPEAT('x', 200))" for number in range(2000))
        session.execute(f"INSERT INTO {database}.large VALUES {rows}")
        session.execute(f"ANALYZE TABLE {database}.large, {database}.small")
    with server.connect() as session:
        found = read_sizes(session, server.facts, (database,))
        assert read_sizes(session, server.facts, None).tables >= 3
    assert [table.table for table in found.largest] == [f"{database}.large", f"{database}.small"]
    large = found.largest[0]
    assert 1000 < large.rows < 4000
    assert large.data_bytes > 300_000
    assert large.index_bytes > 0
    assert (found.tables, found.data_bytes) == (2, sum(table.data_bytes for table in found.largest))


@given(st.integers(10**6, 10**13), st.integers(1, 200))
def test_generated_tables_have_their_shares_and_parents_that_are_made_before_them(size: int, tables: int) -> None:
    plan = planned(size, tables)
    assert len({made.name for made in plan}) == len(plan) == tables
    before: set[str] = set()
    for made in plan:
        assert {shape for _, shape in made.shape.parents} <= set(made.parents)
        assert {name for name, _ in made.parents.values()} <= before
        before.add(made.name)
    largest = max(shape.bytes for shape in SHAPES)
    made_bytes = sum(made.rows * made.shape.bytes for made in plan)
    assert size - tables * (largest + 1) <= made_bytes <= size


@given(st.integers(10**7, 10**12), st.integers(1, 200), st.integers(1, 10**5))
def test_generated_tables_have_as_many_rows_as_are_asked_for_and_fill_the_size_with_them(
    size: int, tables: int, rows: int
) -> None:
    longest = max(shape.bytes for shape in SHAPES)
    if size // rows < longest or rows < tables or size // rows > 50_000:
        with pytest.raises(BenchmarkRefusedError, match=r"are too (many|few)|are longer than"):
            planned(size, tables, rows)
        return
    plan = planned(size, tables, rows)
    assert {made.rows for made in plan} == {rows // tables}
    assert {made.bytes for made in plan} == {size // rows}


def test_rows_that_are_asked_for_are_in_the_tables_and_as_long() -> None:
    with scratch_server(Flavour.MARIADB) as server:
        fill(server.endpoint, planned(2_000_000, 4, 4_000), 2, unreported)
        with Session(server.endpoint) as session:
            for name, columns in (("users", 184), ("events", 231)):
                found = session.row(f"SELECT COUNT(*), MIN(LENGTH(details)), MAX(LENGTH(details)) FROM shop.{name}")
                assert found == (1000, 500 - columns, 500 - columns)


def test_generated_rows_do_not_come_again_where_only_a_large_window_would_see_them() -> None:
    with scratch_server(Flavour.MARIADB) as server:
        (made,) = planned(8_000_000, 1, 16_000)
        fill(server.endpoint, [made], 1, unreported)
        with Session(server.endpoint) as session:
            text = "\n".join(row[0] for row in session.rows("SELECT details FROM shop.users ORDER BY id")).encode()
    quick, large = (len(ZstdCompressor(level=level).compress(text)) for level in (3, 19))
    assert 2.5 < len(text) / quick < 5  # as what people write
    assert quick < 1.5 * large


def test_where_tmpdir_is_in_memory_copies_on_disk_are_made_elsewhere_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert disk_directory() == tmp_path
    monkeypatch.setattr("tempfile.tempdir", str(MEMORY))
    assert disk_directory() == Path("/var/tmp")  # noqa: S108  (nothing is made there)
    monkeypatch.setattr("chom_pipelines.benchmarks.host.file_system", lambda *_: "tmpfs on tmpfs")
    with pytest.raises(BenchmarkRefusedError, match="are in memory"):
        disk_directory()
