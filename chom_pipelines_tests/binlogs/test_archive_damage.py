"""Twelve kinds of damage to an archive: each is found and named, and none of it is ever replayed.

Each is done to a copy of one archive, encrypted and plain, of a server that began its files anew once. What is asked
then: `windows`, as far as that is seen without reading objects; a verification; and every place that could be restored
to before: each is refused, or what would be replayed is byte for byte what the server wrote.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.archiving import LogArchive, archive
from chom_pipelines.binlogs.recovery.choosing import way_to
from chom_pipelines.binlogs.recovery.targets import ThroughGtid, parse_place
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.damage_scene import (
    FILES,
    KEYRING,
    OTHER,
    Place,
    Scene,
    Written,
    backups_in,
    copied,
    name_of,
    place_of,
    said_of,
    written_by,
)
from chom_pipelines_tests.binlogs.damages import DAMAGES, Damage, without_the_key_of_the_stream
from chom_pipelines_tests.logical.taking import NAME
from chom_pipelines_tests.places import path_of


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with archived_server(request.param) as server, archived_server(request.param) as other:
        made: dict[str, dict[str, Path]] = {}
        written: dict[str, Written] = {}
        for which, each in (("own", server), ("foreign", other)):
            made[which] = {kind: tmp_path_factory.mktemp(kind) for kind in ("encrypted", "plain")}
            archives = {kind: Archive(each, backups_in(path, kind)) for kind, path in made[which].items()}
            written_by(each, archives)
            written[which] = written_by(each, archives)  # begun anew: the older history has files of the same names
        yield Scene(request.param, server, made["own"], made["foreign"], written["own"])


@pytest.fixture(params=["encrypted", "plain"])
def place(scene: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return copied(scene, tmp_path, request.param)


def test_an_archive_without_damage_passes_and_every_place_can_be_restored(place: Place, tmp_path: Path) -> None:
    said = said_of(place, tmp_path, place.backups.keyring)
    assert said.windows == []
    assert said.outcome is Outcome.PASSED, said.verified
    assert set(said.restored.values()) == {""}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage_is_found_and_named_and_nothing_of_it_is_replayed(place: Place, damage: Damage, tmp_path: Path) -> None:
    damage.do(place)
    said = said_of(place, tmp_path, place.backups.keyring)
    if damage.windows:
        assert re.search(damage.windows, "\n".join(said.windows)), said.windows
    assert said.outcome is Outcome.FAILED
    assert re.search(damage.verified, "\n".join(said.verified)), said.verified
    last = said.restored[place.scene.written.places[-1]]
    assert re.search(damage.restored, last), last
    assert (last == "") is (damage.restored == "")
    after = place.archived.recoverable()
    assert after.open_gaps or after.unusable_segments, "what a verification has found is not used any more"


def test_what_is_lost_at_the_end_is_not_looked_for_in_files_of_the_same_names_of_long_before(
    scene: Scene, tmp_path: Path
) -> None:
    place = copied(scene, tmp_path, "encrypted")
    target, newest = scene.written.places[-1], place.archived.histories()[-1]
    assert newest.last
    assert newest.last.after
    through = ThroughGtid(newest.last.after)
    for each in (target, through):
        assert way_to(each, place.archived.recoverable()).history == newest.name
    shutil.rmtree(place.segment(FILES[-1]))
    for each in (target, through):
        with pytest.raises(RestoreRefusedError, match=rf"in (the history )?{newest.name}\b"):
            way_to(each, place.archived.recoverable())
    older = str(scene.server.facts.server_id)
    named = parse_place(f"{older}/{target}")
    assert way_to(named, place.archived.recoverable()).history == older


@pytest.mark.parametrize("keyring", [None, OTHER], ids=["no keys", "another key of its name"])
def test_without_the_master_key_nothing_is_verified_and_nothing_restored(
    scene: Scene, keyring: Keyring | None, tmp_path: Path
) -> None:
    said = said_of(copied(scene, tmp_path, "encrypted"), tmp_path, keyring)
    assert said.outcome is Outcome.NOT_VERIFIED
    assert said.restored == {}
    assert {"'first'" in each for each in (*said.windows, *said.verified[:-1])} == {True}, said


def test_without_the_key_of_the_stream_all_of_it_is_lost_and_nothing_older_is_taken_for_it(
    scene: Scene, tmp_path: Path
) -> None:
    place = copied(scene, tmp_path, "encrypted")
    without_the_key_of_the_stream(place)
    said = said_of(place, tmp_path, KEYRING)
    assert said.outcome is Outcome.FAILED
    for number in FILES:
        assert re.search(rf"{name_of(number)}: \S*/keys/\S*: No such file", "\n".join(said.windows))
        assert re.search(rf"{name_of(number)}: \S*/keys/\S*: No such file", "\n".join(said.verified))
    assert "" not in said.restored.values()


def test_a_purge_before_the_archive_is_named_with_the_files_that_are_lost(scene: Scene, tmp_path: Path) -> None:
    archived = Archive(scene.server, backups_in(tmp_path, "encrypted"))
    archived.backups.take(scene.server, "shop")
    archived.archive()
    for _ in range(2):
        archived.work()
        archived.work("FLUSH BINARY LOGS")
    lost = archived.files()[-3:-1]
    archived.purge()
    archived.archive()
    found = archived.recoverable()
    (gap,) = found.open_gaps
    assert gap.why == f"{lost[0]} to {lost[1]} are missing"
    verified = verify_archive(archived.backups.repository, NAME, KEYRING, unreported)
    assert verified
    assert (verified.outcome, verified.chain.gaps) == (Outcome.FAILED, (f"{gap.history}: {gap.why}",))
    with pytest.raises(RestoreRefusedError, match="is not in the archive, which has"):
        way_to(place_of(scene.server), found)


def test_a_damaged_segment_holds_up_no_other_and_is_written_again_when_it_was_removed(
    scene: Scene, tmp_path: Path
) -> None:
    archived = Archive(scene.server, backups_in(tmp_path, "encrypted"))
    archived.work()
    damaged = archived.archive().new[-1]
    archived.work()
    folder = path_of(archived.history.entry(damaged))
    os.truncate(folder / "manifest.json", 10)
    (blocked,) = archived.archive().blocked
    assert damaged.id in blocked.why
    assert archived.history.segments[-1].file == archived.files()[-2]
    shutil.rmtree(folder)
    assert [each.id for each in archived.archive(close=False).new] == [damaged.id]
    verified = verify_archive(archived.backups.repository, NAME, KEYRING, unreported)
    assert verified
    assert (verified.outcome, verified.chain.gaps) == (Outcome.PASSED, ())


def test_what_was_killed_while_it_was_written_is_not_there_and_the_next_run_writes_it(
    scene: Scene, tmp_path: Path
) -> None:
    archived = Archive(scene.server, backups_in(tmp_path, "encrypted"))
    archived.backups.repository.create()
    archived.work("INSERT INTO shop.t (s) VALUES (REPEAT('x', 60000))", "FLUSH BINARY LOGS")
    child = get_context("fork").Process(target=_killed, args=(archived,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    (left,) = (archived.backups.directory / "repository" / NAME / "binlogs").glob("*/binlog_*")
    assert not (left / "manifest.json").exists()
    assert (left / "incomplete.json").exists()
    assert archived.recoverable().histories == ()
    assert verify_archive(archived.backups.repository, NAME, KEYRING, unreported) is None
    archived.archive()
    verified = verify_archive(archived.backups.repository, NAME, KEYRING, unreported)
    assert verified
    assert verified.outcome is Outcome.PASSED
    for segment in archived.history.segments:
        assert archived.stored(archived.history, segment) == archived.on_disk(segment.file)


def _killed(archived: Archive) -> None:
    server, repository = archived.backups.inventory(archived.server), archived.backups.repository
    archive(
        LogArchive(server, BackupPolicy(), repository, KEYRING),
        lambda *_: os.kill(os.getpid(), signal.SIGKILL),
        close=False,
    )
