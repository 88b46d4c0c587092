"""The rows of the dashboard that are about database servers: what they do, wait for and hold. Pure."""

from __future__ import annotations

from chom_pipelines.monitoring.dashboard.panels import Limits, Panel, Query, Row

LOAD = Row(
    "Load",
    (
        Panel(
            "Queries",
            "Statements a second, and on the right those slower than long_query_time. More slow ones at the same "
            "load mean a missing index or waits for locks: `chom monitor --type queries` names them.",
            "ops",
            (
                Query("sum by (server) (rate(chom_database_queries_total[$__rate_interval]))", "{{server}}"),
                Query("sum by (server) (rate(chom_database_slow_queries_total[$__rate_interval]))", "{{server}} slow"),
            ),
            right_axis="/ slow$/",
        ),
        Panel(
            "Duration of queries, 95th and 99th percentile",
            "95 and 99 of 100 statements take no longer than this. Without data the server does not count by "
            "duration: the table of what cannot be told, at the end, says so. A step up after a deploy is the "
            "deploy's.",
            "s",
            (
                Query(
                    "histogram_quantile(0.95, sum by (server, le) "
                    "(rate(chom_query_duration_seconds_bucket[$__rate_interval])))",
                    "{{server}} 95 %",
                ),
                Query(
                    "histogram_quantile(0.99, sum by (server, le) "
                    "(rate(chom_query_duration_seconds_bucket[$__rate_interval])))",
                    "{{server}} 99 %",
                ),
            ),
        ),
        Panel(
            "Connections",
            "Sessions by what they do, and how many the server allows. Near the limit the application is refused: "
            "look for sessions that wait for one lock, then for a pool that leaks.",
            "short",
            (
                Query(
                    'sum by (server, state) (chom_database_connections{state=~"active|idle"})', "{{server}} {{state}}"
                ),
                Query("max by (server) (chom_database_connections_max)", "{{server}} limit"),
            ),
        ),
        Panel(
            "Row operations",
            "Rows that were read, inserted, updated and deleted, a second; MariaDB counts calls of the storage "
            "engine, which is about the same. Many more rows read than before mean that an index is no longer "
            "used.",
            "ops",
            (
                Query(
                    "sum by (server, operation) (rate(chom_database_row_operations_total[$__rate_interval]))",
                    "{{server}} {{operation}}",
                ),
            ),
        ),
    ),
)

MEMORY_AND_LOCKS = Row(
    "Memory and locks",
    (
        Panel(
            "Reads answered from memory",
            "How many of the reads of InnoDB needed no disk, now and not since the start. Below 95 % for long the "
            "buffer pool is too small, or a query reads large tables as a whole. After a restart it is low for a "
            "while.",
            "percent",
            (
                Query(
                    "100 * min by (server) (clamp(1 - "
                    "rate(chom_database_innodb_buffer_pool_reads_total[$__rate_interval]) / "
                    "(rate(chom_database_innodb_buffer_pool_read_requests_total[$__rate_interval]) > 0), 0, 1))",
                    "{{server}}",
                ),
            ),
            limits=Limits(orange=95, red=90, falling=True),
            maximum=100,
        ),
        Panel(
            "Lock waits and deadlocks",
            "Waits that began, a second: for rows, and for whole tables (of storage engines without row locks, and "
            "LOCK TABLES). A deadlock rolls a transaction back. Keep transactions short, and lock rows in one "
            "order.",
            "ops",
            (
                Query(
                    "sum by (server) (rate(chom_database_row_lock_waits_total[$__rate_interval]))", "{{server}} rows"
                ),
                Query(
                    "sum by (server) (rate(chom_database_table_locks_waited_total[$__rate_interval]))",
                    "{{server}} tables",
                ),
                Query(
                    "sum by (server) (rate(chom_database_deadlocks_total[$__rate_interval]))", "{{server}} deadlocks"
                ),
            ),
        ),
        Panel(
            "Sessions that wait for a lock",
            "How many wait at this moment, by kind, and on the right for how long the longest has. Whoever waits "
            "for a metadata lock holds up all that come after: `chom monitor --type locks` shows who is at the "
            "root.",
            "short",
            (
                Query("sum by (server, kind) (chom_database_lock_waiting_sessions)", "{{server}} {{kind}}"),
                Query(
                    "max by (server, kind) (chom_database_lock_wait_longest_seconds)", "{{server}} {{kind}}, longest"
                ),
            ),
            right_axis="/, longest$/",
            right_unit="s",
        ),
        Panel(
            "Mean wait for a row lock",
            "How long a wait for a row took that ended lately; nothing where nobody waited. Seconds mean that "
            "transactions stay open while the application does something else.",
            "s",
            (
                Query(
                    "sum by (server) (rate(chom_database_row_lock_wait_seconds_total[$__rate_interval])) / "
                    "(sum by (server) (rate(chom_database_row_lock_waits_total[$__rate_interval])) > 0)",
                    "{{server}}",
                ),
            ),
        ),
    ),
)

