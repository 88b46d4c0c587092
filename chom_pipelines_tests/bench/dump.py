"""`make bench-dump`: chom against the server's dump client and mydumper, alternating, whole processes.

Debian's mydumper (0.10) compresses with gzip only, at zlib's level 6, so it meets chom twice: with gzip at the level of
zlib-ng that stores as little (level 5), and with nothing compressed. Needs mariadb-client, mydumper and zstd.
"""

import argparse
import shutil

from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.bench.arena import BEFORE, DATABASE, REPOSITORY, Arena, arena, arguments, described
from chom_pipelines_tests.bench.measure import Contestant, compete, directory_size

_BACKUP = "backup --verification none --no-encrypt --no-upload --json"


def main() -> None:
    """Print the medians of each pairing."""
    options = arguments(__doc__)
    for flavour in map(Flavour, options.flavour or ["mariadb"]):
        with arena(flavour, options) as ground:
            ground.fill(options.scale, options.copies)
            print(described(ground, options), end="\n\n", flush=True)
            pairings = _with_before(ground, options) if options.before else _pairings(ground, flavour, options.threads)
            for contestants in pairings:
                compete(contestants, options.rounds, ground)


def _pairings(ground: Arena, flavour: Flavour, threads: int) -> list[list[Contestant]]:
    dump = str(client_program(flavour).path) + ("-dump" if flavour is Flavour.MARIADB else "dump")
    if flavour is Flavour.MYSQL:
        dump += " --set-gtid-purged=OFF"
    piped = (
        f"{dump} --no-defaults -S {ground.socket} -uroot --single-transaction --routines --triggers --events {DATABASE}"
    )
    pairings = [
        [
            _chom(ground, f"--compression zstd --level 3 --threads {threads}", "chom, zstd -3"),
            _peer(ground, f"{piped} | zstd -3 -q -T{threads} -o {{out}}/dump.sql.zst", "dump client | zstd -3"),
        ],
    ]
    if flavour is Flavour.MARIADB:
        mydumper = f"mydumper -S {ground.socket} -u root -B {DATABASE} -t {threads} -G -E -R -F 64 -o {{out}}"
        pairings += [
            [
                _chom(ground, f"--compression gzip --level 5 --threads {threads}", "chom, gzip -5"),
                _peer(ground, f"{mydumper} -c", "mydumper, gzip"),
            ],
            [
                _chom(ground, f"--compression none --threads {threads}", "chom, not compressed"),
                _peer(ground, mydumper, "mydumper, not compressed"),
            ],
        ]
    return pairings


def _with_before(ground: Arena, options: argparse.Namespace) -> list[list[Contestant]]:
    pairings = []
    for how in ("zstd --level 3", "none"):
        arguments = f"{_BACKUP} --compression {how} --threads {options.threads}"
        pairings.append(
            [
                _contestant(ground, REPOSITORY, ground.chom(arguments), f"now, {how}"),
                _contestant(ground, BEFORE, ground.chom_before(options.before, arguments), f"before, {how}"),
            ],
        )
    return pairings


def _chom(ground: Arena, options: str, name: str) -> Contestant:
    return _contestant(ground, REPOSITORY, ground.chom(f"{_BACKUP} {options}"), name)


def _contestant(ground: Arena, place: str, command: str, name: str) -> Contestant:
    repository = ground.directory / place

    def clear() -> None:
        shutil.rmtree(repository)
        repository.mkdir(mode=0o700)

    return Contestant(name, command, clear, lambda: directory_size(repository))


def _peer(ground: Arena, command: str, name: str) -> Contestant:
    out = ground.directory / "peer"

    def clear() -> None:
        ground.out("peer")

    return Contestant(name, command.replace("{out}", str(out)), clear, lambda: directory_size(out))


if __name__ == "__main__":
    main()
