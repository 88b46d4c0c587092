"""Kinds of damage to an archive, and what must be said of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chom_pipelines.repository.incomplete import State, mark
from chom_pipelines_tests.binlogs.damage_scene import Place, name_of


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
