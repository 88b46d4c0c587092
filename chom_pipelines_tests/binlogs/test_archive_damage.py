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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from chom_pipelines.binlogs.archive.archiving import LogArchive, archive
from chom_pipelines.binlogs.recovery.choosing import way_to
from chom_pipelines.binlogs.recovery.replay_plan import plan_replay
from chom_pipelines.binlogs.recovery.spool import Spool
from chom_pipelines.binlogs.recovery.targets import BeforePlace, ThroughGtid, parse_place
from chom_pipelines.errors import ChomError, KeyUnavailableError, RestoreRefusedError
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.incomplete import State, mark
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.logical.taking import NAME, Backups
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer

KEYRING = Keyring().generate("first", KeyKind.AES_256)
OTHER = Keyring().generate("first", KeyKind.AES_256)
FILES = range(1, 7)
"""Of the newest history, in each of which there are transactions; the full backup is within the second."""


@dataclass(frozen=True)
class Written:
    """What a server has written since its files begin: them, and places between transactions after the backup."""

    files: dict[str, bytes]
    places: tuple[BeforePlace, ...]


@dataclass(frozen=True)
class Scene:
    """A server's archives, encrypted and plain, those of another server with its id and names, and what is true."""

    flavour: Flavour
    server: PrivateServer
    archives: dict[str, Path]
    foreign: dict[str, Path]
    written: Written


@dataclass(frozen=True)
class Place:
    """A copy of an archive, for one kind of damage."""

    backups: Backups
    archived: Archive
    scene: Scene
    foreign: Path

    @property
    def histories(self) -> Path:
        return self.backups.directory / "repository" / NAME / "binlogs"

    @property
    def history(self) -> Path:
        """The newest one."""
        return max(self.histories.iterdir(), key=lambda each: each.name)

    def segment(self, number: int) -> Path:
        return self.history / name_of(number)

    def log(self, number: int) -> Path:
        (found,) = self.segment(number).glob("mysql-bin.*")
        return found

    def index(self, number: int) -> Path:
        (found,) = self.segment(number).glob("index.json*")
        return found


@dataclass
class Said:
    """What is said of an archive."""

    windows: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    restored: dict[BeforePlace, str] = field(default_factory=dict)
    """By place why it cannot be restored; "" where it can."""


def name_of(number: int) -> str:
    return f"binlog_mysql-bin.{number:06d}_000000000004"


def backups_in(directory: Path, kind: str) -> Backups:
    found = Backups(directory, KEYRING if kind == "encrypted" else None)
    return replace(found, policy=found.policy.model_copy(update={"compression": Codec.ZSTD, "level": 1}))


def written_by(server: PrivateServer, archives: dict[str, Archive]) -> Written:
    """Have a server write files with transactions, and back it up within the second one."""
    reset = "RESET MASTER" if server.facts.is_mariadb else "RESET BINARY LOGS AND GTIDS"
    one = next(iter(archives.values()))
    one.work("TRUNCATE shop.t", reset)
    places = []
    for number in FILES:
        one.work()
        if number == FILES[1]:
            for each in archives.values():
                each.backups.take(server, "shop")
        for _ in range(2):
            one.work()
            places.append(place_of(server))
        if number != FILES[-1]:
            one.work("FLUSH BINARY LOGS")
    for each in archives.values():
        each.archive(close=each is one)
    files = {file: one.on_disk(file) for file in one.files()[:-1]}
    return Written(files, tuple(place for place in places if not place.file.endswith("000001")))


def place_of(server: PrivateServer) -> BeforePlace:
    with server.connect() as session:
        (file, position, *_) = session.rows(server.facts.binlog_status_statement)[0]
        return BeforePlace(file, int(position))


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


def copied(scene: Scene, tmp_path: Path, kind: str) -> Place:
    shutil.copytree(scene.archives[kind], tmp_path / "copy")
    backups = backups_in(tmp_path / "copy", kind)
    foreign = scene.foreign[kind] / "repository" / NAME / "binlogs" / f"{scene.server.facts.server_id}.2"
    return Place(backups, Archive(scene.server, backups), scene, foreign)


