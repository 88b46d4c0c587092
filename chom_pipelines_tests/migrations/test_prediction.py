"""How long, and how much disk: by what a statement does, and how large its table is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.migrations.prediction import MEASURED, MOST, Prediction, predicted
from chom_pipelines.migrations.production import Production, TableSize, read_production
from chom_pipelines.migrations.replay import replayed
from chom_pipelines.migrations.shadow import shadow_of
from chom_pipelines.migrations.sql_files import SqlFiles
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import HISTORY, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "predicted"
ROWS, DATA, INDEX = 1_000_000, 600_000_000, 120_000_000
STATEMENTS = {
    "001_instant": "ALTER TABLE t ADD COLUMN n INT",
    "002_copy": "ALTER TABLE t MODIFY a BIGINT",
    "003_rebuild": "ALTER TABLE t FORCE",
    "004_index": "ALTER TABLE t ADD INDEX t_b (b)",
    "005_both": "ALTER TABLE t MODIFY a INT, ADD INDEX t_ab (a, b)",
    "006_other": "CREATE TABLE other (id INT PRIMARY KEY)",
}


@pytest.fixture
def foretold(server: PrivateServer, tmp_path: Path) -> dict[str, Prediction]:
    """Of each statement, for a table of that size; and of the same on a server that takes twice as long."""
    make_database(server.root, DATABASE, (HISTORY, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(20))"))
    with Session(server.root) as session:
        found = read_production(session, [DATABASE], SqlFiles(tmp_path).is_history)
        session.execute(f"DROP DATABASE {DATABASE}")
    large = replace(found, sizes={(DATABASE, "t"): TableSize(ROWS, DATA, INDEX)})
    with shadow_of(large) as shadow:
        run = SqlFiles(written(tmp_path / "m", STATEMENTS)).run(shadow, 60)
        steps = [each for each in replayed(shadow, run.sent, algorithms=True).steps if each.migration]
    slow: Production = replace(large, pace=2.0)
    return {each.migration[:3]: predicted(each, large) for each in steps} | {
        f"slow {each.migration[:3]}": predicted(each, slow) for each in steps
    }


def test_times_and_room_follow_from_what_is_done(server: PrivateServer, foretold: dict[str, Prediction]) -> None:
    rates, whole = MEASURED[server.flavour], (DATA + INDEX) / 1e6
    for moment in ("001", "006"):
        assert foretold[moment].most == pytest.approx(0.1)
        assert (foretold[moment].disk_bytes, foretold[moment].lasting_bytes, foretold[moment].copying) == (0, 0, 0)
    assert foretold["002"].most == pytest.approx(0.1 + whole / rates.copy * MOST)
    assert foretold["002"].copying == pytest.approx(whole / rates.copy * MOST)
    assert foretold["003"].most == pytest.approx(0.1 + whole / rates.rebuild * MOST)
    assert foretold["002"].disk_bytes == foretold["003"].disk_bytes == DATA + INDEX
    assert foretold["004"].most == pytest.approx(0.1 + DATA / 1e6 / rates.index * MOST)
    keys = ROWS * (10 + 8)  # half of what it may have, and the key's own
    assert (foretold["004"].lasting_bytes, foretold["004"].disk_bytes) == (keys, 2 * keys)
    both = ROWS * (4 + 10 + 8)
    assert (foretold["005"].lasting_bytes, foretold["005"].disk_bytes) == (both, DATA + INDEX + both)


def test_a_server_that_took_twice_as_long_before_is_foretold_twice(foretold: dict[str, Prediction]) -> None:
    for number in ("002", "003", "004"):
        usual, slow = foretold[number], foretold[f"slow {number}"]
        assert slow.most - 0.1 == pytest.approx(2 * (usual.most - 0.1))
        assert slow.least - 0.025 == pytest.approx(2 * (usual.least - 0.025))
        assert slow.disk_bytes == usual.disk_bytes
