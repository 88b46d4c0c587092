"""What comes back is what was there: restored by this project and, apart from it, by the stock tools of RESTORE.md.

The first copy is made from an ordinary backup, the second from one that is cut into ranges of a few rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chom_pipelines.logical import dump, ranges
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.logical import comparing, programs_data, tables_data, values_data
from chom_pipelines_tests.logical.comparing import checksums, exact_rows
from chom_pipelines_tests.logical.fidelity import DataSet
from chom_pipelines_tests.logical.following import follow_guide
from chom_pipelines_tests.logical.taking import TOGETHER, Backups, table_of
from chom_pipelines_tests.servers import PrivateServer

DATA_SETS = (*values_data.data_set.found, *tables_data.data_set.found, *programs_data.data_set.found)
BY_CHOM, BY_STOCK_TOOLS = WAYS = ("chom", "stock tools")

stock_dump = functools.cache(comparing.stock_dump)


@dataclass(frozen=True)
class Copies:
    """A source, a backup of it for each way to restore it, and what was restored."""

    flavour: Flavour
    source: Endpoint
    backups: dict[str, BackupEntry]
    restored: dict[str, Endpoint]
    result: RestoreResult


def cut_small(session: Session, table: TableInfo) -> list[ranges.Range]:
    """Several ranges of the tables that are made for it; every other one would only cost time."""
    cuttable = table.database in {"keys", "partitions", "history", "thousand_columns", "odd `names`.of % things"}
    return ranges.cut(session, table, 4096 if cuttable else ranges.RANGE_BYTES)


@contextmanager
def made(server: PrivateServer, directory: Path) -> Iterator[Copies]:
    with ExitStack() as stack:
        source = stack.enter_context(server.scope())
        for each in DATA_SETS:
            if server.flavour in each.flavours:
                source._created.extend((each.database, *each.others))
                with source.connect() as session:
                    each.build(session, source.facts)
        backups = Backups(directory, policy=TOGETHER)
        plain = backups.take(source)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dump, "cut", cut_small)
            cut = backups.take(source)
        targets = [stack.enter_context(scratch_server(server.flavour)).endpoint for _ in WAYS]
        result = restore_into_server(plain, None, targets[0], RestoreRequest(threads=2), unreported)
        follow_guide(cut, server.flavour, targets[1], directory / "decoded")
        yield Copies(
            flavour=server.flavour,
            source=source.root,
            backups={BY_CHOM: plain, BY_STOCK_TOOLS: cut},
            restored=dict(zip(WAYS, targets, strict=True)),
            result=result,
        )


@pytest.fixture(scope="module")
def mariadb_copies(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    with made(mariadb_server, tmp_path_factory.mktemp("mariadb")) as copies:
        yield copies


@pytest.fixture(scope="module")
def mysql_copies(mysql_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    with made(mysql_server, tmp_path_factory.mktemp("mysql")) as copies:
        yield copies


@pytest.fixture
def copies(flavour: Flavour, request: pytest.FixtureRequest) -> Copies:
    found: Copies = request.getfixturevalue(f"{flavour.value}_copies")
    return found


each_way = pytest.mark.parametrize("way", WAYS)
each_flavour = pytest.mark.parametrize("flavour", Flavour, ids=lambda flavour: flavour.value)
on_mariadb = pytest.mark.parametrize("flavour", [Flavour.MARIADB], ids=["mariadb"])
each_set = pytest.mark.parametrize(
    ("flavour", "data"),
    [
        pytest.param(flavour, data, id=f"{flavour.value}-{data.name}")
        for flavour in Flavour
        for data in DATA_SETS
        if flavour in data.flavours
    ],
)


@each_way
@each_set
def test_every_value_is_the_same(copies: Copies, data: DataSet, way: str) -> None:
    with Session(copies.source) as source, Session(copies.restored[way]) as copy:
        for database in (data.database, *data.others):
            assert checksums(copy, database) == checksums(source, database)
            assert exact_rows(copy, database) == exact_rows(source, database)


@each_way
@each_set
def test_the_servers_own_dump_is_the_same(copies: Copies, data: DataSet, way: str) -> None:
    # Aria's rows have no order of their own, and come back in another
    lines = sorted if data.name == "engines" else list[str]
    for database in (data.database, *data.others):
        wanted = stock_dump(copies.flavour, copies.source, database).splitlines()
        assert lines(stock_dump(copies.flavour, copies.restored[way], database).splitlines()) == lines(wanted)


@each_flavour
def test_the_full_proof_passes(copies: Copies) -> None:
    proof = verify(copies.backups[BY_STOCK_TOOLS], Level.FULL, None, unreported, threads=2)
    assert proof.failures == ()
    assert proof.outcome is Outcome.PASSED


@each_flavour
def test_the_second_backup_is_cut_into_many_ranges_and_the_first_is_not(copies: Copies) -> None:
    whole, cut = (copies.backups[way].manifest(None) for way in WAYS)
    for key in set(values_data.KEYS) - {"time", "year", "bit", "double", "enum"}:
        table = f"keys.{key}"
        assert len(table_of(whole, table).parts) == 1
        assert len(table_of(cut, table).parts) > 3
        assert table_of(cut, table).rows == table_of(whole, table).rows
    assert cut.logical.rows == whole.logical.rows


@each_flavour
def test_tables_without_transactions_and_borrowed_rows_are_named(copies: Copies) -> None:
    manifest = copies.backups[BY_CHOM].manifest(None)
    named = {"MyISAM", "MEMORY", "CSV", "myisam_key", "m1", "m2"} | (
        {"Aria"} if copies.flavour is Flavour.MARIADB else set()
    )
    assert {f"engines.{name}" for name in named} <= set(manifest.logical.non_transactional)
    assert all(name.startswith("engines.") for name in manifest.logical.non_transactional)
    assert any("engines.MyISAM" in warning and "no snapshot" in warning for warning in manifest.warnings)
    assert any("engines.a_merge" in warning and "other tables" in warning for warning in manifest.warnings)
    assert copies.result.warnings == manifest.warnings


@each_flavour
@each_way
def test_counters_go_on_where_they_stood(copies: Copies, way: str) -> None:
    for table, following in (("ahead", 5000), ("emptied", 78), ("zero", 4), ("second", 10)):
        with Session(copies.restored[way], autocommit=False) as copy:
            copy.execute(
                f"INSERT INTO counters.{table} () VALUES ()"
                if table != "second"
                else "INSERT INTO counters.second (a) VALUES (1)"
            )
            assert copy.value("SELECT LAST_INSERT_ID()") == following


@each_flavour
@each_way
def test_triggers_fire_in_their_order_and_mode(copies: Copies, way: str) -> None:
    for endpoint in (copies.source, copies.restored[way]):
        with Session(endpoint, autocommit=False) as session:
            session.execute("INSERT INTO programs.fired (id, log) VALUES (7, '')")
            assert session.value("SELECT log FROM programs.fired WHERE id = 7") == "123"
            session.execute("UPDATE programs.fired SET log = 'x' WHERE id = 7")
            assert session.value("SELECT log FROM programs.fired WHERE id = 7") == "x\\n"


@on_mariadb
@each_way
def test_a_sequence_never_gives_a_number_again(copies: Copies, way: str) -> None:
    with Session(copies.source) as source, Session(copies.restored[way]) as copy:
        for sequence in ("s", "untouched", "`odd ``s`", "round_and_round"):
            wanted = source.value(f"SELECT next_not_cached_value FROM sequences.{sequence}")
            assert copy.value(f"SELECT next_not_cached_value FROM sequences.{sequence}") == wanted
        assert copy.value("SELECT NEXTVAL(sequences.s)") >= 114


@on_mariadb
@each_way
def test_history_is_as_it_was_at_every_moment(copies: Copies, way: str) -> None:
    for moment in (1_700_000_050, 1_700_000_150, 1_700_000_250, 1_700_000_350, 1_700_000_450):
        for table in ("implicit", "explicit", "hidden", "keyless", "Implicit", "partly", "parts"):
            query = f"SELECT id, v FROM history.{table} FOR SYSTEM_TIME AS OF FROM_UNIXTIME({moment}) ORDER BY id"
            with Session(copies.source) as source, Session(copies.restored[way]) as copy:
                assert copy.rows(query) == source.rows(query) != []


@each_flavour
@each_way
def test_views_show_what_they_showed(copies: Copies, way: str) -> None:
    with Session(copies.source) as source, Session(copies.restored[way]) as copy:
        for view in ("a", "b", "y", "z", "checked", "a_é", "_first"):
            assert copy.rows(f"SELECT * FROM views.{view}") == source.rows(f"SELECT * FROM views.{view}")