STORAGE = Row(
    "Storage",
    (
        Panel(
            "Size of databases",
            "Data and indexes of all databases of a server. What grows without the business growing is a log or a "
            "queue that nobody empties.",
            "bytes",
            (Query('sum by (server, type) (chom_database_size_bytes{type=~"data|index"})', "{{server}} {{type}}"),),
            stacked=True,
        ),
        Panel(
            "Growth and forecast",
            "By the trend of 7 days: bytes a day on the right, and the size in 30 days. Compare it with the disk, "
            "and with how long a restore of that much takes.",
            "bytes",
            (
                Query(
                    'sum by (server) (predict_linear(chom_database_size_bytes{type="total"}[7d], 30 * 86400))',
                    "{{server}} in 30 days",
                ),
                Query(
                    'sum by (server) (deriv(chom_database_size_bytes{type="total"}[7d])) * 86400', "{{server}} a day"
                ),
            ),
            minimum=None,
            right_axis="/ a day$/",
        ),
        Panel(
            "Largest tables",
            "The ten largest, with their indexes. They decide how long a backup, a restore and a migration take; "
            "of each `chom monitor --type tables` tells what a rebuild would give back.",
            "bytes",
            (
                Query(
                    "topk(10, sum by (server, database, table) (chom_database_table_size_bytes))",
                    "{{server}}: {{database}}.{{table}}",
                    instant=True,
                ),
            ),
            kind="bargauge",
        ),
        Panel(
            "Indexes that are read",
            "Of all indexes, those that were read since the server counts. Each other one costs at every write. "
            "Before one is dropped, look at `chom monitor --type indexes`: those that are unique or that foreign "
            "keys need are no waste.",
            "percent",
            (
                Query(
                    "100 * sum by (server) (chom_database_index_used_count) / "
                    "(sum by (server) (chom_database_index_used_count + chom_database_index_unused_count) > 0)",
                    "{{server}}",
                ),
            ),
            width=6,
            maximum=100,
        ),
        Panel(
            "Numbers used up",
            "How much of what its type can hold the AUTO_INCREMENT of a column has used. At 100 % every INSERT "
            "fails; at 80 % plan the change to BIGINT UNSIGNED, which rewrites the table.",
            "percentunit",
            (
                Query(
                    "topk(10, max by (server, database, table, column) (chom_database_auto_increment_used_ratio))",
                    "{{server}}: {{database}}.{{table}}.{{column}}",
                    instant=True,
                ),
            ),
            kind="bargauge",
            width=6,
            limits=Limits(orange=0.8, red=0.95),
            maximum=1,
        ),
    ),
)

REPLICATION_AND_MIGRATIONS = Row(
    "Replication and migrations",
    (
        Panel(
            "Replication lag",
            "How far a replica is behind its source. Who reads from it reads what was. DDL, a long transaction or "
            "a table without a primary key hold it up.",
            "s",
            (Query("max by (server, channel) (chom_database_replication_lag_seconds)", "{{server}} {{channel}}"),),
            width=8,
            limits=Limits(orange=60, red=300),
        ),
        Panel(
            "Replication runs",
            "Whether both threads of each replica run. A stopped one does not start by itself: SHOW REPLICA STATUS "
            "has the error that stopped it.",
            "none",
            (
                Query(
                    "min by (server, channel, thread) (chom_database_replication_running)",
                    "{{server}} {{channel}} {{thread}}",
                    instant=True,
                ),
            ),
            kind="stat",
            width=8,
            limits=Limits(red=1, falling=True),
            names=("stopped", "runs"),
        ),
        Panel(
            "Pending migrations",
            "Migrations that the application has and the database has not run. For longer than a deploy takes it "
            "means that one stopped in the middle: `chom migration check` says what the rest would do.",
            "short",
            (Query("max by (server) (chom_migrations_pending)", "{{server}}"),),
            width=8,
            limits=Limits(orange=1),
        ),
    ),
)
