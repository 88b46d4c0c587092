"""Other tools are measured as this project is; one that cannot be is named, and never left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from chom_pipelines.benchmarks import generated
from chom_pipelines.benchmarks.climbing import climb
from chom_pipelines.benchmarks.materials import Materials, taken
from chom_pipelines.benchmarks.peers import MARIADB_BACKUP, MYDUMPER, MYSQLDUMP, PeerDump, dumped_by, parsed_peers
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server


def dumped(directory: Path, *names: str) -> tuple[Materials, dict[str, PeerDump]]:
    """What these tools make of tiny data."""
    with scratch_server(Flavour.MARIADB) as server:
        generated.fill(server.endpoint, generated.planned(200_000, 4), 2, unreported)
        materials = taken(server, (generated.DATABASE,), directory, 2, unreported)
        return materials, {name: dumped_by(name, server, materials, 2) for name in names}


def test_what_another_tool_restores_is_compared_too(tmp_path: Path) -> None:
    materials, found = dumped(tmp_path, MYDUMPER, MARIADB_BACKUP, "mariadb-dump")
    assert [(peer.backup.outcome, peer.backup.reason) for peer in found.values()] == [(Outcome.PASSED, "")] * 3
    assert all(peer.backup.stored_bytes for peer in found.values())
    steps = [peer.step for peer in found.values() if peer.step]
    rungs = climb(materials, steps, 1, unreported, lambda _: None)
    assert [(rung.name, rung.outcome, rung.reason, rung.tables) for rung in rungs] == [
        ("myloader", Outcome.PASSED, "", 4),
        ("mariadb-backup by hand", Outcome.PASSED, "", 4),
    ]


def test_a_tool_that_is_missing_or_of_another_family_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = tmp_path / "bin"
    only.mkdir()
    monkeypatch.setenv("PATH", str(only))
    materials, found = dumped(tmp_path, MYDUMPER, MYSQLDUMP)
    assert found[MYDUMPER].backup.reason == "mydumper is not installed"
    assert found[MYSQLDUMP].backup.reason == "it is mysql's, and the data are on mariadb"
    step = found[MYDUMPER].step
    assert step
    (rung,) = climb(materials, [step], 1, unreported, lambda _: None)
    assert (rung.outcome, rung.reason) == (Outcome.NOT_VERIFIED, "mydumper is not installed")


def test_names_that_nobody_knows_are_refused() -> None:
    assert parsed_peers(" mydumper,mysqldump,mydumper,") == (MYDUMPER, MYSQLDUMP)
    assert parsed_peers("") == ()
    with pytest.raises(ConfigurationError, match="nothing is known of xtrabackup"):
        parsed_peers("mydumper,xtrabackup")
