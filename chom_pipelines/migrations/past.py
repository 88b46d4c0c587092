"""What is kept of migrations in the repository: each check with production's schema, and how long deploys really took.

A document is sealed with a plain SHA-256, as a benchmark report is: no decision about a backup rests on it. The schema
is SQL for the stock client, compressed, and encrypted where backups are; its key is wrapped once, and not rotated: of
checks the last ones stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TypeVar

from pydantic import AwareDatetime, Field

from chom_pipelines.errors import ObjectExistsError, ObjectMissingError, RepositoryError, UnencryptedError
from chom_pipelines.logical.definitions import Definition
from chom_pipelines.logical.schema_files import definition_files
from chom_pipelines.migrations.prediction import MOST
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.objects import ObjectWriter, StoredObject, read_object
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.store import Folder

FORMAT = 1
_STAY = 100
_NAME = re.compile(r"(?P<kind>check|run)_(?P<time>\d{8}_\d{6})\.json")
_LEVEL = 3
_TELLING_SECONDS = 0.5
"""A migration that was to take less tells nothing of how fast a server is."""
_LAST = 10
_TRIES = 30
_Kept = TypeVar("_Kept")
_FARTHEST = 10.0


class Expected(Record):
    """How long a migration was to take, in seconds; `copying` is the part of `most` that grows with the table."""

    migration: str
    least: float
    most: float
    copying: float


class KeptCheck(Record):
    """One check. `pace` is by how much its times were longer than those that were measured elsewhere."""

    format: int = FORMAT
    server: str
    started: AwareDatetime
    on: str
    mode: str
    outcome: str
    codes: tuple[str, ...]
    pending: tuple[str, ...]
    expected: tuple[Expected, ...]
    pace: float
    digest: str
    schema_sql: StoredObject
    key: WrappedKey | None


class Took(Record):
    """How long a migration took in production; the range is that of the check before, None where it had none."""

    migration: str
    seconds: float
    least: float | None = None
    most: float | None = None
    copying: float = 0.0
    pace: float = Field(default=1.0, gt=0)

    @property
    def is_within(self) -> bool | None:
        """Whether it took what was foretold; None where nothing was."""
        return None if self.most is None or self.least is None else self.least <= self.seconds <= self.most


class KeptRun(Record):
    """The migrations of one deploy."""

    format: int = FORMAT
    server: str
    started: AwareDatetime
    migrations: tuple[Took, ...]


_CHECK = SealedDocument("migration check", FORMAT, KeptCheck)
_RUN = SealedDocument("run of migrations", FORMAT, KeptRun)


def at_free_moment(
    repository: Repository, server: str, now: datetime, keep: Callable[[datetime], _Kept]
) -> tuple[datetime, _Kept]:
    """Keep something under this second, or the next of which nothing is kept: names are of seconds.

    Another check may be at it: what has taken the name meanwhile is no failure. Raises what `keep` raises.
    """
    there = {
        found["time"] for each in repository.migrations_of(server).below() if (found := _NAME.fullmatch(each.name))
    }
    for _ in range(_TRIES):
        while f"{now.astimezone(UTC):%Y%m%d_%H%M%S}" in there:
            now += timedelta(seconds=1)
        try:
            return now, keep(now)
        except ObjectExistsError:
            now += timedelta(seconds=1)
    return now, keep(now)


def keep_schema(
    repository: Repository, server: str, now: datetime, definitions: Iterable[Definition], keyring: Keyring | None
) -> tuple[StoredObject, WrappedKey | None]:
    """Write production's schema as it is; raises RepositoryError, DiskFullError."""
    key = DataKey.generate() if keyring else None
    name = f"schema_{now.astimezone(UTC):%Y%m%d_%H%M%S}.sql"
    with ObjectWriter(repository.migrations_of(server), name, Codec.ZSTD, _LEVEL, key) as writer:
        for lines in definition_files(definitions).values():
            for line in lines:
                writer.write(line)
        stored = writer.close()
    return stored, keyring.wrap(key) if keyring and key else None


