"""An archive to be damaged, and what is said of it: by `windows`, by a verification, and of every place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from chom_pipelines.binlogs.recovery.choosing import way_to
from chom_pipelines.binlogs.recovery.replay_plan import plan_replay
from chom_pipelines.binlogs.recovery.spool import Spool
from chom_pipelines.binlogs.recovery.targets import BeforePlace
from chom_pipelines.errors import ChomError, KeyUnavailableError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.archive import verify_archive
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.archives import Archive
from chom_pipelines_tests.logical.taking import NAME, Backups
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
