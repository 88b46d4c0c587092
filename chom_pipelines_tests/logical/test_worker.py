"""A worker takes ranges in and puts stored objects out; here it works in this process, on real servers."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chom_pipelines.errors import RepositoryError
from chom_pipelines.logical import sink
from chom_pipelines.logical.pool import Setup
from chom_pipelines.logical.ranges import Range
from chom_pipelines.logical.snapshot import BEGIN, STATEMENTS
from chom_pipelines.logical.worker import Worker
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import StoredObject, read_object
from chom_pipelines.repository.store import Folder
from chom_pipelines_tests.logical.taking import filled
from chom_pipelines_tests.logical.tasks import Message, a_task, table
from chom_pipelines_tests.logical.textfile import rows_of
from chom_pipelines_tests.repository.samples import files_limited_to
from chom_pipelines_tests.servers import PrivateServer


def folder_of(root: Path) -> Folder:
    return Folder(LocalStore(root.parent), root.name)


@contextmanager
def working(server: PrivateServer, root: Path, key: DataKey | None = None, *, stores: bool = True) -> Iterator[Worker]:
    setup = Setup(server.backup, STATEMENTS, folder_of(root) if stores else None, Codec.NONE, 0, key)
    opened = Worker(json.loads(json.dumps(setup.to_json())))
    try:
        yield opened
    finally:
        opened.session.close()


def stored(answer: Message) -> list[StoredObject]:
    return [StoredObject.from_json(each) for each in answer["result"]["objects"]]


def text_of(root: Path, answer: Message, key: DataKey | None = None) -> bytes:
    return b"".join(piece for each in stored(answer) for piece in read_object(folder_of(root), each, key))


def test_a_range_becomes_objects_of_bounded_size_that_end_with_a_row(
    server: PrivateServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "OBJECT_BYTES", 1)
    with working(server, tmp_path) as opened:
        answer = opened.answer({"task": a_task(table(server, database, "plain"))})
    (part,) = answer["result"]["parts"]
    objects = stored(answer)
    assert len(objects) >= 2
    assert [each.path for each in objects] == part["objects"]
    assert len({each.path for each in objects}) == len(objects)
    for each in objects:
        assert (tmp_path / each.path).read_bytes().endswith(b"x\n")
    text = text_of(tmp_path, answer)
    assert (part["rows"], part["bytes"]) == (20_000, len(text))
    assert part["digest"] == hashlib.sha256(text).hexdigest()
    assert rows_of(text)[-1] == [b"20000", b"x" * 150]


def test_ranges_add_up_to_the_table(server: PrivateServer, database: str, tmp_path: Path) -> None:
    info = table(server, database, "plain")
    parts = (Range(None, "5"), Range("5", "19000"), Range("19000", None))
    with working(server, tmp_path) as opened:
        whole = text_of(tmp_path, opened.answer({"task": a_task(info)}))
        pieces = [
            text_of(tmp_path, opened.answer({"task": a_task(info, part, f"data/t.{number}")}))
            for number, part in enumerate(parts, start=1)
        ]
    assert b"".join(pieces) == whole


def test_small_tables_are_members_of_a_tar_file(server: PrivateServer, database: str, tmp_path: Path) -> None:
    names = ("little", "nothing", "plain")
    key = DataKey.generate()
    members = [a_task(table(server, database, name), name=f"data/{name}.0000") for name in names]
    with working(server, tmp_path, key) as opened:
        answer = opened.answer({"task": {"name": "data/bundle-00000", "members": members}})
    (bundle,) = stored(answer)
    assert bundle.path == "data/bundle-00000.tar.enc"
    with tarfile.open(fileobj=io.BytesIO(text_of(tmp_path, answer, key))) as archive:
        texts = {each.name: archive.extractfile(each) for each in archive}
        contents = {name: file.read() for name, file in texts.items() if file}
    assert contents["little.0000.tsv"] == b"1\ta\\tb\n2\t\\N\n3\t\n"
    assert contents["nothing.0000.tsv"] == b""
    for name, part in zip(names, answer["result"]["parts"], strict=True):
        assert part["objects"] == [f"{bundle.path}#{name}.0000.tsv"]
        assert part["digest"] == hashlib.sha256(contents[f"{name}.0000.tsv"]).hexdigest()


def test_a_member_that_outgrows_its_memory_gets_objects_of_its_own(
    server: PrivateServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "MEMBER_BYTES", 1 << 20)
    names = ("plain", "little")
    members = [a_task(table(server, database, name), name=f"data/{name}.0000") for name in names]
    with working(server, tmp_path) as opened:
        answer = opened.answer({"task": {"name": "data/bundle-00000", "members": members}})
        members[0]["name"] = "data/other.0000"
        alone = opened.answer({"task": {"name": "data/bundle-00001", "members": members[:1]}})
    plain, little = answer["result"]["parts"]
    assert plain["objects"] == ["data/plain.0000.0000.tsv"]
    assert little["objects"] == ["data/bundle-00000.tar#little.0000.tsv"]
    own = next(each for each in stored(answer) if each.path == plain["objects"][0])
    text = (tmp_path / own.path).read_bytes()
    assert (len(text), hashlib.sha256(text).hexdigest()) == (plain["bytes"], plain["digest"])
    assert [each.path for each in stored(alone)] == ["data/other.0000.0000.tsv"]
    assert not (tmp_path / "data/bundle-00001.tar").exists()


@pytest.mark.parametrize("place", [10, 10_000, 20_000])
def test_a_separator_makes_the_worker_render_the_range_again_and_leaves_nothing_of_the_first_try(
    server: PrivateServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(sink, "OBJECT_BYTES", 1)
    with server.connect() as session:
        session.execute(f"UPDATE {database}.plain SET v = 'a\\tb\\nc\\\\d' WHERE id = {place}")
    with working(server, tmp_path) as opened:
        answer = opened.answer({"task": a_task(table(server, database, "plain"))})
    text = text_of(tmp_path, answer)
    assert rows_of(text)[place - 1] == [str(place).encode(), b"a\tb\nc\\d"]
    assert answer["result"]["parts"][0]["rows"] == 20_000
    assert {path.name for path in (tmp_path / "data").iterdir()} == {Path(each.path).name for each in stored(answer)}


def test_a_value_that_is_too_long_makes_the_worker_read_the_columns_one_by_one(
    server: PrivateServer, database: str, tmp_path: Path
) -> None:
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.long_one (id INT PRIMARY KEY, v MEDIUMTEXT, n TEXT)")
        filled(
            session, f"{database}.long_one", 2_000, "n, IF(n = 1500, REPEAT('\\n', 1100000), CONCAT('\\t', n)), NULL"
        )
    info = table(server, database, "long_one")
    with working(server, tmp_path) as opened:
        answer = opened.answer({"task": a_task(info)})
        assert opened.unfit == {info.label: 2}
        again = opened.answer({"task": a_task(info, Range("1", "3"), "data/again")})
    rows = rows_of(text_of(tmp_path, answer))
    assert len(rows) == 2_000
    assert rows[1_499] == [b"1500", b"\n" * 1_100_000, None]
    assert rows[7] == [b"8", b"\t8", None]
    assert text_of(tmp_path, again) == b"1\t\\t1\t\\N\n2\t\\t2\t\\N\n"


def test_every_rendering_gives_the_same_bytes(server: PrivateServer, database: str, tmp_path: Path) -> None:
    with server.connect() as session:
        session.execute(
            f"CREATE TABLE {database}.same (id INT PRIMARY KEY, d DECIMAL(9,2), f FLOAT, t VARCHAR(60) NULL, "
            "b BIT(9), e ENUM('x', 'y'), s SET('p', 'q'), m TIME(3), z DATETIME, g GEOMETRY, x LONGBLOB, j JSON)"
        )
        session.execute(
            f"INSERT INTO {database}.same VALUES (1, -1.5, 0.1, 'a\\tb', 9, 'y', 'p,q', '-01:02:03.004', '2024-02-29', "
            "ST_GeomFromText('POINT(1 2)'), X'00095c0a', '{\"a\": \"\\\\\\\\n\"}'), "
            "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        )
    task = a_task(table(server, database, "same"))
    with working(server, tmp_path, stores=False) as opened:
        rendered = opened.answer({"task": task})
        opened.unfit[task["table"]] = len(task["reading"]["attempts"])
        separate = opened.answer({"task": task})
    assert rendered["result"]["parts"] == separate["result"]["parts"]
    assert rendered["result"]["objects"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_is_kept_across_ranges_and_failures_of_rendering(
    server: PrivateServer, database: str, tmp_path: Path
) -> None:
    info = table(server, database, "little")
    with working(server, tmp_path, stores=False) as opened:
        opened.answer({"execute": BEGIN, "query": "SELECT 1"})
        first = opened.answer({"task": a_task(info)})
        with server.connect() as session:
            session.execute(f"UPDATE {database}.plain SET v = '\\t' WHERE id = 20000")
            session.execute(f"DELETE FROM {database}.little")
        plain = opened.answer({"task": a_task(table(server, database, "plain"))})
        assert plain["result"]["parts"][0]["rows"] == 20_000
        assert opened.answer({"task": a_task(info)}) == first


def test_an_alter_goes_on_as_soon_as_its_table_is_read(mysql: PrivateServer, tmp_path: Path) -> None:
    database = mysql.fresh_database()
    with mysql.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
        with working(mysql, tmp_path, stores=False) as opened:
            opened.answer({"execute": BEGIN, "query": "SELECT 1"})
            opened.answer({"task": a_task(table(mysql, database, "t"))})
            session.execute("SET SESSION lock_wait_timeout = 5")
            session.execute(f"ALTER TABLE {database}.t ADD COLUMN v INT")


def test_a_file_that_cannot_grow_ends_the_work_and_is_removed(
    server: PrivateServer, database: str, tmp_path: Path
) -> None:
    task = a_task(table(server, database, "plain"))
    with working(server, tmp_path) as opened, files_limited_to(1 << 20), pytest.raises(RepositoryError, match=r"\.tsv"):
        opened.answer({"task": task})
    assert list((tmp_path / "data").iterdir()) == []
