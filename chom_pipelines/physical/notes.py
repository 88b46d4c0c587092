"""What mariadb-backup notes down beside the files that it streams: positions in the binary and the redo log. Pure.

Up to MariaDB 10.11 its files are called xtrabackup_*, since 11.1 mariadb_backup_*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.manifest import Position

_PREFIXES = ("xtrabackup_", "mariadb_backup_")
_BINLOG, _CHECKPOINTS, _INFO = "binlog_info", "checkpoints", "info"
SETTINGS = "backup-my.cnf"
"""Settings that a server needs to start on the files."""

PLACE_OF_MYSQL = "mysql/no-file-of-the-server"
"""An empty file, as a stream has files alone: without the folder that is empty in a clone MySQL does not start."""

LEFTOVERS = (
    *(prefix + name for prefix in _PREFIXES for name in (_BINLOG, _CHECKPOINTS, _INFO, "logfile", "slave_info")),
    "xtrabackup_binlog_pos_innodb",
    "mariadb_backup_binlog_pos_innodb",
    "mariadb_backup_binlog_pos",
    SETTINGS,
    PLACE_OF_MYSQL,
)
"""Files that are not the server's: what a prepared data directory has of them is of no more use."""

_LINE = re.compile(r"^\s*([a-z_]+)\s*=\s*(.*?)\s*$", re.MULTILINE)


def is_note(path: str) -> bool:
    """Whether `Notes` wants what is in this file of the stream."""
    return path in {SETTINGS, *(prefix + name for prefix in _PREFIXES for name in (_BINLOG, _CHECKPOINTS, _INFO))}


def is_position(path: str) -> bool:
    """Whether this is the note that is written while commits are held up, at the moment that the backup is of."""
    return path in {prefix + _BINLOG for prefix in _PREFIXES}


class Notes:
    """The notes of one stream, by path."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {path: data.decode(errors="replace") for path, data in files.items()}

    @property
    def position(self) -> Position | None:
        """Where the server's binary log stood; None: it writes none. Raises DamagedError where that makes no sense."""
        text = self._find(_BINLOG)
        if not text.strip():
            return None
        fields = text.rstrip("\n").split("\t")
        if len(fields) < 2 or not fields[1].isdigit():  # noqa: PLR2004  (file, position and, where there is one, GTID)
            raise DamagedError(f"the note of the binary log's position is {text!r}")
        return Position(file=fields[0], position=int(fields[1]), gtid=(fields[2:] or [""])[0] or None)

    def number(self, name: str) -> int:
        """`from_lsn`, `to_lsn` (the checkpoint, from which an incremental backup would go on) or `last_lsn`.

        Raises DamagedError where it is not there.
        """
        text = self._find(_CHECKPOINTS)
        value = settings_of(text).get(name, "")
        if not value.isdigit():
            raise DamagedError(f"the note of checkpoints has no {name}: {text!r}")
        return int(value)

    @property
    def kind(self) -> str:
        """What kind of backup it is by its own word: `full-backuped`, `full-prepared`."""
        return settings_of(self._find(_CHECKPOINTS)).get("backup_type", "")

    def _find(self, name: str) -> str:
        return next((self._files[prefix + name] for prefix in _PREFIXES if prefix + name in self._files), "")


def settings_of(text: str) -> dict[str, str]:
    """The values in a file of lines like `name = value`, by name."""
    return {found[1]: found[2] for found in _LINE.finditer(text)}
