"""The row of the dashboard that is about backups and what can be recovered. Pure."""

from __future__ import annotations

from chom_pipelines.monitoring.dashboard.panels import Limits, Panel, Query, Row

_DAY = 86400

BACKUPS = Row(
    "Backups",
    (
        Panel(
            "Age of the last backup",
            "How long ago the last backup of each type succeeded, and how old a full one may be. It goes on rising "
            "while the exporter is dead. Over the limit, `chom backups` and Dagster's runs say what failed.",
            "s",
            (
                Query(
                    "time() - max by (server, type) (last_over_time(chom_backup_last_success_timestamp[7d]) > 0)",
                    "{{server}} {{type}}",
                ),
                Query("max by (server) (chom_threshold_backup_age_seconds)", "{{server}} limit"),
            ),
        ),
        Panel(
            "At stake: what no restore would bring back",
            "How long ago the newest moment is that can be restored, and how long that may be. A saw between two "
            "archives of the binary log is right; a rise without end is an archive that stands still.",
            "s",
            (
                Query("max by (server) (chom_recovery_exposure_seconds)", "{{server}}"),
                Query("max by (server) (chom_threshold_exposure_seconds)", "{{server}} limit"),
                Query(
                    "time() - max by (server) (chom_binlog_archive_last_timestamp_seconds)", "{{server}} since archived"
                ),
            ),
        ),
        Panel(
            "Size of backups",
            "As stored, of the newest of each type. Half or twice the usual: tables were emptied, left out, or "
            "grow without bounds.",
            "bytes",
            (Query("max by (server, type) (chom_backup_size_bytes)", "{{server}} {{type}}"),),
        ),
        Panel(
            "Duration of backups",
            "Of the newest of each type. Much longer than usual at the same size, the server, the disk or the "
            "network was busy; overlapping with the next one, move the schedule.",
            "s",
            (Query("max by (server, type) (chom_backup_duration_seconds)", "{{server}} {{type}}"),),
        ),
        Panel(
            "Recoverable window",
            "How far back any second can be restored without a break, up to now; on the right gaps that no full "
            "backup has followed. Shorter than the retention: a gap cut it. `chom windows` lists all.",
            "s",
            (
                Query(
                    "max by (server) (chom_recoverable_window_end_timestamp_seconds - "
                    "chom_recoverable_window_start_timestamp_seconds)",
                    "{{server}}",
                ),
                Query("max by (server) (chom_recoverable_window_gaps)", "{{server}} gaps"),
            ),
            right_axis="/ gaps$/",
            right_unit="short",
        ),
        Panel(
            "Age of proofs",
            "How long ago a backup last passed: basic, every byte was read and authenticated; full, it was "
            "restored and compared; drill, a random second was restored by two ways. Over ten days the weekly ones "
            "were missed.",
            "s",
            (
                Query(
                    "time() - max by (server, level) (last_over_time(chom_backup_last_verified_timestamp_seconds[7d]))",
                    "{{server}} {{level}}",
                ),
                Query(
                    "time() - max by (server) (last_over_time(chom_pitr_drill_last_success_timestamp_seconds[7d]))",
                    "{{server}} drill",
                ),
            ),
        ),
        Panel(
            "How long a restore takes",
            "Predicted from the last benchmark, by the way of restoring. This is how long the business would wait: "
            "too long, take physical backups or restore the tables that matter first.",
            "s",
            (Query("max by (server, method) (chom_restore_predicted_seconds)", "{{server}} {{method}}", instant=True),),
            kind="bargauge",
            width=8,
        ),
        Panel(
            "Age of the second copy",
            "How old the newest full backup is that is elsewhere, too. Over two days, `chom offsite push` says "
            "what keeps it.",
            "s",
            (
                Query(
                    "time() - max by (server) (last_over_time(chom_offsite_last_backup_timestamp_seconds[7d]))",
                    "{{server}}",
                ),
            ),
            width=8,
            limits=Limits(orange=_DAY, red=2 * _DAY),
        ),
        Panel(
            "Backups that are listed",
            "How many there are of each type, and of those that cannot be used. The number should stay what the "
            "retention makes it; of any that cannot be used, `chom backups` says why.",
            "short",
            (
                Query("max by (server, type) (chom_backups)", "{{server}} {{type}}"),
                Query("max by (server) (chom_backups_unusable)", "{{server}} not usable"),
            ),
            width=8,
        ),
        Panel(
            "Disk of the repository",
            "What is free, what there is, and what will be free in four days by the trend of the last three. At 0 "
            "every backup fails: keep less, or give it a larger disk.",
            "bytes",
            (
                Query("min by (instance) (chom_repository_free_bytes)", "{{instance}} free"),
                Query("max by (instance) (chom_repository_size_bytes)", "{{instance}} in all"),
                Query(
                    "min by (instance) (predict_linear(chom_repository_free_bytes[3d], 4 * 86400))",
                    "{{instance}} free in 4 days",
                ),
            ),
            width=24,
            minimum=None,
        ),
    ),
)
