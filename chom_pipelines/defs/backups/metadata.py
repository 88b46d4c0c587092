"""What a person wants to see of a backup in the UI, as plain values; pure."""

from typing import Any

from chom_pipelines.repository.manifest import Manifest

LARGEST = 20
"""Tables that are listed one by one."""

LISTED_TABLES = 100
"""Up to so many tables the manifest is shown whole: Dagster keeps a copy of it with every run."""

_MEGA = 1e6


def numbers(manifest: Manifest) -> dict[str, int | float]:
    """What plots over time. Data and throughput are of the text before compression; exact bytes are in the manifest."""
    seconds = (manifest.finished - manifest.started).total_seconds()
    return {
        "data_mb": round(manifest.raw_bytes / _MEGA, 2),
        "stored_mb": round(manifest.stored_bytes / _MEGA, 2),
        "compression_ratio": round(manifest.ratio, 2),
        "seconds": round(seconds, 2),
        "mb_per_second": round(manifest.raw_bytes / _MEGA / seconds, 2) if seconds else 0.0,
        "rows": manifest.rows,
        "tables": len(manifest.tables),
    }


def words(manifest: Manifest) -> dict[str, str]:
    """What identifies it: words, which do not plot."""
    at = manifest.coordinates
    position = f"{at.file}:{at.position}" if at.file else "the server writes no binary log"
    return {
        "server": f"{manifest.source.flavour} {manifest.source.version} on {manifest.source.hostname}",
        "snapshot": f"{manifest.snapshot:%Y-%m-%d %H:%M:%S} UTC",
        "binlog_position": position + (f", GTID {at.gtid}" if at.gtid else ""),
        "compression": f"{manifest.codec.value} {manifest.level}",
        "encryption": f"key {manifest.key.key_name}" if manifest.key else "none",
    }


def largest_tables(manifest: Manifest) -> list[dict[str, str | int | float]]:
    """The largest tables, the largest first: name, rows, megabytes of text, percent of all tables."""
    total = sum(table.bytes for table in manifest.tables)
    tables = sorted(manifest.tables, key=lambda table: (-table.bytes, table.database, table.name))
    return [
        {
            "table": f"{table.database}.{table.name}",
            "rows": table.rows,
            "MB": round(table.bytes / _MEGA, 3),
            "percent": round(100 * table.bytes / total, 1) if total else 0.0,
        }
        for table in tables[:LARGEST]
    ]


def described(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON; of a large one the counts of what it lists. The wrapped data key is left out."""
    body = manifest.model_dump(mode="json")
    body["key"] = manifest.key.key_name if manifest.key else None
    if len(manifest.tables) > LISTED_TABLES:
        body |= {name: f"{len(value)} entries" for name, value in body.items() if _length(value) > LISTED_TABLES}
    return body


def _length(value: object) -> int:
    """The length of a list; of anything else 0."""
    return len(value) if isinstance(value, list) else 0
