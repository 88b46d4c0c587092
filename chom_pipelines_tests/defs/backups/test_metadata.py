import json

from chom_pipelines.defs.backups.metadata import LARGEST, LISTED, described, largest_tables, numbers, words
from chom_pipelines.repository.manifest import Coordinates, Manifest
from chom_pipelines_tests.repository.samples import AES, KEY, a_manifest


def with_tables(count: int) -> Manifest:
    """Of 1 to `count` rows, nine bytes each."""
    manifest = a_manifest()
    (table,) = manifest.logical.tables
    (part,) = table.parts
    tables = tuple(
        table.model_copy(
            update={"name": f"t{rows:05d}", "parts": (part.model_copy(update={"rows": rows, "bytes": 9 * rows}),)}
        )
        for rows in range(1, count + 1)
    )
    return with_content(manifest, tables=tables)


def with_content(manifest: Manifest, **changes: object) -> Manifest:
    return manifest.model_copy(update={"payload": manifest.logical.model_copy(update=changes)})


def test_the_largest_tables_come_first_and_their_shares_are_of_all() -> None:
    rows = largest_tables(with_tables(30).logical)
    assert len(rows) == LARGEST
    assert (rows[0]["table"], rows[0]["rows"]) == ("d.t00030", 30)
    assert [row["rows"] for row in rows] == sorted((row["rows"] for row in rows), reverse=True)
    assert rows[0]["percent"] == round(100 * 30 / sum(range(31)), 1)


def test_empty_tables_have_no_share() -> None:
    assert largest_tables(with_content(a_manifest(), tables=()).logical) == []


def test_ten_thousand_tables_are_a_few_kilobytes_in_the_ui() -> None:
    body = described(with_tables(10_000))
    assert body["payload"]["tables"] == "10000 entries"
    assert len(json.dumps(body)) < 4_000


def test_a_small_manifest_is_shown_whole_but_for_its_key() -> None:
    manifest = a_manifest(key=AES.wrap(KEY))
    body = described(manifest)
    assert body["key"] == "aes"
    assert len(body["payload"]["tables"]) == len(manifest.logical.tables) <= LISTED
    assert body.keys() == manifest.model_dump().keys()


def test_numbers_of_a_backup_without_length_are_zero_and_not_infinite() -> None:
    assert numbers(a_manifest())["mb_per_second"] == 0.0


def test_a_server_without_binary_log_is_said_to_have_none() -> None:
    manifest = a_manifest()
    assert words(manifest)["binlog_position"] == "bin.000001:4, GTID 0-1-2"
    nowhere = Coordinates()
    assert "no binary log" in words(manifest.model_copy(update={"coordinates": nowhere}))["binlog_position"]
