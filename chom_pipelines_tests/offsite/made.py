"""Backups that need no server: some objects of random bytes under a manifest that is theirs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from chom_pipelines.offsite.copying import Copying
from chom_pipelines.offsite.transfer import Transfer, copy_server
from chom_pipelines.progress import unreported
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.objects import ObjectWriter, read_object
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.repository.samples import AES, KEY, NOON, a_manifest

SERVER = "chom"
GUIDE = b"how to"


def back_up(repository: Repository, hours: int = 0, sizes: tuple[int, ...] = (3000, 0, 200_000)) -> BackupEntry:
    """A full backup, encrypted, of as many objects as there are sizes."""
    bytes_of = random.Random(hours).randbytes  # noqa: S311  (no secret)
    with repository.stream(SERVER).begin(Kind.FULL, NOON + timedelta(hours=hours)) as draft:
        objects = []
        for number, size in enumerate(sizes):
            with ObjectWriter(draft.folder, f"data/{number:05d}", Codec.NONE, 0, KEY) as writer:
                writer.write(bytes_of(size))
            objects.append(writer.close())
        return draft.publish(a_manifest(backup=draft.id, objects=tuple(objects), key=AES.wrap(KEY)), KEY)


def copied(source: Repository, target: Repository, **changed: object) -> Transfer:
    """All of the server, by one thread unless it is said otherwise."""
    how = replace(Copying(AES, threads=1), **changed)  # type: ignore[arg-type]
    return copy_server(source, target, SERVER, how, unreported)


def is_whole(entry: BackupEntry) -> bool:
    """Its manifest is authentic, and each object is what that says; raises DamagedError."""
    manifest = entry.manifest(AES)
    for stored in manifest.objects:
        for _ in read_object(entry.folder, stored, KEY):
            pass
    return True


def ids(repository: Repository) -> list[str]:
    """Of the backups that are listed."""
    return [entry.id for entry in repository.backups(SERVER)]
