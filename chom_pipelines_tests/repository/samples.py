"""Manifests, proofs and keys that the tests of the repository share."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.data_keys import KeySource, StreamKey
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind, timed_id
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.manifest import Coordinates, Manifest, Position, ReplicationSource, SourceServer
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines.repository.payloads import (
    BinlogPayload,
    LogicalPayload,
    Part,
    Payload,
    PhysicalPayload,
    SchemaObject,
    Table,
)
from chom_pipelines.repository.proof import Comparison, Level, Means, Proof, Subject
from chom_pipelines.repository.store import Folder

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ID = "full_20260102_120000"
KEY = DataKey(bytes(range(32)), bytes(range(32, 64)))
AES = Keyring().generate("aes", KeyKind.AES_256)
RSA = Keyring().generate("rsa", KeyKind.RSA)

binary = st.binary(max_size=3000) | st.builds(
    lambda data, times: data * times, st.binary(max_size=9), st.integers(0, 900)
)
codecs = st.sampled_from(Codec)
data_keys = st.sampled_from([None, KEY])

SOURCE = SourceServer(
    flavour="mariadb", version="10.11.19", hostname="h", server_id=1, variables={"sql_mode": "", "time_zone": "SYSTEM"}
)


def folder_in(directory: Path) -> Folder:
    """The folder `backup` of a store in this directory."""
    return Folder(LocalStore(directory), "backup")


def stored(path: str, raw_bytes: int = 1, size: int = 1, digest: str = "a") -> StoredObject:
    """An object that is not encrypted."""
    return StoredObject(path, Codec.ZSTD, raw_bytes, size, digest * 64, None)


def a_manifest(
    server: str = "chom",
    backup: str = ID,
    objects: tuple[StoredObject, ...] = (),
    key: KeySource | None = None,
) -> Manifest:
    """A small manifest of a logical backup that has something of everything."""
    part = Part(lower=None, upper="17", rows=2, bytes=9, digest="a" * 64, objects=("data/b.00000#1",))
    columns, load = ("id", "größe"), "(`id`, `größe`)"
    table = Table(
        database="d", name="tâb\nle", engine="InnoDB", transactional=True, columns=columns, load=load, parts=(part,)
    )
    return Manifest(
        tool="chom_pipelines 0.1.0",
        id=backup,
        server=server,
        kind=Kind.FULL,
        started=NOON,
        as_of=NOON,
        finished=NOON,
        source=SOURCE,
        coordinates=Coordinates(end=Position(file="bin.000001", position=4, gtid="0-1-2")),
        sources=(ReplicationSource(name="", host="h", port=3306, file="log.000001", position=4, gtid="0-1-2"),),
        key=key,
        payload=LogicalPayload(
            databases=("d",),
            level=3,
            held_seconds=0.004,
            tables=(table,),
            schema_objects=(SchemaObject(kind="table", database="d", name="t", digest="b" * 64),),
        ),
        objects=objects,
        warnings=('"seal": "sha256:"', '\n "seal": "'),
    )


def a_proof(server: str = "chom", backup: str = ID, started: datetime = NOON) -> Proof:
    """A proof that passed."""
    return Proof(
        server=server,
        backup=backup,
        level=Level.FULL,
        outcome=Outcome.PASSED,
        started=started,
        source="MariaDB 10.11.19",
        scratch="MariaDB 10.11.19",
        phases={"restore": 1.5, "compare": 0.5},
        comparisons=(
            Comparison(subject=Subject.OBJECTS, means=Means.READ, against="the manifest", count=3),
            Comparison(subject=Subject.TABLES, means=Means.RESTORED, against="the backup", count=2),
            Comparison(subject=Subject.ROWS, means=Means.RESTORED, against="the backup", count=10),
        ),
    )


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_digests = st.text("0123456789abcdef", min_size=64, max_size=64)
_counts = st.integers(0, 1 << 62)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (its zone is the other argument)
_positions = st.builds(Position, file=_texts, position=_counts, gtid=st.none() | _texts)
_parts = st.builds(
    Part, lower=st.none() | _texts, upper=st.none() | _texts, rows=_counts, bytes=_counts, digest=_digests,
    objects=st.lists(_texts, max_size=3).map(tuple),
)  # fmt: skip
_tables = st.builds(
    Table, database=_texts, name=_texts, engine=_texts, transactional=st.booleans(), load=_texts,
    columns=st.lists(_texts, max_size=3).map(tuple), parts=st.lists(_parts, max_size=3).map(tuple),
)  # fmt: skip
_definitions = st.builds(SchemaObject, kind=_texts, database=_texts, name=_texts, digest=_digests)
_logical = st.builds(
    LogicalPayload, databases=st.lists(_texts, max_size=3).map(tuple), level=st.integers(0, 22),
    held_seconds=st.floats(0, 9),
    tables=st.lists(_tables, max_size=3).map(tuple), schema_objects=st.lists(_definitions, max_size=3).map(tuple),
    non_transactional=st.lists(_texts, max_size=2).map(tuple),
)  # fmt: skip
_physical = st.builds(
    PhysicalPayload, program=_texts, stream=_texts, from_lsn=_counts, to_lsn=_counts, page_size=_counts,
    files=_counts, tables=_counts, parts=st.lists(_texts, max_size=3).map(tuple),
)  # fmt: skip
_binlog = st.builds(
    BinlogPayload, history=_texts, complete=st.booleans(), version=st.just(4),
    checksum=st.sampled_from(["CRC32", "NONE"]),
    following=st.none() | _texts, head=_digests, server_bytes=_counts, opened=moments, log=_texts, index=_texts,
    first_event=st.none() | moments, last_event=st.none() | moments, transactions=_counts, digest=_digests,
)  # fmt: skip
_objects = st.builds(
    StoredObject, path=_texts, codec=codecs, raw_bytes=_counts, bytes=_counts, sha256=_digests,
    mac=st.none() | _digests,
)  # fmt: skip
_segments = st.builds(
    BackupId, kind=st.just(Kind.BINLOG), start=st.integers(0, 10**12 - 1),
    file=st.builds("{}.{:06d}".format, st.sampled_from(["mysql-bin", "a.b", "x_y"]), st.integers(0, 10**7)),
)  # fmt: skip


_incremental = _physical.flatmap(lambda payload: _digests.map(lambda base: payload.model_copy(update={"base": base})))


def _manifests(kind: Kind, payload: st.SearchStrategy[Payload]) -> st.SearchStrategy[Manifest]:
    after = NOON + timedelta(seconds=1) if kind is Kind.INCREMENTAL else datetime.min.replace(tzinfo=UTC)
    ids = _segments if kind is Kind.BINLOG else moments.map(lambda moment: timed_id(kind, max(moment, after)))
    return st.builds(
        Manifest,
        tool=_texts,
        id=ids.map(lambda identity: identity.text),
        server=_texts,
        kind=st.just(kind),
        parent=st.just(ID) if kind is Kind.INCREMENTAL else st.none(),
        started=moments,
        as_of=moments,
        finished=moments,
        source=st.just(SOURCE),
        coordinates=st.builds(
            Coordinates, start=st.none() | _positions, end=st.none() | _positions, purged=st.none() | _texts
        ),
        key=st.sampled_from([None, AES.wrap(KEY), RSA.wrap(KEY), StreamKey("key-1")]),
        payload=payload,
        objects=st.lists(_objects, max_size=3).map(tuple),
        warnings=st.lists(_texts, max_size=2).map(tuple),
        guide=st.none() | _digests,
    )


manifests = st.one_of(
    _manifests(Kind.FULL, _logical),
    _manifests(Kind.FULL, _physical),
    _manifests(Kind.INCREMENTAL, _incremental),
    _manifests(Kind.BINLOG, _binlog),
)
"""Of every kind and method that there is."""


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as a disk quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