def keep_check(repository: Repository, check: KeptCheck) -> None:
    """Write it, and let the oldest go, whether or not they can be read; raises RepositoryError."""
    folder = repository.migrations_of(check.server)
    folder.write(f"check_{check.started.astimezone(UTC):%Y%m%d_%H%M%S}.json", _CHECK.seal(check, None))
    old = _names(folder, "check")[:-_STAY]
    schemas = {each.name.partition(".")[0]: each.name for each in folder.below() if each.name.startswith("schema_")}
    for name in old:
        folder.delete(name)
        if schema := schemas.get(name.removesuffix(".json").replace("check_", "schema_")):
            folder.delete(schema)


def keep_run(repository: Repository, run: KeptRun) -> None:
    """Write it; raises RepositoryError."""
    name = f"run_{run.started.astimezone(UTC):%Y%m%d_%H%M%S}.json"
    repository.migrations_of(run.server).write(name, _RUN.seal(run, None))


def last_check(repository: Repository, server: str) -> KeptCheck | None:
    """The latest that can be read of those with pending migrations.

    Raises RepositoryError; also where there are some, and none can be read.
    """
    folder = repository.migrations_of(server)
    problems = []
    for name in reversed(_names(folder, "check")):
        try:
            return _CHECK.unseal(folder.read(name), None, folder.where(name))
        except RepositoryError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return None


@dataclass(frozen=True)
class PastRuns:
    """The last ones, the oldest first, and why others cannot be read."""

    runs: tuple[KeptRun, ...]
    problems: tuple[str, ...]


def past_runs(repository: Repository, server: str) -> PastRuns:
    """Each is read by itself; raises RepositoryError where the repository cannot be read at all."""
    folder = repository.migrations_of(server)
    runs, problems = [], []
    for name in _names(folder, "run")[-_LAST:]:
        try:
            runs.append(_RUN.unseal(folder.read(name), None, folder.where(name)))
        except RepositoryError as problem:
            problems.append(problem.what)
    return PastRuns(tuple(runs), tuple(problems))


def schema_of(repository: Repository, check: KeptCheck, keyring: Keyring | None) -> bytes:
    """The SQL that was kept with a check; raises RepositoryError, KeyUnavailableError.

    With keys what is plain is not believed: whoever can write there may have made it.
    """
    if check.key and keyring is None:
        raise RepositoryError("the schema is encrypted, and no keys are configured", "set repository.encryption")
    if keyring and not keyring.accepts_plain and check.key is None:
        where = repository.migrations_of(check.server).where(check.schema_sql.path)
        raise UnencryptedError(f"{where} is not encrypted, and backups of this server are", "look at who wrote it")
    key = keyring.unwrap(check.key) if check.key and keyring else None
    chunks = read_object(repository.migrations_of(check.server), check.schema_sql, key)
    with closing(chunks):
        return b"".join(chunks)


def taken(check: KeptCheck | None, seconds: Iterable[tuple[str, float]]) -> tuple[Took, ...]:
    """What migrations took, beside what that check had foretold of them. Pure."""
    foretold = {each.migration: each for each in check.expected} if check else {}
    return tuple(
        Took(
            migration=name,
            seconds=round(took, 3),
            least=foretold[name].least if name in foretold else None,
            most=foretold[name].most if name in foretold else None,
            copying=foretold[name].copying if name in foretold else 0.0,
            pace=check.pace if check else 1.0,
        )
        for name, took in seconds
    )


def pace_of(runs: Sequence[KeptRun]) -> float:
    """By how much this server takes longer than what was measured elsewhere: the median of what it took. Pure.

    1.0 where nothing is known of it, and where it was faster: what anybody has written down of past deploys makes a
    check more careful, and never less.
    """
    found = [
        each.seconds / base
        for run in runs
        for each in run.migrations
        if (base := each.copying / MOST / each.pace) >= _TELLING_SECONDS
    ]
    return min(max(median(found), 1.0), _FARTHEST) if found else 1.0


def _names(folder: Folder, kind: str) -> list[str]:
    try:
        names = [each.name for each in folder.below()]
    except ObjectMissingError:
        return []
    return sorted(name for name in names if (found := _NAME.fullmatch(name)) and found["kind"] == kind)
