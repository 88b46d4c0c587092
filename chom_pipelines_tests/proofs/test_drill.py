"""A drill passes only where two ways to the same second agree, and says what it compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chom_pipelines.binlogs.chain import chained
from chom_pipelines.binlogs.windows import windows
from chom_pipelines.errors import DamagedError, RestoreRefusedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.drill import ALWAYS, run_drill, some_second
from chom_pipelines.repository.drill import Drill, drills_of
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.segments import at, full, segment
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.places import path_of


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with archived_server(request.param) as server:
        yield Archive(server, Backups(tmp_path))


def run(archived: Archive, moment: datetime | None = None) -> Drill:
    entry, drill = run_drill(archived.backups.repository, NAME, archived.keyring, unreported, moment=moment)
    assert drills_of(entry, archived.keyring)[-1] == drill
    return drill


def fill(archived: Archive) -> None:
    archived.work()
    archived.work("CREATE VIEW shop.v AS SELECT id FROM shop.t")
    for number in range(3):
        archived.work(f"INSERT INTO shop.t (s) VALUES ({number})", "UPDATE shop.t SET s = CONCAT(s, '!')")
    archived.archive()


def test_two_routes_to_a_random_second_agree_and_windows_tell_it(archived: Archive) -> None:
    archived.backups.take(archived.server)
    fill(archived)
    drill = run(archived)
    assert drill.outcome is Outcome.PASSED, drill
    assert [way.split()[0] for way in drill.ways] == ["replication", "client"]
    assert drill.tables >= 1
    assert drill.phases["replay"] <= drill.phases["first way"]
    (interval,) = archived.recoverable().windows.intervals
    assert interval.drill == drill


def test_where_only_some_databases_are_backed_up_two_full_backups_lead_there(archived: Archive) -> None:
    first = archived.backups.take(archived.server, "shop")
    archived.work("CREATE DATABASE other", "CREATE TABLE other.t (id INT)", "INSERT INTO other.t VALUES (1)")
    archived.archive()
    alone = run(archived)
    assert alone.outcome is Outcome.NOT_VERIFIED
    assert "a single way" in alone.reason
    second = archived.backups.take(archived.server, "shop")
    fill(archived)
    archived.work("SELECT SLEEP(2)")  # what can be restored ends a second before the archive
    archived.archive()
    latest = archived.recoverable().windows.latest
    drill = run(archived, latest)
    assert drill.outcome is Outcome.PASSED, drill
    assert drill.ways == (f"replication from {second.id}", f"replication from {first.id}")


def test_what_cannot_be_replayed_fails_with_its_place(archived: Archive) -> None:
    """A row that the log deletes is made to be lacking, by what no log has."""
    with archived.server.connect() as session:
        session.execute("SET SESSION sql_log_bin = 0")
        session.execute("INSERT INTO shop.t VALUES (1000, 'in no log')")
        session.execute("SET SESSION sql_log_bin = 1")
    archived.backups.take(archived.server)
    with archived.server.connect() as session:
        session.execute("SET SESSION sql_log_bin = 0")
        session.execute("INSERT INTO shop.t VALUES (1001, 'in no log, and in no backup')")
        session.execute("SET SESSION sql_log_bin = 1")
    archived.work("DELETE FROM shop.t WHERE id = 1001", "SELECT SLEEP(2)")
    archived.archive()
    drill = run(archived, archived.recoverable().windows.latest)
    assert drill.outcome is Outcome.FAILED
    assert "the replay failed behind mysql-bin." in drill.reason


def test_nothing_to_drill_is_refused(archived: Archive) -> None:
    archived.backups.take(archived.server)
    with pytest.raises(RestoreRefusedError, match="nothing of source can be drilled"):
        run(archived)


def test_a_record_that_was_changed_is_not_believed(archived: Archive) -> None:
    entry = archived.backups.take(archived.server)
    fill(archived)
    run(archived)
    (file,) = path_of(entry).glob("drills/*.json")
    file.write_text(file.read_text().replace('"outcome": "passed"', '"outcome": "failed"'))
    with pytest.raises(DamagedError):
        drills_of(entry, archived.keyring)
    found = archived.recoverable()
    assert f"{entry.id}, its drills" in found.unusable_backups
    assert found.windows.intervals[0].drill is None


def test_a_false_green_cannot_be_built() -> None:
    values = {
        "server": "s",
        "backup": "full_20260102_020000",
        "moment": at(1),
        "transactions": 1,
        "ways": ("a", "b"),
        "outcome": Outcome.PASSED,
        "started": at(2),
        "tables": 1,
    }
    Drill.model_validate(values)
    for change in ({"ways": ("a",)}, {"ways": ("a", "a")}, {"tables": 0}, {"failures": ("x",)}, {"reason": "x"}):
        with pytest.raises(ValidationError):
            Drill.model_validate({**values, **change})
    with pytest.raises(ValidationError):
        Drill.model_validate({**values, "outcome": Outcome.NOT_VERIFIED})


@given(st.sets(st.integers(0, 5), min_size=1), st.floats(0, 6), st.floats(0, 6))
def test_a_second_is_chosen_from_what_can_be_restored_and_was_asked_for(
    files: set[int], one: float, other: float
) -> None:
    found = windows([full(0.5), full(3.5)], [chained(map(segment, files), {})])
    begin, end = at(min(one, other)), at(max(one, other))
    chosen = some_second(found, begin, end)
    allowed = [(max(each.earliest, begin), min(each.latest, end)) for each in found.intervals if each.last]
    if chosen is None:
        assert all(earliest >= latest for earliest, latest in allowed)
    else:
        assert any(earliest <= chosen <= latest for earliest, latest in allowed)
        assert begin <= chosen < end


def test_without_a_log_there_is_nothing_to_choose() -> None:
    assert some_second(windows([full(1)], []), *ALWAYS) is None
