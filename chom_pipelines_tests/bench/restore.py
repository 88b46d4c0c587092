"""`make bench-restore`: the same data back: chom, the piped dump, myloader; alternating, and under another name.

On MariaDB also as data files, which make a directory that a server has run on; they hold the whole server.
MySQL has no myloader here: Debian's is built for dumps of its own mydumper, which is measured on MariaDB.
"""

import shutil
from pathlib import Path

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.bench.arena import DATABASE, REPOSITORY, Arena, arena, arguments, described
from chom_pipelines_tests.bench.measure import Contestant, compete, measured

_COPY = "copy"
_BACKUP = "backup --verification none --no-encrypt --no-upload --json"
_FILES = f"{_BACKUP} --method physical"


def main() -> None:
    """Print the medians per flavour, after each contestant's own dump."""
    options = arguments(__doc__)
    for flavour in map(Flavour, options.flavour or ["mariadb", "mysql"]):
        with arena(flavour, options) as ground:
            ground.fill(options.scale, options.copies)
            print(described(ground, options), end="\n\n", flush=True)
            contestants = _contestants(ground, flavour, options.threads, options.before)
            sums = _checksums(ground, DATABASE)
            compete(contestants, options.rounds, ground)
            for contestant in contestants[: None if options.before or flavour is Flavour.MYSQL else -1]:
                contestant.prepare()
                measured(contestant.command, ground)
                same = _checksums(ground, _COPY) == sums
                print(f"{contestant.name}: the copy is {'identical' if same else 'DIFFERENT'} by CHECKSUM TABLE")


def _contestants(ground: Arena, flavour: Flavour, threads: int, before: Path | None) -> list[Contestant]:
    client = str(client_program(flavour).path)
    dump = (f"{client}-dump", "") if flavour is Flavour.MARIADB else (f"{client}dump", "--set-gtid-purged=OFF")
    sql, files = ground.out("sql") / "dump.sql.zst", ground.out("files")
    connection = f"-S {ground.socket} -uroot --single-transaction {DATABASE}"
    dumps = [
        ground.chom(_BACKUP),
        f"{dump[0]} --no-defaults {dump[1]} {connection} | zstd -3 -q -T{threads} -o {sql}",
    ]

    def prepare() -> None:
        ground.drop(_COPY)
        with Session(ground.server.endpoint) as session:
            session.execute(f"CREATE DATABASE {_COPY} CHARACTER SET utf8mb4")

    pipe = f"zstd -dcq {sql} | {client} --no-defaults -S {ground.socket} -uroot {_COPY}"
    restore = f"restore latest --as-database {_COPY} --json"
    contestants = [Contestant("chom restore", ground.chom(restore), prepare)]
    if before:
        dumps.append(ground.chom_before(before, _BACKUP))
        contestants.append(Contestant("before", ground.chom_before(before, restore), prepare))
    else:
        contestants.append(Contestant("zstd -dc | client", pipe, prepare))
    if flavour is Flavour.MARIADB and not before:
        dumps.append(f"mydumper -S {ground.socket} -u root -B {DATABASE} -t {threads} -F 64 -c -o {files}")
        loader = f"myloader -S {ground.socket} -u root -s {DATABASE} -B {_COPY} -t {threads} -d {files}"
        contestants.append(Contestant("myloader", loader, prepare))
        measured(ground.chom(_FILES), ground)
        contestants.append(_of_files(ground))
    for command in dumps:
        measured(command, ground)
    return contestants


def _of_files(ground: Arena) -> Contestant:
    """The restore of the only backup that there is yet."""
    (backup,) = (ground.directory / REPOSITORY / "bench" / "backups").glob("full_*")
    made = ground.directory / "made"
    restore = ground.chom(f"restore {backup.name} --into-directory {made} --json")
    return Contestant("chom restore, data files", restore, lambda: shutil.rmtree(made, ignore_errors=True))


def _checksums(ground: Arena, database: str) -> list[tuple[str, int]]:
    with Session(ground.server.endpoint) as session:
        names = [str(name) for (name,) in session.rows(f"SHOW TABLES FROM {database}")]
        return [
            (str(name).partition(".")[2], int(value))
            for name, value in session.rows(f"CHECKSUM TABLE {', '.join(f'{database}.{name}' for name in names)}")
        ]


if __name__ == "__main__":
    main()
