"""The first and the last row of the dashboard: what is so now, and whether it can be believed. Pure."""

from __future__ import annotations

from chom_pipelines.monitoring.dashboard.panels import Limits, Panel, Query, Row

_DAY = 86400

NOW = Row(
    "Now",
    (
        Panel(
            "Servers that do not answer",
            "Servers of chom.yaml that the exporter cannot connect to and read. `chom check --server NAME` says why.",
            "short",
            (Query("count(chom_up) - sum(chom_up)", "servers", instant=True),),
            kind="stat",
            width=4,
            height=4,
            limits=Limits(red=1),
        ),
        Panel(
            "Servers without a full backup",
            "Servers of chom.yaml of which no full backup can be read. If one is lost now, all of it is.",
            "short",
            (
                Query(
                    "count(chom_backup_configured) - "
                    '(count(chom_backup_last_success_timestamp{type="full"} > 0) or vector(0))',
                    "servers",
                    instant=True,
                ),
            ),
            kind="stat",
            width=4,
            height=4,
            limits=Limits(red=1),
        ),
        Panel(
            "Oldest full backup",
            "Of all servers the one whose newest full backup is oldest. Older than a day, a backup failed or did "
            "not start.",
            "s",
            (
                Query(
                    "max(time() - max by (server) "
                    '(last_over_time(chom_backup_last_success_timestamp{type="full"}[7d]) > 0))',
                    "age",
                    instant=True,
                ),
            ),
            kind="stat",
            width=4,
            height=4,
            limits=Limits(orange=_DAY, red=1.5 * _DAY),
        ),
        Panel(
            "At stake",
            "The longest stretch of time that no restore would bring back, of all servers. `chom windows` shows why.",
            "s",
            (Query("max(chom_recovery_exposure_seconds)", "at stake", instant=True),),
            kind="stat",
            width=4,
            height=4,
            limits=Limits(orange=_DAY, red=2 * _DAY),
        ),
        Panel(
            "Oldest proof by a restore",
            "Of all servers the one whose last restored and compared backup is longest ago. A backup that was "
            "never restored is a hope.",
            "s",
            (
                Query(
                    'max(time() - max by (server) (chom_backup_last_verified_timestamp_seconds{level="full"}))',
                    "age",
                    instant=True,
                ),
            ),
            kind="stat",
            width=4,
            height=4,
            limits=Limits(orange=8 * _DAY, red=10 * _DAY),
        ),
        Panel(
            "Repository: free",
            "What is free on the disk of the repository. Full, every backup fails: `chom prune --dry-run` shows "
            "what may go.",
            "percentunit",
            (Query("min(chom_repository_free_bytes / chom_repository_size_bytes)", "free", instant=True),),
            kind="stat",
            width=4,
            height=4,
            limits=Limits(orange=0.2, red=0.1, falling=True),
            maximum=1,
        ),
    ),
)

MONITORING = Row(
    "Monitoring itself",
    (
        Panel(
            "Servers",
            "What runs, and for how long. A short uptime that nobody planned is a crash: see the server's error log.",
            "s",
            (
                Query(
                    "max by (job, instance, server, flavour, version) (chom_database_uptime_seconds "
                    "* on (job, instance, server) group_left (flavour, version) chom_database_info)",
                    "",
                    instant=True,
                ),
            ),
            kind="table",
            value_title="uptime",
        ),
        Panel(
            "What can be told",
            "What each server tells, by name. What is missing has no figures above, and its alerts are silent: "
            "`chom monitor --type overview` prints the GRANT or setting that brings it.",
            "none",
            (Query("min by (server, name) (chom_monitor_capability)", "", instant=True),),
            kind="table",
            limits=Limits(red=1, falling=True),
            names=("missing", "there"),
            value_title="told",
        ),
        Panel(
            "Collectors",
            "Whether each question that the exporter asks got its answer. One that fails while others do not takes "
            "too long, or lacks a privilege.",
            "none",
            (Query("min by (server, collector) (chom_collector_success)", "", instant=True),),
            kind="table",
            limits=Limits(red=1, falling=True),
            names=("fails", "works"),
            value_title="state",
        ),
        Panel(
            "How long collectors take",
            "Of each question at each scrape. All together must stay below the scrape timeout of Prometheus; what "
            "takes seconds weighs on the server, too.",
            "s",
            (Query("max by (server, collector) (chom_collector_duration_seconds)", "{{server}} {{collector}}"),),
        ),
    ),
)