def said_of(place: Place, tmp_path: Path, keyring: Keyring | None) -> Said:
    """Ask everything of an archive. Whatever would be replayed must be what the server wrote."""
    said = Said()
    archived = Archive(place.scene.server, replace(place.backups, keyring=keyring))
    try:
        found = archived.recoverable()
    except KeyUnavailableError as error:
        said.windows.append(error.what)
    else:
        said.windows += [gap.why for gap in found.open_gaps]
        said.windows += [f"{name}: {reason}" for name, reason in found.unusable_segments.items()]
        said.windows += [f"{name}: {reason}" for name, reason in found.unusable_backups.items()]
        for number, target in enumerate(place.scene.written.places):
            spool = Spool(tmp_path / f"spool-{number}")
            spool.directory.mkdir()
            try:
                way = way_to(target, found)
                history = next(each for each in found.histories if each.name == way.history)
                recovery = plan_replay(way, target, history, spool, keyring=keyring, report=lambda _: None)
            except ChomError as error:
                said.restored[target] = f"{error}"
                continue
            for file in recovery.files:
                assert file.path.read_bytes() == place.scene.written.files[file.path.name], (target, file)
            assert recovery.end
            assert (recovery.end.file, recovery.end.position) == (target.file, target.position)
            said.restored[target] = ""
    verified = verify_archive(place.backups.repository, NAME, keyring, unreported)
    assert verified
    said.outcome = verified.outcome
    said.verified += [f"{each.history}/{each.proof.backup}: {each.proof.reason}" for each in verified.segments]
    said.verified += [verified.chain.reason, *verified.chain.gaps]
    return said


def test_an_archive_without_damage_passes_and_every_place_can_be_restored(place: Place, tmp_path: Path) -> None:
    said = said_of(place, tmp_path, place.backups.keyring)
    assert said.windows == []
    assert said.outcome is Outcome.PASSED, said.verified
    assert set(said.restored.values()) == {""}


@dataclass(frozen=True)
class Damage:
    """What is done to the segment of the fourth file or another one, and what must then be said, as patterns.

    Where `windows` is "", nothing is seen without reading; `restored` is said of the last place.
    """

    name: str
    do: Callable[[Place], None]
    windows: str
    verified: str
    restored: str = "no full backup and unbroken archive lead there"


def drop(place: Place) -> None:
    shutil.rmtree(place.segment(4))


def truncate(place: Place) -> None:
    os.truncate(place.log(4), place.log(4).stat().st_size // 2)


def truncate_an_index(place: Place) -> None:
    os.truncate(place.index(4), place.index(4).stat().st_size - 1)


def swap_objects(place: Place) -> None:
    one, other = place.log(4), place.log(5)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def swap_objects_of_one_size(place: Place) -> None:
    one, other = place.log(4), place.log(5)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second.ljust(len(first), b"\0")[: len(first)])
    other.write_bytes(first.ljust(len(second), b"\0")[: len(second)])


def swap_folders(place: Place) -> None:
    aside = place.history / "aside"
    place.segment(4).rename(aside)
    place.segment(5).rename(place.segment(4))
    aside.rename(place.segment(5))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_manifest(place: Place) -> None:
    flip(place.segment(4) / "manifest.json")


def flip_log(place: Place) -> None:
    flip(place.log(4))


def flip_index(place: Place) -> None:
    flip(place.index(4))


def under_another_id(place: Place) -> None:
    shutil.copytree(place.segment(4), place.segment(7))


def in_another_history(place: Place) -> None:
    keys, another = place.history / "keys", place.histories / "99"
    shutil.copytree(place.segment(4), another / name_of(4))
    if keys.exists():
        shutil.copytree(keys, another / "keys")


