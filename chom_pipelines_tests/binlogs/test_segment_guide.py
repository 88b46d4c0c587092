"""The commands in RESTORE.md of segments, run in a plain shell, bring a restored backup to where the log ends."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.binlogs.recovery.windows import following
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import unreported
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.restores.restoring import restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import binlog_program, client_program
from chom_pipelines.server.scratch import as_replica, scratch_server
from chom_pipelines_tests.binlogs.archives import Archive, archived_server
from chom_pipelines_tests.binlogs.test_replay import sums
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.logical.test_restore_guide import AES, RSA, masters
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    with archived_server(request.param) as found:
        yield found


def shell(commands: str, where: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", commands],
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd=where,
        text=True,
        capture_output=True,
        check=False,
    )


def commands(segment: Path, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", (segment / "RESTORE.md").read_text(), re.DOTALL)
    return str(found)


def archived_by(server: PrivateServer, directory: Path, keyring: Keyring | None, codec: Codec) -> Archive:
    backups = Backups(directory, keyring)
    policy = backups.policy.model_copy(update={"compression": codec, "level": 1})
    return Archive.from_here(server, Backups(directory, keyring, policy))


@pytest.mark.parametrize(
    ("server", "codec", "keyring"),
    [
        (Flavour.MARIADB, Codec.ZSTD, AES),
        (Flavour.MYSQL, Codec.ZSTD, AES),
        (Flavour.MARIADB, Codec.GZIP, RSA),
        (Flavour.MARIADB, Codec.ZSTD, None),
    ],
    ids=["mariadb-zstd-aes", "mysql-zstd-aes", "mariadb-gzip-rsa", "mariadb-zstd-plain"],
    indirect=["server"],
)
def test_the_guides_of_segments_replay_with_stock_tools(
    server: PrivateServer, tmp_path: Path, codec: Codec, keyring: Keyring | None
) -> None:
    archived = archived_by(server, tmp_path, keyring, codec)
    archived.work()
    entry = archived.backups.take(server, "shop")
    for _ in range(3):
        archived.work("CREATE TEMPORARY TABLE shop.few (s TEXT)", "INSERT INTO shop.few VALUES (UUID())")
        archived.work("INSERT INTO shop.t (s) VALUES (UUID()), ('x')", "UPDATE shop.t SET s = CONCAT(s, 'y')")
        archived.archive()
    with server.connect() as session:
        wanted = sums(session)
    history, (full,) = archived.history, archived.recoverable().fulls
    (run,) = history.chain.runs
    out, given = tmp_path / "decoded", masters(keyring, tmp_path)
    segments = following(full, run)
    for segment in segments:
        place = path_of(history.entry(segment))
        done = shell(commands(place, "sh"), place, OUT=str(out), **given)
        assert (done.returncode, done.stderr) == (0, "")
        assert (out / segment.file).read_bytes() == archived.on_disk(segment.file)
    assert full.place
    place = path_of(history.entry(segments[-1]))
    with scratch_server(server.flavour, options=as_replica(server.flavour, 99)) as empty:
        contents = Contents.of(entry, keyring)
        restore_contents(contents, empty.endpoint, RestoreRequest(accounts=True, compare=True), unreported)
        done = shell(
            commands(place, "shell"),
            place,
            OUT=str(out),
            START=str(full.place.position),
            GTID=full.place.gtid or "",
            READER=str(binlog_program(server.flavour).path),
            CLIENT=f"{client_program(server.flavour).path} --no-defaults --socket={empty.endpoint.socket} --user=root",
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == "all of it was replayed"
        with Session(empty.endpoint) as session:
            assert sums(session) == wanted


def test_the_replay_says_that_it_ended_only_where_all_of_it_was_executed(server: PrivateServer, tmp_path: Path) -> None:
    archived = archived_by(server, tmp_path, None, Codec.NONE)
    archived.work()
    archived.archive()
    place = path_of(archived.history.entry(archived.history.segments[0]))
    for reader, client in (("false", "cat"), ("true", "false")):
        done = shell(commands(place, "shell"), place, OUT=str(place), START="4", READER=reader, CLIENT=client)
        assert "all of it was replayed" not in done.stdout


def test_the_guide_stops_at_damage_and_at_a_segment_out_of_its_order(server: PrivateServer, tmp_path: Path) -> None:
    archived = archived_by(server, tmp_path, AES, Codec.ZSTD)
    archived.work()
    archived.archive()
    place = path_of(archived.history.entry(archived.history.segments[-1]))
    out, given = tmp_path / "decoded", masters(AES, tmp_path)
    assert shell(commands(place, "sh"), place, OUT=str(out), **given).returncode == 0
    twice = shell(commands(place, "sh"), place, OUT=str(out), **given)
    assert twice.returncode != 0
    assert "there have to be the 0 bytes before this segment" in twice.stderr
    (log,) = place.glob("mysql-bin.*")
    log.write_bytes(log.read_bytes()[:-1] + b"?")
    damaged = shell(commands(place, "sh"), place, OUT=str(tmp_path / "other"), **given)
    assert damaged.returncode != 0
    assert f"damaged: {log.name}" in damaged.stderr


def test_the_guide_is_authenticated_by_the_manifest_and_holds_no_secret(server: PrivateServer, tmp_path: Path) -> None:
    archived = archived_by(server, tmp_path, AES, Codec.ZSTD)
    archived.work()
    archived.archive()
    entry = archived.history.entry(archived.history.segments[-1])
    guide = (path_of(entry) / "RESTORE.md").read_bytes()
    assert entry.manifest(AES).guide == hashlib.sha256(guide).hexdigest()
    key = entry.data_key(AES)
    assert key
    for secret in (key.encryption.hex(), key.mac.hex(), server.backup.password):
        assert secret not in guide.decode()
