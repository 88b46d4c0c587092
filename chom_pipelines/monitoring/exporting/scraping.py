"""One scrape: servers are read side by side, the repository beside them, the second copy in the background."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import repository_of
from chom_pipelines.monitoring.exporting.backup_state import backup_state, newest_offsite
from chom_pipelines.monitoring.exporting.collecting import ServerMonitor, ServerReadings
from chom_pipelines.monitoring.exporting.exposition import Exposition, add_backups, add_server, add_thresholds
from chom_pipelines.offsite.standing import standing_of

_AT_ONCE = 8
"""Servers that are read at a time."""
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
        self._offsite = {server.name: _SecondCopy(inventory, server) for server in inventory.servers}
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
        add_thresholds(told, servers)
        with ThreadPoolExecutor(min(_AT_ONCE, len(names)) or 1, "scrape") as pool:
            looks = [pool.submit(self._look, name, deadline) for name in names]
            for server in servers:
                self._add_backups(told, server)
            for name, look in zip(names, looks, strict=True):
                readings = look.result()
                told.value("chom_up", readings is not None, name)
                if readings is not None:
                    add_server(told, name, readings)
        self._add_room(told)
        return told

    def _look(self, name: str, deadline: float) -> ServerReadings | None:
        try:
            readings = self._monitors[name].look(deadline)
        except ChomError as error:
            self._say(f"{name}: ", error.what)
            return None
        self._say(f"{name}: ", "")
        for each in readings.readings:
            problems = [*(f"{lack.why}; {lack.remedy}" for lack in each.lacks), *filter(None, (each.failure,))]
            self._say(f"{name}: {each.collector}: ", " | ".join(problems))
        return readings

    def _add_backups(self, told: Exposition, server: Server) -> None:
        begun, problem = time.monotonic(), ""
        try:
            add_backups(told, server.name, backup_state(self._inventory, server, datetime.now(UTC)))
        except ChomError as error:
            problem = error.what
        self._say(f"{server.name}: {_BACKUPS}: ", problem)
        told.value("chom_collector_success", not problem, server.name, _BACKUPS)
        told.value("chom_collector_duration_seconds", time.monotonic() - begun, server.name, _BACKUPS)
        told.moment("chom_offsite_last_backup_timestamp_seconds", self._offsite[server.name].newest(), server.name)

    def _add_room(self, told: Exposition) -> None:
        path = self._inventory.repository.path
        if repository_of(self._inventory.repository).store.is_there():
            room = shutil.disk_usage(path)
            told.value("chom_repository_free_bytes", room.free)
            told.value("chom_repository_size_bytes", room.total)

    def _say(self, about: str, problem: str) -> None:
        """Log what has changed, and not what every scrape finds again."""
        if self._said.get(about, "") != problem:
            self._said[about] = problem
            if problem:
                _log.warning("%s%s", about, problem)
            else:
                _log.info("%sall is well again", about)


class _SecondCopy:
    """Asked in the background; until it has answered nothing is known of it."""

    def __init__(self, inventory: Inventory, server: Server) -> None:
        self._inventory, self._server = inventory, server
        self._newest: datetime | None = None
        self._asked = -_OFFSITE_SECONDS
        self._lock = threading.Lock()

    def newest(self) -> datetime | None:
        """When the newest full backup was taken that it had when it was asked last."""
        if self._inventory.repository.offsite is None or not self._server.backup.upload:
            return None
        with self._lock:
            if time.monotonic() - self._asked >= _OFFSITE_SECONDS:
                self._asked = time.monotonic()
                threading.Thread(target=self._ask, name=f"second copy of {self._server.name}", daemon=True).start()
            return self._newest

    def _ask(self) -> None:
        try:
            standing = standing_of(self._inventory, self._server)
            entries = repository_of(self._inventory.repository).backups(self._server.name)
        except ChomError as error:
            _log.warning("%s: the second copy: %s", self._server.name, error.what)
            return
        if standing is None or standing.problem:
            why = standing.problem.what if standing and standing.problem else ""
            _log.warning("%s: the second copy: %s", self._server.name, why)
            return  # what it had is not forgotten: it grows old, and that is what alerts are for
        self._newest = newest_offsite(standing, [each.id for each in entries])
