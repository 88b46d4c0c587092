"""Taking, killing and looking at backups of a stream in tests."""

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import BackupId, Kind
from chom_pipelines.repository.objects import ObjectWriter, StoredObject
from chom_pipelines.repository.publishing import Draft
from chom_pipelines.repository.streams import Stream
from chom_pipelines_tests.repository.samples import KEY, NOON, a_manifest

KILLED = """
import os, signal, sys
from datetime import datetime, timezone
from pathlib import Path
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.objects import ObjectWriter
from chom_pipelines.repository.repository import Repository
stream = Repository(LocalStore(Path(sys.argv[1]))).stream("chom")
with stream.begin(Kind.FULL, datetime(2026, 1, 2, 12, tzinfo=timezone.utc)) as draft:
    with ObjectWriter(draft.folder, "data/a", Codec.ZSTD, 3, None) as writer:
        writer.write(b"x")
    with ObjectWriter(draft.folder, "data/b", Codec.ZSTD, 3, None) as writer:
        writer.write(b"x")
        os.kill(os.getpid(), signal.SIGKILL)
"""


KILLED_READER = """
import os, signal, sys
from pathlib import Path
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository
with Repository(LocalStore(Path(sys.argv[1]))).find("chom", "latest").reading("a restore"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


SEGMENT = BackupId(Kind.BINLOG, file="mysql-bin.000001", start=4)


def fill(draft: Draft, key: DataKey | None = None) -> StoredObject:
    with ObjectWriter(draft.folder, "data/a", Codec.ZSTD, 3, key) as writer:
        writer.write(b"some rows")
    draft.folder.write("RESTORE.md", b"how to")
    return writer.close()


def back_up(stream: Stream, keyring: Keyring | None = None, moment: datetime = NOON) -> BackupEntry:
    key = KEY if keyring else None
    with stream.begin(Kind.FULL, moment) as draft:
        objects = (fill(draft, key),)
        wrapped = keyring.wrap(KEY) if keyring else None
        return draft.publish(a_manifest(backup=draft.id, objects=objects, key=wrapped), key)


def everything(root: Path) -> set[str]:
    """Every path but those of the locks."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.suffix != ".lock"}


def run_killed(script: str, root: Path) -> None:
    assert subprocess.run([sys.executable, "-c", script, str(root)], check=False).returncode == -signal.SIGKILL


def timed_text(moment: datetime) -> str:
    return f"full_{moment.astimezone(UTC):%Y%m%d_%H%M%S}"


PUBLISHED_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from chom_pipelines.repository.layout import INCOMPLETE
from chom_pipelines.repository.local_store import LocalStore
deleted = LocalStore.delete
def killed(store, name):
    if name.endswith(INCOMPLETE): os.kill(os.getpid(), signal.SIGKILL)
    deleted(store, name)
LocalStore.delete = killed
from datetime import datetime, timezone
from chom_pipelines.repository.repository import Repository
from chom_pipelines_tests.repository.streaming import back_up
back_up(Repository(LocalStore(Path(sys.argv[1]))).stream("chom"))
"""
