"""The sizes of InnoDB's files, table by table: as they are now, where information_schema.tables only estimates."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping

from chom_pipelines.errors import ServerError
from chom_pipelines.monitoring.readers.partitions import without_partition
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.grants import Wanted, missing
from chom_pipelines.server.questions import current_account, shown_grants

FILE_SIZES = "file_sizes"
"""The capability."""

MARIADB_SOURCE, MYSQL_SOURCE = "information_schema.INNODB_SYS_TABLESPACES", "information_schema.INNODB_TABLESPACES"
_WANTED = Wanted("PROCESS", None, "sees the sizes of InnoDB's files")
_DECODED = "CONVERT(CONVERT(CONVERT({} USING binary) USING filename) USING utf8mb4)"
_MARIADB = f"""
SELECT {_DECODED.format("SUBSTRING_INDEX(name, '/', 1)")},
       {_DECODED.format("SUBSTRING_INDEX(SUBSTRING_INDEX(name, '/', -1), '#P#', 1)")}, file_size
FROM {MARIADB_SOURCE} WHERE name LIKE '%/%'
"""
"""There, names are as they are on the disk: `a@0020b` is `a b`, so that `#` can only be of a partition."""
_MYSQL = f"""
SELECT SUBSTRING_INDEX(name, '/', 1), SUBSTRING(name, LOCATE('/', name) + 1), file_size
FROM {MYSQL_SOURCE} WHERE name LIKE '%/%'
"""


def file_source(facts: ServerFacts) -> str:
    """The table that tells them."""
    return MARIADB_SOURCE if facts.is_mariadb else MYSQL_SOURCE


def read_file_sizes(
    session: Session, facts: ServerFacts, tables: Collection[tuple[str, str]]
) -> Reading[Mapping[tuple[str, str], int]]:
    """Bytes of the files of each of these tables (database and name) that has files of its own, partitions summed.

    Those of FULLTEXT are not among them: they bear no table's name. Raises nothing for what a server refuses.
    """
    started = time.monotonic()
    try:
        lacks = missing(facts, shown_grants(session), [_WANTED])
        if lacks:
            user, host = current_account(session)
            lack = Lack(
                FILE_SIZES, "PROCESS is missing: it sees the sizes of InnoDB's files", lacks[0].grant(user, host)
            )
            return Reading(FILE_SIZES, None, time.monotonic() - started, lacks=(lack,))
        rows = session.rows(_MARIADB if facts.is_mariadb else _MYSQL)
    except ServerError as error:
        return Reading(FILE_SIZES, None, time.monotonic() - started, failure=error.what)
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for database, name, size in rows:
        place = str(database), str(name)
        if place not in tables:
            place = place[0], without_partition(place[1])
        if place in tables:
            sizes[place] += int(size)
    return Reading(FILE_SIZES, dict(sizes), time.monotonic() - started, (FILE_SIZES,))
