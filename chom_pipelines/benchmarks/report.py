"""What a benchmark report says: figures that were measured, with all that one has to know to believe them. Pure.

Every figure is made of its raw runs, and checked against them whenever a report is read: one that was not measured
cannot be built. What could not be measured is there with its reason.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeInt, model_validator

from chom_pipelines.benchmarks.figures import Item, Seconds, Timed
from chom_pipelines.outcome import Outcome, worst
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.records import Record
from chom_pipelines.repository.sealing import SealedDocument
from chom_pipelines.repository.timing import DISTURBED

FORMAT = 1

ENOUGH = 100_000_000
"""Bytes of text: a server's start, and the files that an empty one has, are then a small part of what is measured."""


class Limit(Item):
    """What a part of the machine can do at the most: so many bytes in the time."""

    bytes: NonNegativeInt

    @property
    def rate(self) -> float | None:
        """Bytes in a second."""
        return self.bytes / self.timed.median if self.timed else None


class Compression(Item):
    """One codec on a sample of the data, on one core, in memory; `timed` is compressing.

    It passed where what was decompressed is what was compressed.
    """

    codec: Codec
    level: int
    raw_bytes: NonNegativeInt
    stored_bytes: NonNegativeInt = 0
    unpacking: Timed | None = None

    @property
    def ratio(self) -> float:
        """Raw bytes by stored bytes."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else 1.0

    @property
    def packing_rate(self) -> float | None:
        """Raw bytes in a second."""
        return self.raw_bytes / self.timed.median if self.timed else None

    @property
    def unpacking_rate(self) -> float | None:
        """Raw bytes in a second."""
        return self.raw_bytes / self.unpacking.median if self.unpacking else None


class Backup(Item):
    """One full backup of the data by this project, compressed by zstd -3."""

    threads: NonNegativeInt
    raw_bytes: NonNegativeInt = Field(description="text of rows; of files their sizes")
    stored_bytes: NonNegativeInt

    @property
    def rate(self) -> float | None:
        """Raw bytes in a second."""
        return self.raw_bytes / self.timed.median if self.timed else None


class Means(StrEnum):
    """What restores: the stock client, this project by rows or by files, or another tool."""

    STOCK = "stock"
    ROWS = "rows"
    FILES = "files"
    PEER = "peer"


class Place(StrEnum):
    """What server is restored into, and where its files are."""

    DEFAULTS = "server defaults, on disk"
    RELAXED = "durability off, on disk"
    DISK = "on disk"
    MEMORY = "in memory"


class Rung(Item):
    """One way to restore the same data into an empty server. It passed where each copy was compared, and equal."""

    means: Means
    place: Place
    settings: tuple[str, ...] = Field(description="what is done, and with which settings")
    threads: NonNegativeInt = Field(default=1, description="that load or unpack at the same time")
    bytes: NonNegativeInt = Field(default=0, description="text of rows; of files their sizes")
    tables: NonNegativeInt = Field(default=0, description="compared with the original after each run")
    speed_up: Annotated[float, Field(gt=0)] | None = Field(default=None, description="the first rung's seconds by its")

    @model_validator(mode="after")
    def _compared(self) -> Rung:
        if self.outcome is Outcome.PASSED and not self.tables:
            raise ValueError(f"{self.name}: a copy of which no table was compared has not passed")
        return self

    @property
    def rate(self) -> float | None:
        """Bytes in a second."""
        return self.bytes / self.timed.median if self.timed else None


class Host(Record):
    """The machine."""

    cpu: str
    cores: int = Field(description="that this process may use")
    memory_bytes: NonNegativeInt
    kernel: str
    disk: str = Field(description="where copies were made: the directory's file system and device")
    python: str


class Data(Record):
    """What was restored again and again."""

    origin: str = Field(description="the id of a backup, or `generated`")
    tables: NonNegativeInt
    rows: NonNegativeInt
    text_bytes: NonNegativeInt = Field(description="of rows as tab-separated text")
    file_bytes: NonNegativeInt = Field(description="of the tables' own files in the server")
    share: Annotated[float, Field(ge=0, le=1)] = Field(default=1.0, description="of all text of that backup")
    sample_bytes: NonNegativeInt = Field(default=0, description="of text, that was compressed")


class TableSize(Record):
    """A table, as information_schema estimates it."""

    table: str
    engine: str
    rows: NonNegativeInt
    data_bytes: NonNegativeInt
    index_bytes: NonNegativeInt
    reclaimable_bytes: NonNegativeInt = Field(description="allocated, and free within its files")


class Sizes(Record):
    """The databases of the server that is backed up."""

    tables: NonNegativeInt
    rows: NonNegativeInt
    data_bytes: NonNegativeInt
    index_bytes: NonNegativeInt
    reclaimable_bytes: NonNegativeInt
    largest: tuple[TableSize, ...]


class Unmeasured(Record):
    """What could not be measured as a whole, and why."""

    what: str
    reason: str = Field(min_length=1)


class Advice(Record):
    """What the figures speak for; None where they do not tell. Each has its reason."""

    compression: str | None
    compression_reason: str
    threads: int | None
    threads_reason: str
    method: str | None
    method_reason: str


class Prediction(Record):
    """How long a restore of a backup would take by the rate that was measured."""

    backup: str
    way: str
    bytes: NonNegativeInt
    seconds: Seconds
    basis: str = Field(description="what was measured, of how many bytes")
    measured_seconds: Seconds | None = Field(default=None, description="what its last full verification took for it")


class Regression(Record):
    """Something that is slower than it was in earlier reports of the same kind."""

    name: str
    seconds: Seconds = Field(description="for a gigabyte")
    before: Seconds = Field(description="for a gigabyte, the median of the earlier reports' medians")
    reports: int = Field(ge=1, description="earlier ones that it was compared with")

    @property
    def slower(self) -> float:
        """How many times the time."""
        return self.seconds / self.before


class Comparison(Record):
    """A report beside earlier ones of the same kind."""

    reports: NonNegativeInt = Field(default=0, description="earlier ones that it was compared with")
    slower: tuple[Regression, ...] = ()
    undecided: tuple[Unmeasured, ...] = Field(
        default=(), description="what was measured earlier and not now, or varied too much to tell"
    )

    @property
    def outcome(self) -> Outcome:
        """Passed where everything that those measured was measured again, and nothing of it is slower."""
        if self.slower:
            return Outcome.FAILED
        return Outcome.NOT_VERIFIED if self.undecided or not self.reports else Outcome.PASSED


class Report(Record):
    """One benchmark of one server; `benchmark_YYYYMMDD_HHMMSS.json`."""

    format: int = FORMAT
    tool: str
    server: str = Field(description="its name in the inventory")
    started: AwareDatetime
    finished: AwareDatetime
    host: Host
    source_version: str | None = Field(description="of that server; None: it was not reached")
    measured_on: str = Field(description="the private servers, as `MariaDB 10.11.19`")
    defaults: dict[str, str] = Field(description="settings of such a server at its defaults")
    rounds: Annotated[int, Field(ge=1)]
    elsewhere: Annotated[float, Field(ge=0, le=1)] = Field(
        description="part of all cores' time that other processes took meanwhile"
    )
    data: Data
    limits: tuple[Limit, ...] = ()
    compression: tuple[Compression, ...] = ()
    backups: tuple[Backup, ...] = ()
    ladder: tuple[Rung, ...] = ()
    peers: tuple[Rung, ...] = ()
    sizes: Sizes | None = None
    unmeasured: tuple[Unmeasured, ...] = ()
    advice: Advice
    predictions: tuple[Prediction, ...] = ()
    comparison: Comparison = Comparison()

    @property
    def was_disturbed(self) -> bool:
        """Whether others took so much of the machine that times tell of them, too."""
        return self.elsewhere > DISTURBED

    @property
    def items(self) -> tuple[Item, ...]:
        """All that was to be measured."""
        return (*self.limits, *self.compression, *self.backups, *self.ladder, *self.peers)

    @property
    def outcome(self) -> Outcome:
        """Failed where a copy or a decompressed sample was wrong; passed where all of it was measured."""
        missing = [Outcome.NOT_VERIFIED] if self.unmeasured or not self.items else []
        return worst([*(each.outcome for each in self.items), *missing])

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not passed: each thing that failed or was not measured."""
        items = (each for each in self.items if each.outcome is not Outcome.PASSED)
        return (
            *(f"{each.name}: {each.outcome.words}: {each.reason}" for each in items),
            *(f"{each.what}: not measured: {each.reason}" for each in self.unmeasured),
        )


DOCUMENT = SealedDocument("benchmark report", FORMAT, Report)
