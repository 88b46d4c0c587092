"""`make bench-physical`: physical backups and restores of MariaDB by chom, and by hand with the stock programs.

chom encrypts as well, and has every chunk's CRC checked. A restore by it includes a server's start on the files, its
shutdown in order, and all of it on the medium; by hand it ends with the prepared files.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.bench.arena import REPOSITORY, Arena, arena, arguments, described
from chom_pipelines_tests.bench.measure import Contestant, compete, directory_size, measured

_TAKE = "backup --method physical --verification none --no-upload --json"


def main() -> None:
    """Print the medians of both."""
    options = arguments(__doc__)
    with arena(Flavour.MARIADB, options) as ground:
        ground.fill(options.scale, options.copies)
        _configure(ground)
        print(described(ground, options), end="\n\n", flush=True)
        compete(_backups(ground, options.threads), options.rounds, ground)
        measured(ground.chom(f"{_TAKE} --threads {options.threads}"), ground)
        compete(_restores(ground), options.rounds, ground)


def _configure(ground: Arena) -> None:
    """Keys, with which chom encrypts what it takes; the file as it was before is kept as plain.yaml."""
    keys, config = ground.directory / "keys.json", ground.directory / "chom.yaml"
    shutil.copy(config, _plain(ground))
    Keyring().generate("bench", KeyKind.AES_256).save(keys)
    said = yaml.safe_load(config.read_text())
    said["repository"]["encryption"] = {"keys": {"file": str(keys)}}
    config.write_text(yaml.safe_dump(said))


def _plain(ground: Arena) -> Path:
    return ground.directory / "plain.yaml"


def _backups(ground: Arena, threads: int) -> list[Contestant]:
    by_hand, repository = ground.directory / "by-hand", ground.directory / REPOSITORY

    def cleared() -> None:
        shutil.rmtree(repository)
        repository.mkdir(mode=0o700)

    def emptied() -> None:
        ground.out(by_hand.name)

    program = f"mariadb-backup --no-defaults --backup --stream=mbstream -S {ground.socket} -uroot"
    piped = f"{program} --target-dir={by_hand}/none 2>{by_hand}/log | zstd -3 -q -T{threads} -o {by_hand}/stream.zst"
    return [
        Contestant(
            "chom, zstd -3, encrypted",
            ground.chom(f"{_TAKE} --threads {threads}"),
            cleared,
            lambda: directory_size(repository),
        ),
        Contestant(
            "chom, zstd -3",
            ground.chom(f"{_TAKE} --config {_plain(ground)} --threads {threads}"),
            cleared,
            lambda: directory_size(repository),
        ),
        Contestant("mariadb-backup | zstd -3", piped, emptied, lambda: directory_size(by_hand)),
    ]


def _restores(ground: Arena) -> list[Contestant]:
    made, unpacked = ground.directory / "made", ground.directory / "unpacked"
    stream = ground.directory / "by-hand" / "stream.zst"
    prepare = f"mariadb-backup --no-defaults --prepare --use-memory=1G --target-dir={unpacked}"

    def prepared() -> None:
        shutil.rmtree(made, ignore_errors=True)
        ground.out(unpacked.name)

    by_hand = f"zstd -dc {stream} | mbstream -x -C {unpacked} && {prepare}"
    return [
        Contestant(
            "chom restore --into-directory",
            ground.chom(f"restore latest --into-directory {made} --json"),
            prepared,
            lambda: directory_size(made),
        ),
        Contestant("zstd -d | mbstream -x, prepare", by_hand, prepared, lambda: directory_size(unpacked)),
        Contestant("the same, synced", f"{by_hand} && sync -f {unpacked}", prepared, lambda: directory_size(unpacked)),
    ]


if __name__ == "__main__":
    main()