def put(source: Path, place: Place, number: int) -> None:
    """Put a segment of another history in place of this one, with the key."""
    shutil.rmtree(place.segment(number))
    shutil.copytree(source / name_of(number), place.segment(number))
    if (source / "keys").exists():
        shutil.copytree(source / "keys", place.history / "keys", dirs_exist_ok=True)


def foreign(place: Place) -> None:
    put(place.foreign, place, 4)


def foreign_at_the_end(place: Place) -> None:
    put(place.foreign, place, 6)


def stale(place: Place) -> None:
    put(place.histories / str(place.scene.server.facts.server_id), place, 4)


def without_the_key_of_the_stream(place: Place) -> None:
    for key in (place.history / "keys").iterdir():
        key.unlink()


def in_another_order(place: Place) -> None:
    aside = place.history / "aside"
    place.segment(3).rename(aside)
    place.segment(4).rename(place.segment(3))
    place.segment(5).rename(place.segment(4))
    aside.rename(place.segment(5))


def empty_objects(place: Place) -> None:
    os.truncate(place.log(4), 0)
    os.truncate(place.index(4), 0)


def empty_all(place: Place) -> None:
    for each in place.segment(4).iterdir():
        if each.is_file():
            os.truncate(each, 0)


def empty_folder(place: Place) -> None:
    drop(place)
    place.segment(4).mkdir()


def half_written(place: Place) -> None:
    (place.segment(4) / "manifest.json").unlink()
    (place.segment(4) / "incomplete.json").write_bytes(mark(State.TAKING))


def without_its_manifest(place: Place) -> None:
    (place.segment(4) / "manifest.json").unlink()


MISSING = r"mysql-bin\.000004 is missing"
DAMAGES = (
    Damage("drop", drop, MISSING, MISSING),
    Damage("truncate", truncate, r"000004\S* is not there with the \d+ bytes", r"000004\S*: it has \d+ bytes"),
    Damage("truncate an index", truncate_an_index, r"index.json\S* is not there", r"index\S*: it has \d+ bytes"),
    Damage(
        "swap objects",
        swap_objects,
        "",
        r"000004\S*: (its SHA-256 is|it has)",
        "(its SHA-256 is|it has|no full backup)",
    ),
    Damage("swap objects of one size", swap_objects_of_one_size, "", r"000004\S*: its SHA-256 is", "its SHA-256 is"),
    Damage("swap folders", swap_folders, r"000004\S*: the manifest is of", r"000004\S*: the manifest is of"),
    Damage("flip a byte of a manifest", flip_manifest, r"000004_\S*: the manifest", r"000004_\S*: the manifest"),
    Damage("flip a byte of a log", flip_log, "", r"000004\S*: its SHA-256 is", "its SHA-256 is"),
    Damage("flip a byte of an index", flip_index, "", r"index\S*: its SHA-256 is", ""),
    Damage("duplicate under another id", under_another_id, r"000007\S*: the manifest is of", r"the manifest is of", ""),
    Damage(
        "duplicate in another history",
        in_another_history,
        r"99/binlog\S*: .* belongs to the history \d+\.2, and stands in 99",
        "belongs to the history",
        "as one history is of no use at all",
    ),
    Damage("foreign server", foreign, "(is of another server|is another file of that name)", "gaps that no full"),
    Damage("foreign server at the end", foreign_at_the_end, "(another server|another file)", "gaps that no full"),
    Damage("stale", stale, r"belongs to the history \d+, and stands in \d+\.2", "belongs to the history"),
    Damage("wrong order", in_another_order, r"000004\S*: the manifest is of", r"000004\S*: the manifest is of"),
    Damage("empty objects", empty_objects, r"is not there with the \d+ bytes", "it has 0 bytes"),
    Damage("all of it empty", empty_all, r"000004\S*: the manifest is not JSON", "the manifest is not JSON"),
    Damage("empty folder", empty_folder, MISSING, MISSING),
    Damage("half-written", half_written, MISSING, MISSING),
    Damage("without its manifest", without_its_manifest, "has lost its manifest", "has lost its manifest"),
)


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
