"""Restores that are measured are restores: every copy is compared, and what cannot be compared has no time."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chom_pipelines.benchmarks import generated
from chom_pipelines.benchmarks.climbing import Restored, Step, climb
from chom_pipelines.benchmarks.copies import TableState, differences
from chom_pipelines.benchmarks.host import refuse_no_room
from chom_pipelines.benchmarks.ladder import default_settings, ladder_steps
from chom_pipelines.benchmarks.materials import Materials, Unavailable, chosen, sample, source_options, taken
from chom_pipelines.benchmarks.programs import pipe
from chom_pipelines.benchmarks.report import Means, Place, Rung
from chom_pipelines.errors import NoRoomError, RestoreFailedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.server.claimed_directories import MEMORY
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.scratch import scratch_server

SIZE, TABLES = 300_000, 4


@dataclass(frozen=True)
class Ground:
    """Materials of tiny data, and the facts of such a server."""

    materials: Materials
    facts: ServerFacts

    def step(self, name: str) -> Step:
        return next(step for step in ladder_steps(self.materials, self.facts, 2) if step.name == name)

    def climbed(self, *steps: Step, rounds: int = 1) -> tuple[Rung, ...]:
        return climb(self.materials, steps, rounds, unreported, lambda _: None)


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    flavour = request.param
    with scratch_server(flavour, options=source_options(flavour)) as server:
        generated.fill(server.endpoint, generated.planned(SIZE, TABLES), 2, unreported)
        materials = taken(server, (generated.DATABASE,), tmp_path_factory.mktemp("work"), 2, unreported)
        yield Ground(materials, server.facts)


def test_everything_can_be_taken_from_a_private_server(ground: Ground) -> None:
    materials = ground.materials
    assert not isinstance(materials.stock, Unavailable)
    assert not isinstance(materials.files, Unavailable)
    assert [backup.outcome for backup in materials.backups] == [Outcome.PASSED] * 2
    assert len(materials.original) == TABLES
    text = sum(table.bytes for table in materials.rows.logical.tables)
    assert text == pytest.approx(SIZE, rel=0.1)
    assert len(sample(materials.rows, text // 2)) == text // 2


@pytest.mark.parametrize("name", ["zstd, not gzip", "parallel", "durability off", "data files, RAM disk"])
def test_a_way_to_restore_is_measured_with_its_copy_compared(ground: Ground, name: str) -> None:
    (found,) = ground.climbed(ground.step(name))
    assert (found.outcome, found.reason, found.tables) == (Outcome.PASSED, "", TABLES)
    assert found.timed
    assert found.timed.server_cpu is not None
    assert found.rate


def test_the_ladder_begins_with_the_stock_client_and_ends_with_data_files_in_memory(ground: Ground) -> None:
    steps = ladder_steps(ground.materials, ground.facts, 2)
    assert [step.means for step in steps] == [Means.STOCK] * 3 + [Means.ROWS] * 5 + [Means.FILES] * 2
    assert (steps[0].place, steps[-1].place) == (Place.DEFAULTS, Place.MEMORY)
    assert len({step.name for step in steps}) == len(steps)


def test_the_servers_defaults_are_its_own(ground: Ground) -> None:
    found = default_settings(ground.materials)
    assert (found["innodb_buffer_pool_size"], found["innodb_sort_buffer_size"]) == (str(128 << 20), str(1 << 20))
    assert (found["innodb_doublewrite"], found["innodb_flush_log_at_trx_commit"]) == ("ON", "1")
    assert found["log_bin"] == ("OFF" if ground.facts.is_mariadb else "ON")


def test_a_copy_that_differs_has_failed_and_has_no_time(ground: Ground) -> None:
    real = ground.step("RAM disk")

    @contextmanager
    def spoilt() -> Iterator[Restored]:
        with real.restore() as (endpoint, run):
            with Session(endpoint) as session:
                session.execute("DELETE FROM shop.events WHERE id = 7")
                session.execute("ALTER TABLE shop.order_items DROP KEY items_product")
            yield endpoint, run

    (found,) = ground.climbed(replace(real, restore=spoilt), rounds=2)
    assert (found.outcome, found.timed, found.tables) == (Outcome.FAILED, None, 0)
    assert found.reason == (
        "table shop.events: the rows of the copy have another checksum; table shop.order_items: the copy is defined "
        "otherwise"
    )


def test_a_restore_that_does_not_get_to_its_end_has_failed_and_what_is_missing_is_not_verified(ground: Ground) -> None:
    def broken() -> AbstractContextManager[Restored]:
        raise RestoreFailedError("it broke", "mend it")

    step = ground.step("RAM disk")
    failed, missing = ground.climbed(
        replace(step, restore=broken), replace(step, name="other", unavailable="it is not installed")
    )
    assert (failed.outcome, failed.reason) == (Outcome.FAILED, "it broke")
    assert (missing.outcome, missing.reason) == (Outcome.NOT_VERIFIED, "it is not installed")


def test_of_a_pipe_both_programs_have_to_end_well(tmp_path: Path) -> None:
    whole = tmp_path / "whole.gz"
    whole.write_bytes(gzip.compress(b"SELECT 1;\n" * 10_000))
    pipe(["gzip", "-dc", str(whole)], ["cat"], tmp_path / "log")
    whole.write_bytes(whole.read_bytes()[:-30])
    with pytest.raises(RestoreFailedError, match="gzip ended with 1, cat ended with 0"):
        pipe(["gzip", "-dc", str(whole)], ["cat"], tmp_path / "log")
    with pytest.raises(RestoreFailedError, match="false ended with 1"):
        pipe(["cat", "/dev/zero"], ["false"], tmp_path / "log")


def test_what_does_not_fit_is_refused_before_it_is_begun() -> None:
    with pytest.raises(NoRoomError, match="MiB may be used"):
        refuse_no_room(MEMORY, 1 << 50)


def test_a_copy_without_a_checksum_is_no_copy_and_tables_that_lack_or_were_added_are_named() -> None:
    whole = {"a.b": TableState(1, "x")}
    assert list(differences(whole, dict(whole))) == []
    nothing = {"a.b": TableState(None, "x")}
    assert list(differences(nothing, nothing)) == ["table a.b: the rows of the copy have another checksum"]
    assert list(differences(whole, {})) == ["table a.b: it is not in the copy"]
    assert list(differences({}, whole)) == ["table a.b: it is in the copy only"]


def test_of_a_large_backup_the_largest_tables_that_fit_are_taken(ground: Ground) -> None:
    tables = ground.materials.rows.logical.tables
    everything = sum(table.bytes for table in tables)
    assert set(chosen(tables, everything)) == set(tables)
    some = chosen(tables, everything - 1)
    assert 0 < sum(table.bytes for table in some) < everything
    assert max(tables, key=lambda table: table.bytes) in some
    assert chosen(tables, 0) == tuple(table for table in tables if not table.bytes)
