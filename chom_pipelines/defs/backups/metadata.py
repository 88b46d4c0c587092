"""What a person wants to see of a backup in the UI, as plain values; pure."""

from collections.abc import Mapping
from typing import Any

from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.payloads import LogicalPayload

LARGEST = 20
"""Tables that are listed one by one."""

LISTED = 100
"""A longer list of the manifest is shown as its length: Dagster keeps a copy of it with every run."""

_MEGA = 1e6


def numbers(manifest: Manifest) -> dict[str, int | float]:
    """What plots over time. Data and throughput are of the text before compression; exact bytes are in the manifest."""
    payload = manifest.payload
    rows = {"rows": payload.rows} if isinstance(payload, LogicalPayload) else {}
    counts = {**rows, "tables": manifest.tables}
    return {
        "data_mb": round(manifest.raw_bytes / _MEGA, 2),
        "stored_mb": round(manifest.stored_bytes / _MEGA, 2),
        "compression_ratio": round(manifest.ratio, 2),
        "seconds": round(manifest.seconds, 2),
        "mb_per_second": round(manifest.raw_bytes / _MEGA / manifest.seconds, 2) if manifest.seconds else 0.0,
        **counts,
    }


def words(manifest: Manifest) -> dict[str, str]:
    """What identifies it: words, which do not plot."""
    end = manifest.coordinates.end
    position = f"{end.file}:{end.position}" if end else "the server writes no binary log"
    codecs = sorted({stored.codec.value for stored in manifest.objects})
    parent = {"builds_on": manifest.parent} if manifest.parent else {}
    return {
        **parent,
        "server": f"{manifest.source.flavour} {manifest.source.version} on {manifest.source.hostname}",
        "snapshot": f"{manifest.as_of:%Y-%m-%d %H:%M:%S} UTC",
        "binlog_position": position + (f", GTID {end.gtid}" if end and end.gtid else ""),
        "compression": ", ".join(codecs),
        "encryption": f"key {manifest.key_name}" if manifest.key else "none",
    }


def largest_tables(payload: LogicalPayload) -> list[dict[str, str | int | float]]:
    """The largest tables, the largest first: name, rows, megabytes of text, percent of all tables."""
    total = sum(table.bytes for table in payload.tables)
    tables = sorted(payload.tables, key=lambda table: (-table.bytes, table.database, table.name))
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
    body["key"] = manifest.key_name
    return body | {"payload": _shortened(body["payload"]), "objects": _shortened(body)["objects"]}


def _shortened(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"{len(value)} entries" if isinstance(value, list) and len(value) > LISTED else value
        for name, value in body.items()
    }
