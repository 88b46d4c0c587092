"""Manifests, proofs and keys that the tests of the repository share."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from hypothesis import strategies as st

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import KeyKind, Keyring, WrappedKey
from chom_pipelines.repository.manifest import (
    Coordinates,
    Manifest,
    Method,
    Part,
    SchemaObject,
    SourceServer,
    Table,
)
from chom_pipelines.repository.objects import StoredObject
from chom_pipelines.repository.proof import Level, Outcome, Proof

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
KEY = DataKey(bytes(range(32)), bytes(range(32, 64)))
AES = Keyring().generate("aes", KeyKind.AES_256)
RSA = Keyring().generate("rsa", KeyKind.RSA)

binary = st.binary(max_size=3000) | st.builds(
    lambda data, times: data * times, st.binary(max_size=9), st.integers(0, 900)
)
codecs = st.sampled_from(Codec)
data_keys = st.sampled_from([None, KEY])


def a_manifest(
    server: str = "chom",
    backup: str = "full_20260102_120000",
    objects: tuple[StoredObject, ...] = (),
    key: WrappedKey | None = None,
) -> Manifest:
    """A small manifest that has something of everything."""
    part = Part(lower=None, upper="17", rows=2, bytes=9, digest="a" * 64, objects=("data/b.00000#1",))
    columns, load = ("id", "größe"), "(`id`, `größe`)"
    table = Table(
        database="d", name="tâb\nle", engine="InnoDB", transactional=True, columns=columns, load=load, parts=(part,)
    )
    source = SourceServer(flavour="mariadb", version="10.11.19", hostname="h", server_id=1, variables={"sql_mode": ""})
    return Manifest(
        tool="chom_pipelines 0.1.0",
        id=backup,
        server=server,
        method=Method.LOGICAL,
        started=NOON,
        snapshot=NOON,
        finished=NOON,
        source=source,
        coordinates=Coordinates(file="bin.000001", position=4, gtid="0-1-2"),
        databases=("d",),
        codec=Codec.ZSTD,
        level=3,
        key=key,
        tables=(table,),
        schema_objects=(SchemaObject(kind="table", database="d", name="t", digest="b" * 64),),
        objects=objects,
        warnings=('"seal": "sha256:"', '\n "seal": "'),
    )


def a_proof(server: str = "chom", backup: str = "full_20260102_120000", started: datetime = NOON) -> Proof:
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
        objects=3,
        tables=2,
        rows=10,
    )


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as a disk quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
