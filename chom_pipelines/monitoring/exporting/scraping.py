"""One scrape: servers are read side by side, the repository beside them, the second copy in the background."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import existing_repository, repository_of
from chom_pipelines.monitoring.exporting.background import Background
from chom_pipelines.monitoring.exporting.backup_state import BackupWatch, newest_offsite
from chom_pipelines.monitoring.exporting.collecting import ServerMonitor, ServerReadings
from chom_pipelines.monitoring.exporting.exposition import Exposition, add_backups, add_configured, add_server
from chom_pipelines.offsite.standing import standing_of

_AT_ONCE = 32
"""Servers that are read at a time: one that hangs keeps its place for seconds, and mostly all that is done is wait."""
_READ_AT_ONCE = 2
"""Servers whose backups are read at a time, which takes a processor."""
_OFFSITE_SECONDS = 600.0
"""The second copy is asked so often: it may be far away, and each answer costs money there."""
_BACKUPS = "backups"
"""The collector of what the repository says."""

_log = logging.getLogger(__name__)


class Scraper:
    """Reads the servers of a chom.yaml for Prometheus; safe for threads. Connects when it is asked, and not before."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._monitors = {server.name: ServerMonitor(server) for server in inventory.servers}
        room, room_far = (threading.Semaphore(_READ_AT_ONCE) for _ in range(2))
        self._backups = {
            server.name: Background("the repository", BackupWatch(inventory, server).state, room=room)
            for server in inventory.servers
        }
        self._offsite = {
            server.name: Background(
                "the second copy",
                partial(_offsite, inventory, server),
                every=_OFFSITE_SECONDS,
                keeps=True,
                room=room_far,
            )
            for server in inventory.servers
            if inventory.repository.offsite and server.backup.upload
        }
        self._disk = Background("the repository", self._room)
        self._said: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Of the servers."""
        return list(self._monitors)

    def scrape(self, names: Sequence[str], seconds: float) -> Exposition:
        """All that can be told of these servers within that time."""
        deadline = time.monotonic() + seconds
        servers = [self._monitors[name].server for name in names]
        told = Exposition()
        told.value("chom_build_info", 1, version("chom-pipelines"))
        add_configured(told, servers, offsite=self._inventory.repository.offsite is not None)
        self._disk.begin()
        for name in names:
            self._backups[name].begin()
        with ThreadPoolExecutor(min(_AT_ONCE, len(names)) or 1, "scrape") as pool:
            looks = [pool.submit(self._look, name, deadline) for name in names]
            for name, look in zip(names, looks, strict=True):
                readings = look.result()
                told.value("chom_up", readings is not None, name)
                if readings is not None:
                    add_server(told, name, readings)
        for name in names:
            self._add_backups(told, name, deadline)
        room = self._disk.latest(deadline).value
        if room is not None:
            told.value("chom_repository_free_bytes", room.free)
            told.value("chom_repository_size_bytes", room.total)
        return told

    def _look(self, name: str, deadline: float) -> ServerReadings | None:
        try:
            readings = self._monitors[name].look(deadline)
        except ChomError as error:
            self._say(f"{name}: ", error.what)
            return None
        except Exception:  # noqa: BLE001  (a defect that one server brings to light must not hide the others)
            _log.exception("%s: a defect", name)
            return None
        self._say(f"{name}: ", "")
        for each in readings.readings:
            problems = [*(f"{lack.why}; {lack.remedy}" for lack in each.lacks), *filter(None, (each.failure,))]
            self._say(f"{name}: {each.collector}: ", " | ".join(problems))
        return readings

    def _add_backups(self, told: Exposition, name: str, deadline: float) -> None:
        answer = self._backups[name].latest(deadline)
        problem = answer.problem
        if answer.value is not None:
            add_backups(told, name, answer.value, datetime.now(UTC))
            if answer.value.problem:
                problem = problem or answer.value.problem.what
        self._say(f"{name}: {_BACKUPS}: ", problem)
        told.value("chom_collector_success", not problem, name, _BACKUPS)
        told.value("chom_collector_duration_seconds", answer.seconds, name, _BACKUPS)
        if second := self._offsite.get(name):
            second.begin()
            found = second.latest()
            # what it had is not forgotten where it cannot be asked: it grows old, and that is what alerts are for
            told.moment("chom_offsite_last_backup_timestamp_seconds", found.value, name)
            self._say(f"{name}: the second copy: ", found.failure)

    def _room(self) -> _Room | None:
        """Of the file system; None: it is not mounted."""
        path = self._inventory.repository.path
        if not repository_of(self._inventory.repository).store.is_there():
            return None
        found = shutil.disk_usage(path)
        return _Room(found.free, found.total)

    def _say(self, about: str, problem: str) -> None:
        """Log what has changed, and not what every scrape finds again."""
        if self._said.get(about, "") != problem:
            self._said[about] = problem
            if problem:
                _log.warning("%s%s", about, problem)
            else:
                _log.info("%sall is well again", about)


@dataclass(frozen=True)
class _Room:
    free: int
    total: int


def _offsite(inventory: Inventory, server: Server) -> datetime | None:
    """When the newest full backup was taken that the second copy has; None: it has none. Raises ChomError."""
    standing = standing_of(inventory, server)
    if standing is None:
        return None
    if standing.problem:
        raise standing.problem
    entries = existing_repository(inventory.repository).backups(server.name)
    return newest_offsite(standing, [each.id for each in entries])
