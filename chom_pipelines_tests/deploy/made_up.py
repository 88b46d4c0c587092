"""An exporter of two servers that do not exist: every series that the real one may tell, with counters that move."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SERVERS = ("shop", "billing")
_DAY = 86400
_EDGES = ("0.001", "0.01", "0.1", "1", "10", "+Inf")


def exposition(now: float, elapsed: float, servers: Sequence[str] = SERVERS) -> str:
    """What is told of them at `now` (seconds since 1970), `elapsed` seconds after the counters began."""
    lines = [
        'chom_build_info{version="0"} 1',
        "chom_repository_size_bytes 1e12",
        f"chom_repository_free_bytes {6e11 - elapsed}",
    ]
    for place, server in enumerate(servers, 1):
        told = {**_state(place), **_times(now), **_counters(elapsed * place)}
        for name, value in told.items():
            metric, _, labels = name.partition("{")
            inside = f'server="{server}"' + (f",{labels.removesuffix('}')}" if labels else "")
            lines.append(f"{metric}{{{inside}}} {value}")
    return "\n".join(lines) + "\n"


def _state(place: int) -> dict[str, float | str]:
    table = 'database="store",table="orders"'
    each_type = [f'type="{each}"' for each in ("full", "incremental", "binlog")]
    return {
        "chom_up": 1,
        'chom_collector_success{collector="tables"}': 1,
        'chom_collector_duration_seconds{collector="tables"}': 0.02,
        'chom_monitor_capability{name="row_locks"}': 1,
        'chom_monitor_capability{name="query_histogram"}': place % 2,
        'chom_database_info{flavour="mariadb",version="10.11.19"}': 1,
        **{f'chom_database_size_bytes{{database="store",type="{each}"}}': 1e9 for each in ("total", "data", "index")},
        f"chom_database_table_size_bytes{{{table}}}": 5e8,
        'chom_database_tables{database="store"}': 12,
        **{f'chom_database_connections{{state="{each}"}}': 9 * place for each in ("active", "idle", "total")},
        "chom_database_connections_max": 151,
        "chom_database_index_used_count": 20,
        "chom_database_index_unused_count": 5,
        **{f'chom_database_indexes{{state="{each}"}}': 7 for each in ("used", "unused", "needed")},
        **{f'chom_database_lock_waiting_sessions{{kind="{each}"}}': 0 for each in ("row", "metadata")},
        **{f'chom_database_lock_wait_longest_seconds{{kind="{each}"}}': 0 for each in ("row", "metadata")},
        'chom_database_replication_lag_seconds{channel=""}': 3,
        **{f'chom_database_replication_running{{channel="",thread="{each}"}}': 1 for each in ("io", "sql")},
        f'chom_database_auto_increment_used_ratio{{{table},column="id"}}': 0.3,
        "chom_migrations_pending": 0,
        "chom_backup_configured": 1,
        "chom_offsite_configured": 1,
        **{f"chom_backup_duration_seconds{{{each}}}": 70 for each in each_type},
        **{f"chom_backup_size_bytes{{{each}}}": 3e8 for each in each_type},
        **{f"chom_backups{{{each}}}": 30 for each in each_type},
        "chom_backups_unusable": 0,
        "chom_recoverable_window_gaps": 0,
        "chom_recovery_exposure_seconds": 600,
        'chom_restore_predicted_seconds{method="logical"}': 240,
        "chom_threshold_backup_age_seconds": _DAY,
        "chom_threshold_exposure_seconds": 7200,
        "chom_threshold_slow_queries_per_second": 10,
        "chom_threshold_buffer_pool_hit_ratio": 0.95,
    }


def _times(now: float) -> dict[str, float | str]:
    each_type = [f'type="{each}"' for each in ("full", "incremental", "binlog")]
    return {
        **{f"chom_backup_last_success_timestamp{{{each}}}": now - 3600 for each in each_type},
        **{f"chom_backup_last_success_timestamp_seconds{{{each}}}": now - 3600 for each in each_type},
        **{f'chom_backup_last_verified_timestamp_seconds{{level="{each}"}}': now - _DAY for each in ("basic", "full")},
        "chom_recoverable_window_start_timestamp_seconds": now - 7 * _DAY,
        "chom_recoverable_window_end_timestamp_seconds": now - 600,
        "chom_binlog_archive_last_timestamp_seconds": now - 600,
        "chom_offsite_last_backup_timestamp_seconds": now - 7200,
        "chom_pitr_drill_last_success_timestamp_seconds": now - 3 * _DAY,
    }


def _counters(moved: float) -> dict[str, float | str]:
    operations = ("read", "insert", "update", "delete")
    return {
        "chom_database_uptime_seconds": 90000 + moved,
        "chom_database_queries_total": 500 * moved,
        "chom_database_slow_queries_total": 2 * moved,
        "chom_query_duration_seconds_sum": 5 * moved,
        "chom_query_duration_seconds_count": 500 * moved,
        **{
            f'chom_query_duration_seconds_bucket{{le="{edge}"}}': 500 * moved * share
            for edge, share in zip(_EDGES, (0.5, 0.8, 0.94, 0.98, 1, 1), strict=True)
        },
        "chom_database_innodb_buffer_pool_reads": 10 * moved,
        "chom_database_innodb_buffer_pool_reads_total": 10 * moved,
        "chom_database_innodb_buffer_pool_read_requests": 9000 * moved,
        "chom_database_innodb_buffer_pool_read_requests_total": 9000 * moved,
        "chom_database_row_lock_waits_total": moved,
        "chom_database_row_lock_wait_seconds_total": 0.2 * moved,
        "chom_database_table_locks_waited_total": 0.1 * moved,
        "chom_database_deadlocks_total": 0.01 * moved,
        **{f'chom_database_row_operations_total{{operation="{each}"}}': 1000 * moved for each in operations},
    }


@contextmanager
def made_up_exporter() -> Iterator[str]:
    """Its address, host:port. It answers /metrics, and /probe?target=NAME."""
    began = time.time()

    class _Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now, asked = time.time(), urlsplit(self.path)
            servers = parse_qs(asked.query)["target"] if asked.path == "/probe" else SERVERS
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(exposition(now, now - began, servers).encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (its name there)
            """Nothing: pytest shows what is said here as the test's."""

    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{serving.server_port}"
        finally:
            serving.shutdown()
            thread.join()
