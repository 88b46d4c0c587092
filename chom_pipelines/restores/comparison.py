"""Reading restored tables back by the ranges of the manifest, and comparing them with the digests of the dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chom_pipelines.logical.catalog import Catalog
from chom_pipelines.logical.pool import Message, Setup, pool
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.snapshot import NO_SQL_MODE, STATEMENTS
from chom_pipelines.logical.tables import TableInfo
from chom_pipelines.logical.work import Work
from chom_pipelines.logical.worker import Worker
from chom_pipelines.progress import Report
from chom_pipelines.repository.payloads import Table
from chom_pipelines.restores.selection import SelectedTable
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import ServerFacts


def compared(
    restored: Sequence[SelectedTable], target: Endpoint, facts: ServerFacts, threads: int, report: Report
) -> Iterator[str]:
    """Each table whose rows on the target are not those that were dumped; raises the server's errors."""
    with Session(target) as session:
        session.execute(NO_SQL_MODE)
        catalog = Catalog(session, facts, sorted({each.database for each in restored}))
        there = {table.identity: table for table in catalog.tables()}
    pairs = []
    for each in restored:
        copy = there.get((each.database, each.table.name))
        if copy is None:
            yield f"table {each.database}.{each.table.name}: it is not there"
        elif tuple(column.name for column in copy.columns) != each.table.columns:
            yield f"table {copy.label}: its columns are others"
        else:
            pairs.append((each.table, copy))
    again = read_back(pairs, target, int(facts.variables["max_allowed_packet"]), threads, report)
    for (dumped, copy), read in zip(pairs, again, strict=True):
        table = dumped.as_restored
        if (read.rows, read.digest) != (table.rows, table.digest):
            yield f"table {copy.label}: {difference(table, read)}"


def read_back(
    pairs: Sequence[tuple[Table, TableInfo]], target: Endpoint, packet: int, threads: int, report: Report
) -> tuple[Table, ...]:
    """The copies of these tables read by the backup's ranges; nothing is stored. `packet` is the server's, bytes."""
    work = Work(
        tables=[copy for _, copy in pairs],
        ranges=[[Range(part.lower, part.upper) for part in table.parts] for table, _ in pairs],
        packet=packet,
    )
    done, total = 0, sum(table.bytes for table, _ in pairs)

    def progress(size: int, _rows: int) -> None:
        nonlocal done
        done += size
        report(done, total, "compare the restored copy")

    for task, answer in _answered(work.tasks(), Setup(target, STATEMENTS), threads, progress):
        work.add(task, answer)
    return work.result()


def _answered(
    tasks: Sequence[Message], setup: Setup, threads: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[Message, Message]]:
    """Each task with its result; `progress` is told bytes and rows since it was last.

    What is a single task, as small tables are together, is done here: a process would take longer to start.
    """
    processes = min(threads, len(tasks))
    if processes > 1:
        with pool(processes, setup) as workers:
            yield from workers.run(tasks, progress)
    elif tasks:
        worker = Worker(setup.to_json(), send=lambda message: progress(*message["progress"]))
        with worker.session:
            for task in tasks:
                yield task, worker.answer({"task": task})["result"]


def difference(table: Table, copy: Table) -> str:
    """In which way the rows of a copy differ from those of the backup."""
    if copy.rows != table.rows:
        return f"{copy.rows} rows in the restored copy, {table.rows} in the backup"
    ranges = [number for number, (a, b) in enumerate(zip(table.parts, copy.parts, strict=True)) if a.digest != b.digest]
    return f"rows of the restored copy differ, in range {', '.join(map(str, ranges))} of {len(table.parts)}"
