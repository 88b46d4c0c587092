"""Readings as Prometheus reads them. Pure: what is not known has no series, and never a zero in its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import nlargest

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)

from chom_pipelines.backups.exposure import limit as exposure_limit
from chom_pipelines.backups.verdicts import LATE
from chom_pipelines.inventory.models import Server
from chom_pipelines.monitoring.exporting.backup_state import BackupState, LogState
from chom_pipelines.monitoring.exporting.collecting import ServerReadings, Tables
from chom_pipelines.monitoring.exporting.metrics import METRICS, OF_NO_SERVER
from chom_pipelines.monitoring.readers.index_reads import INDEX_READS
from chom_pipelines.monitoring.readers.indexes import INDEXES, Index
from chom_pipelines.monitoring.readers.processes import Processes
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.replication import Channel
from chom_pipelines.monitoring.readers.status import Status
from chom_pipelines.monitoring.readers.tables import TableSize

_LARGEST = 100
"""So many tables are told by name, of each server."""
_HOUR, _PERCENT = 3600, 100
_OF_NO_SERVER = {each.name for each in OF_NO_SERVER}


class Exposition:
    """The families, filled one value after the other."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def families(self) -> Iterator[Metric]:
        """Those with a value, in the order of METRICS."""
        return (self._families[name] for name in METRICS if name in self._families)

    def value(self, name: str, value: float, *labels: str) -> None:
        """Of the labels of METRICS, `server` first where it has one."""
        self._family(name).add_metric(list(labels), value)  # type: ignore[attr-defined]  # every family but the base has it

    def moment(self, name: str, moment: datetime | None, *labels: str) -> None:
        """In Unix seconds; none for None."""
        if moment is not None:
            self.value(name, moment.timestamp(), *labels)

    def histogram(self, name: str, buckets: Sequence[tuple[float, int]], total: float, *labels: str) -> None:
        """Cumulative, by upper bound, the last infinite."""
        bounds = [("+Inf" if math.isinf(bound) else repr(bound), count) for bound, count in buckets]
        self._family(name).add_metric(list(labels), bounds, total)  # type: ignore[attr-defined]  # as above

    def _family(self, name: str) -> Metric:
        if name not in self._families:
            metric = METRICS[name]
            labels = metric.labels if name in _OF_NO_SERVER else ("server", *metric.labels)
            kinds = {
                "gauge": GaugeMetricFamily,
                "counter": CounterMetricFamily,
                "histogram": HistogramMetricFamily,
                "unknown": UnknownMetricFamily,
            }
            self._families[name] = kinds[metric.kind](name.removesuffix("_total"), metric.help, labels=labels)
        return self._families[name]


def add_server(told: Exposition, server: str, readings: ServerReadings) -> None:
    """All that was read of a server that answered."""
    facts = readings.facts
    told.value("chom_database_info", 1, server, facts.flavour.value, facts.version_text)
    for reading in readings.readings:
        told.value("chom_collector_success", reading.succeeded, server, reading.collector)
        told.value("chom_collector_duration_seconds", reading.seconds, server, reading.collector)
    _add_capabilities(told, server, readings)
    if status := readings.status.value:
        _add_status(told, server, status)
    if processes := readings.processes.value:
        _add_processes(told, server, processes)
    if histogram := readings.histogram.value:
        told.histogram("chom_query_duration_seconds", histogram.buckets, histogram.total_seconds, server)
    for channel in readings.replication.value or ():
        _add_channel(told, server, channel)
    if readings.pending and readings.pending.value is not None:
        told.value("chom_migrations_pending", readings.pending.value, server)
    _add_tables(told, server, readings.tables)


def _add_capabilities(told: Exposition, server: str, readings: ServerReadings) -> None:
    there = {name for each in readings.readings for name in each.capabilities}
    lacking = {lack.capability for each in readings.readings for lack in each.lacks}
    for name in sorted(there | lacking):
        told.value("chom_monitor_capability", name not in lacking, server, name)


def _add_status(told: Exposition, server: str, status: Status) -> None:
    told.value("chom_database_uptime_seconds", status.uptime, server)
    told.value("chom_database_connections_max", status.most_connections, server)
    told.value("chom_database_queries_total", status.queries, server)
    told.value("chom_database_slow_queries_total", status.slow_queries, server)
    for name, count in (("reads", status.pool_reads), ("read_requests", status.pool_requests)):
        told.value(f"chom_database_innodb_buffer_pool_{name}", count, server)
        told.value(f"chom_database_innodb_buffer_pool_{name}_total", count, server)
    told.value("chom_database_row_lock_waits_total", status.row_lock_waits, server)
    told.value("chom_database_row_lock_wait_seconds_total", status.row_lock_seconds, server)
    told.value("chom_database_table_locks_waited_total", status.table_locks_waited, server)
    if status.deadlocks is not None:
        told.value("chom_database_deadlocks_total", status.deadlocks, server)
    for operation, count in status.operations.items():
        told.value("chom_database_row_operations_total", count, server, operation)


