"""A drill passes only where two ways to the same second agree, and says what it compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chom_pipelines.binlogs.archive.chain import chained
from chom_pipelines.binlogs.recovery.choosing import Way
from chom_pipelines.binlogs.recovery.targets import EndOfArchive, Route
from chom_pipelines.binlogs.recovery.windows import Full, following, run_of
from chom_pipelines.errors import DamagedError, RestoreRefusedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.drill import run_drill
from chom_pipelines.proofs.drill_second import ALWAYS, second_way, some_second
from chom_pipelines.repository.drill import Drill, drills_of
from chom_pipelines.repository.manifest import Position
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.segments import MIDNIGHT, SIZE, at, full, segment
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.places import path_of


@pytest.fixture(params=list(Flavour), ids=lambda flavour: flavour.value)
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    with archived_server(request.param) as server:
        yield Archive(server, Backups(tmp_path))


def run(archived: Archive, moment: datetime | EndOfArchive | None = None) -> Drill:
    entry, drill = run_drill(archived.backups.repository, NAME, archived.keyring, unreported, threads=1, moment=moment)
    assert drills_of(entry, archived.keyring)[-1] == drill
    return drill


def fill(archived: Archive) -> None:
    archived.work()
    archived.work("CREATE VIEW shop.v AS SELECT id FROM shop.t")
    for number in range(3):
        archived.work(f"INSERT INTO shop.t (s) VALUES ({number})", "UPDATE shop.t SET s = CONCAT(s, '!')")
    archived.work("SELECT SLEEP(3)")  # what can be restored ends a second before the archive
    archived.archive()


def test_two_routes_to_a_random_second_agree_and_windows_tell_it(archived: Archive) -> None:
    archived.backups.take(archived.server)
    fill(archived)
    drill = run(archived)
    assert drill.outcome is Outcome.PASSED, drill
    assert [way.split()[0] for way in drill.ways] == ["replication", "client"]
    assert drill.tables >= 1
    assert drill.phases["replay"] <= drill.phases["first way"]
    assert drill.restored
    assert {"start", "schema", "data", "replay", "compare", "dump"} <= set(drill.restored.phases)
    assert drill.restored.amounts.transactions == drill.transactions
    (interval,) = archived.recoverable().windows.intervals
    assert interval.drill == drill


def test_all_that_is_archived_is_drilled_to_its_end(archived: Archive) -> None:
    archived.backups.take(archived.server)
    archived.work()
    archived.work()
    archived.archive()
    drill = run(archived, EndOfArchive())
    assert drill.outcome is Outcome.PASSED, drill
    last = archived.history.last
    assert last
    assert drill.end
    assert (drill.end.file, drill.transactions) == (last.file, 2)
    assert last.end - drill.end.position < 100  # what follows the last transaction is that the file ends
    (interval,) = archived.recoverable().windows.intervals
    assert interval.earliest <= drill.moment <= interval.latest


def test_where_only_some_databases_are_backed_up_two_full_backups_lead_there(archived: Archive) -> None:
    first = archived.backups.take(archived.server, "shop")
    archived.work(
        "CREATE DATABASE other", "CREATE TABLE other.t (id INT)", "INSERT INTO other.t VALUES (1)", "SELECT SLEEP(3)"
    )
    archived.archive()
    alone = run(archived)
    assert alone.outcome is Outcome.NOT_VERIFIED
    assert "a single way" in alone.reason
    assert alone.replayed == (alone.transactions,)
    second = archived.backups.take(archived.server, "shop")
    fill(archived)
    latest = archived.recoverable().windows.latest
    drill = run(archived, latest)
    assert drill.outcome is Outcome.PASSED, drill
    assert drill.ways == (f"replication from {second.id}", f"replication from {first.id}")
    assert drill.replayed[0] == drill.transactions < drill.replayed[1]  # each way its own number
    assert f"{first.id}: {drill.replayed[1]} transactions replayed" in drill.lines[1]


def test_what_changed_between_two_full_backups_and_is_in_no_log_fails(archived: Archive) -> None:
    first = archived.backups.take(archived.server)
    archived.work("SET sql_log_bin = 0", "INSERT INTO shop.t VALUES (1000, 'in no log')", "SET sql_log_bin = 1")
    second = archived.backups.take(archived.server)
    fill(archived)
    drill = run(archived, archived.recoverable().windows.latest)
    other = Route.REPLICATION if archived.server.facts.is_mariadb else Route.CLIENT
    assert drill.ways == (f"replication from {second.id}", f"{other} from {first.id}")
    assert drill.outcome is Outcome.FAILED


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
    assert drill.lines[0].endswith("it did not get there")


def test_a_drill_without_a_transaction_to_replay_is_not_verified(archived: Archive) -> None:
    archived.backups.take(archived.server)
    archived.work("SELECT SLEEP(3)")
    archived.archive()
    drill = run(archived)
    assert (drill.outcome, drill.transactions) == (Outcome.NOT_VERIFIED, 0)
    assert "nothing was written between full_" in drill.reason
    archived.work()
    archived.work("SELECT SLEEP(3)")
    archived.archive()
    again = run(archived)
    assert (again.outcome, again.transactions) == (Outcome.PASSED, 1), again
    assert run(archived, drill.moment).outcome is Outcome.NOT_VERIFIED


def test_nothing_to_drill_is_refused(archived: Archive) -> None:
    archived.backups.take(archived.server)
    with pytest.raises(RestoreRefusedError, match="nothing of source can be drilled"):
        run(archived)


def test_what_cannot_be_drilled_any_more_is_not_said_to_be_mended_by_an_archive(archived: Archive) -> None:
    repository, archives = archived.backups.repository, "chom backup --type incremental"
    last_week = (datetime.now(UTC) - timedelta(days=9), datetime.now(UTC) - timedelta(days=2))
    for within, mends in ((last_week, False), (ALWAYS, True)):
        archived.backups.take(archived.server)
        with pytest.raises(RestoreRefusedError) as caught:
            run_drill(repository, NAME, archived.keyring, unreported, threads=1, within=within)
        assert (archives in caught.value.remedy) is mends
        assert ("nothing mends that" in caught.value.remedy) is not mends


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
    for change in (
        {"ways": ("a",)},
        {"ways": ("a", "a")},
        {"tables": 0},
        {"transactions": 0},
        {"failures": ("x",)},
        {"reason": "x"},
    ):
        with pytest.raises(ValidationError):
            Drill.model_validate({**values, **change})
    with pytest.raises(ValidationError):
        Drill.model_validate({**values, "outcome": Outcome.NOT_VERIFIED})


def ways_over(files: Iterable[int], *fulls: Full, **changes: Any) -> list[Way]:  # noqa: ANN401
    """The ways that these backups begin, over the files of these hours."""
    chain = chained((segment(number, **changes) for number in files), {})
    runs = ((each, run_of(each, chain.runs)) for each in fulls)
    return [Way(each, run.history, following(each, run)) for each, run in runs if run]


@given(st.sets(st.integers(0, 5), min_size=1), st.floats(0, 6), st.floats(0, 6))
def test_a_second_is_chosen_from_what_can_be_restored_and_was_asked_for(
    files: set[int], one: float, other: float
) -> None:
    ways = ways_over(files, full(0.5), full(3.5))
    begin, end = at(min(one, other)), at(max(one, other))
    chosen = some_second(ways, begin, end, {})
    spans = [(max(way.full.as_of, begin), min(way.segments[-1].until, end)) for way in ways]
    if chosen is None:
        assert all(latest - earliest <= timedelta(seconds=1) for earliest, latest in spans)
    else:
        assert any(earliest <= chosen <= latest for earliest, latest in spans)
        assert begin <= chosen < end
        assert chosen.microsecond == 0


@given(st.sets(st.integers(0, 5)), st.integers(0, 6 * 3600))
def test_a_second_with_something_to_replay_is_chosen_wherever_there_is_one(quiet: set[int], known: int) -> None:
    """Of one backup; some files have no transaction, and that for a time there is none is known besides."""
    segments = tuple(segment(number, transactions=0 if number in quiet else 10) for number in range(6))
    way = Way(full(0.5), "11", segments)
    first = min((max(at(number), at(0.5)) for number in range(6) if number not in quiet), default=at(9))
    first = max(first, MIDNIGHT + timedelta(seconds=known))
    chosen = some_second([way], *ALWAYS, {way.full.id: MIDNIGHT + timedelta(seconds=known)})
    assert chosen is not None
    assert (chosen >= first) == (first <= segments[-1].until)


def test_what_the_backup_holds_of_a_file_is_nothing_to_replay() -> None:
    """By its position or its GTIDs, it has all ten transactions of the file that was written meanwhile."""
    for position, gtid in ((SIZE, None), (500, "0-11-10")):
        place = Position(file="mysql-bin.000000", position=position, gtid=gtid)
        ways = ways_over(range(3), full(0.5, place=place))
        assert {some_second(ways, at(0.5), at(1.0001), {}) for _ in range(50)} == {at(1)}


ALL, SOME = True, False
"""Of the databases, that a backup has."""


@pytest.mark.parametrize(
    ("flavour", "everything"), [(Flavour.MARIADB, ALL), (Flavour.MARIADB, SOME), (Flavour.MYSQL, SOME)]
)
def test_a_second_to_which_two_backups_lead_is_preferred(flavour: Flavour, *, everything: bool) -> None:
    fulls = [full(hour, flavour=flavour, everything=everything) for hour in (0.5, 2.5)]
    ways = ways_over(range(3), *fulls, flavour=flavour)
    for _ in range(50):
        chosen = some_second(ways, *ALWAYS, {})
        assert chosen is not None
        assert at(2.5) <= chosen <= at(3)
    alone = some_second(ways, at(0), at(2), {})
    assert alone is not None
    assert alone >= at(0.5)


@pytest.mark.parametrize(
    ("flavour", "everything", "backups", "second"),
    [
        (Flavour.MYSQL, ALL, 1, (2.5, Route.CLIENT, True)),
        (Flavour.MYSQL, ALL, 2, (0.5, Route.CLIENT, True)),
        (Flavour.MYSQL, SOME, 1, None),
        (Flavour.MYSQL, SOME, 2, (0.5, Route.REPLICATION, True)),
        (Flavour.MARIADB, ALL, 1, (2.5, Route.CLIENT, False)),
        (Flavour.MARIADB, ALL, 2, (0.5, Route.REPLICATION, True)),
        (Flavour.MARIADB, SOME, 1, None),
        (Flavour.MARIADB, SOME, 2, (0.5, Route.REPLICATION, True)),
    ],
)
def test_the_second_way_shares_as_little_with_the_first_as_the_log_allows(
    flavour: Flavour, *, everything: bool, backups: int, second: tuple[float, Route, bool] | None
) -> None:
    fulls = [full(hour, flavour=flavour, everything=everything) for hour in (2.5, 0.5)[:backups]]
    found = second_way(ways_over(range(3), *fulls, flavour=flavour))
    assert (found and (found.way.full.as_of, found.route, found.certain)) == (second and (at(second[0]), *second[1:]))


@pytest.mark.parametrize("flavour", Flavour)
def test_a_backup_of_some_databases_is_no_second_way_beside_one_of_all(flavour: Flavour) -> None:
    fulls = full(2.5, flavour=flavour), full(1.5, flavour=flavour, everything=SOME), full(0.5, flavour=flavour)
    found = second_way(ways_over(range(3), *fulls, flavour=flavour))
    assert found
    assert found.way.full is fulls[2]
    alone = second_way(ways_over(range(3), *fulls[:2], flavour=flavour))
    assert alone
    assert (alone.way.full, alone.route) == (fulls[0], Route.CLIENT)


@given(st.data())
def test_each_second_that_qualifies_can_be_chosen_and_no_other(data: st.DataObject) -> None:
    """Two routes lead everywhere from a whole backup of MySQL; chance itself is tried out."""
    begin = at(0.5) + timedelta(seconds=data.draw(st.integers(0, 3000)))
    ways = ways_over(range(2), full(0.5, flavour=Flavour.MYSQL), flavour=Flavour.MYSQL)
    count = data.draw(st.integers(1, 4))
    wanted = {begin + timedelta(seconds=number) for number in range(count)}
    found = {some_second(ways, begin, begin + timedelta(seconds=count), {}) for _ in range(100)}
    assert found == wanted


def test_without_a_log_there_is_nothing_to_choose() -> None:
    assert some_second([], *ALWAYS, {}) is None
