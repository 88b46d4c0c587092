"""The records of each day in the repository: one file for a server, a kind and a day.

A second one of a day takes the place of the first in one step. The seal is a plain SHA-256, as of benchmark reports: no
decision about a backup rests on a record, so that it finds rot and is no protection from forgery.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Generic, TypeVar

import zstandard

from chom_pipelines.errors import DamagedError, RepositoryError
from chom_pipelines.monitoring.growth.record import (
    INDEXES,
    QUERIES,
    TABLES,
    Daily,
    IndexesOfDay,
    QueriesOfDay,
    TablesOfDay,
)
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.sealing import SealedDocument

Kept = TypeVar("Kept", bound=Daily)

_LEVEL = 9  # half a second for 50,000 tables; 3 makes files a fifth larger
_LARGEST = 1 << 30
_NAME = re.compile(r"(?P<kind>[a-z]+)_(?P<day>\d{8})\.json\.zst")
_REMEDY = "remove it: of that day there is no other record"


@dataclass(frozen=True)
class KindOfRecord(Generic[Kept]):
    """What is kept of each day, and what its files' names begin with."""

    name: str
    document: SealedDocument[Kept]

    def file(self, day: date) -> str:
        """Such as tables_20260102.json.zst."""
        return f"{self.name}_{day:%Y%m%d}.json.zst"


TABLE_SIZES: KindOfRecord[TablesOfDay] = KindOfRecord("tables", TABLES)
INDEX_READS: KindOfRecord[IndexesOfDay] = KindOfRecord("indexes", INDEXES)
STATEMENTS: KindOfRecord[QueriesOfDay] = KindOfRecord("queries", QUERIES)


def keep(repository: Repository, kind: KindOfRecord[Kept], record: Kept) -> str:
    """Put it into the repository, in the place of an earlier one of that day; say where.

    Raises DiskFullError, RepositoryError, ConfigurationError.
    """
    folder, name = repository.growth_of(record.server), kind.file(record.day)
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(kind.document.seal(record, None))
    folder.replace(name, packed)
    return folder.where(name)


def days_kept(repository: Repository, kind: KindOfRecord[Kept], server: str) -> list[date]:
    """The days of which there is a record, oldest first. Raises RepositoryError, ConfigurationError."""
    found = (_NAME.fullmatch(each.name) for each in repository.growth_of(server).below())
    texts = sorted(each["day"] for each in found if each and each["kind"] == kind.name)
    return [day for text in texts if (day := _day(text))]


def record_of(repository: Repository, kind: KindOfRecord[Kept], server: str, day: date) -> Kept:
    """The record of that day. Raises ObjectMissingError, DamagedError, UnknownFormatError, RepositoryError."""
    folder, name = repository.growth_of(server), kind.file(day)
    where = folder.where(name)
    try:
        text = zstandard.ZstdDecompressor().decompress(folder.read(name), max_output_size=_LARGEST)
    except zstandard.ZstdError as error:
        raise DamagedError(f"{where} is not what was written ({error})", _REMEDY) from error
    record = kind.document.unseal(text, None, where)
    if (record.server, record.day) != (server, day):
        raise DamagedError(f"{where} is the record of another server or day", _REMEDY)
    return record


def records_of(
    repository: Repository,
    kind: KindOfRecord[Kept],
    server: str,
    days: Iterator[date] | list[date],
) -> Iterator[Kept | RepositoryError]:
    """The records of these days; of one that cannot be read, the reason, and the others all the same."""
    for day in days:
        try:
            yield record_of(repository, kind, server, day)
        except RepositoryError as error:
            yield error


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