def _add_processes(told: Exposition, server: str, found: Processes) -> None:
    for state, count in (("active", found.active), ("idle", found.idle), ("total", found.total)):
        told.value("chom_database_connections", count, server, state)
    for kind, waiting in found.waiting.items():
        told.value("chom_database_lock_waiting_sessions", waiting.sessions, server, kind)
        if waiting.longest is not None:
            told.value("chom_database_lock_wait_longest_seconds", waiting.longest, server, kind)


def _add_channel(told: Exposition, server: str, channel: Channel) -> None:
    if channel.lag is not None:
        told.value("chom_database_replication_lag_seconds", channel.lag, server, channel.name)
    for thread, runs in (("io", channel.reads), ("sql", channel.applies)):
        told.value("chom_database_replication_running", runs, server, channel.name, thread)


def _add_tables(told: Exposition, server: str, tables: Tables) -> None:
    sizes = tables.sizes.value or ()
    by_database: dict[str, list[TableSize]] = {}
    for size in sizes:
        by_database.setdefault(size.database, []).append(size)
    for database, of_it in sorted(by_database.items()):
        data, index = sum(each.data for each in of_it), sum(each.index for each in of_it)
        for kind, count in (("data", data), ("index", index), ("total", data + index)):
            told.value("chom_database_size_bytes", count, server, database, kind)
        told.value("chom_database_tables", len(of_it), server, database)
    for each in nlargest(_LARGEST, sizes, key=lambda size: size.total):
        told.value("chom_database_table_size_bytes", each.total, server, each.database, each.table)
    _add_indexes(told, server, tables.indexes)
    for counter in tables.counters.value or ():
        place = (counter.database, counter.table, counter.column)
        told.value("chom_database_auto_increment_used_ratio", counter.used, server, *place)


def _add_indexes(told: Exposition, server: str, reading: Reading[tuple[Index, ...]]) -> None:
    """Only of all databases together: where some, or their counts, are not seen, a part would be a wrong number.

    Indexes whose reads no server counts, as FULLTEXT, are neither used nor unused.
    """
    lacking = {lack.capability for lack in reading.lacks}
    if reading.value is None or reading.failure or lacking & {INDEXES, INDEX_READS}:
        return
    needed = sum(each.is_needed for each in reading.value)
    reads = [each.reads for each in reading.value if not each.is_needed and each.reads is not None]
    used = sum(map(bool, reads))
    unused = len(reads) - used
    for state, count in (("used", used), ("unused", unused), ("needed", needed)):
        told.value("chom_database_indexes", count, server, state)
    told.value("chom_database_index_used_count", used + needed, server)
    told.value("chom_database_index_unused_count", unused, server)


def add_backups(told: Exposition, server: str, state: BackupState, now: datetime) -> None:
    """What the repository says; `now` is aware."""
    for kind, last in state.last.items():
        told.moment("chom_backup_last_success_timestamp_seconds", last.taken, server, kind.value)
        told.moment("chom_backup_last_success_timestamp", last.taken, server, kind.value)
        told.value("chom_backup_size_bytes", last.bytes, server, kind.value)
        if last.seconds is not None:
            told.value("chom_backup_duration_seconds", last.seconds, server, kind.value)
    for kind, count in state.count.items():
        told.value("chom_backups", count, server, kind.value)
    told.value("chom_backups_unusable", state.unusable, server)
    for level, moment in state.verified.items():
        told.moment("chom_backup_last_verified_timestamp_seconds", moment, server, level.value)
    if state.log:
        _add_log(told, server, state.log, now)
    for method, seconds in state.predicted.items():
        told.value("chom_restore_predicted_seconds", seconds, server, method)


def _add_log(told: Exposition, server: str, log: LogState, now: datetime) -> None:
    if log.window:
        told.moment("chom_recoverable_window_start_timestamp_seconds", log.window[0], server)
        told.moment("chom_recoverable_window_end_timestamp_seconds", log.window[1], server)
    told.value("chom_recoverable_window_gaps", log.open_gaps, server)
    exposure = log.exposure(now)
    if exposure is not None:
        told.value("chom_recovery_exposure_seconds", exposure.total_seconds(), server)
    told.moment("chom_binlog_archive_last_timestamp_seconds", log.archived, server)
    told.moment("chom_pitr_drill_last_success_timestamp_seconds", log.drilled, server)


def add_configured(told: Exposition, servers: Iterable[Server], *, offsite: bool) -> None:
    """What chom.yaml has, so that no rule of Prometheus has to be edited; `offsite`: there is to be a second copy."""
    for server in servers:
        found = server.thresholds
        told.value("chom_backup_configured", 1, server.name)
        if offsite and server.backup.upload:
            told.value("chom_offsite_configured", 1, server.name)
        told.value(
            "chom_threshold_backup_age_seconds", found.backup_age_hours * _HOUR + LATE.total_seconds(), server.name
        )
        told.value("chom_threshold_exposure_seconds", exposure_limit(server).total_seconds(), server.name)
        told.value("chom_threshold_slow_queries_per_second", found.slow_queries_per_second, server.name)
        told.value("chom_threshold_buffer_pool_hit_ratio", found.buffer_pool_hit_rate / _PERCENT, server.name)
