"""Fixtures: one private MariaDB, one private MySQL and one private S3 for the whole session.

A server program that is missing fails the tests that need it; nothing is skipped.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.azurite import Azurite, azurite
from chom_pipelines_tests.examples import PROFILE
from chom_pipelines_tests.google_storage import GoogleStorage, google_storage
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer, private_server
from chom_pipelines_tests.stores import ObjectStorage, object_storage

settings.register_profile("chom", PROFILE)
settings.load_profile("chom")


def pytest_configure() -> None:
    """Let signals through: what a script or nohup starts in the background ignores some, and its children as well."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


_FIRST = (
    *("cli/test_demo", "binlogs/test_filtered", "binlogs/test_surroundings", "proofs/test_drill"),
    *("binlogs/test_server_options", "cli/test_point_in_time", "cli/test_rescue", "restores/test_permissions"),
    *("binlogs/test_unlogged", "binlogs/test_no_false_alarm", "binlogs/test_archive_damage", "logical/test_fidelity"),
    *("migrations/test_findings", "migrations/test_traps", "monitoring/test_in_prometheus"),
    *("migrations/test_deploy", "migrations/test_half_applied", "offsite/test_hostile", "repository/test_store"),
    *("logical/test_kill", "proofs/test_distant_store", "defs/binlogs/test_windows", "differential/test_differential"),
)
"""Files that take a minute or so: at the end they would keep one process at work, and the others idle."""


_LONG_ON_MYSQL = (
    *("binlogs/test_filtered", "binlogs/test_surroundings", "binlogs/test_named_zones", "binlogs/test_unlogged"),
    *("binlogs/test_starts", "binlogs/test_server_options", "binlogs/test_long_statements", "binlogs/test_heard"),
    *("binlogs/test_session_clocks", "binlogs/test_xa_prepared", "binlogs/test_no_false_alarm", "proofs/test_drill"),
    *("proofs/test_definers", "proofs/test_distant_store", "cli/test_point_in_time", "cli/test_blocked"),
    *("cli/test_rescue", "cli/test_unlogged", "restores/test_permissions", "server/test_system_zone"),
    *("benchmarks/test_ladder", "defs/binlogs/test_binlog_archive", "cli/test_events", "cli/test_windows"),
    *("binlogs/test_archive_damage", "logical/test_kill", "migrations/test_half_applied"),
    *("migrations/test_false_passes", "migrations/test_past", "migrations/test_forms"),
    *("migrations/test_rarer_findings", "migrations/test_drift", "migrations/test_asked_server"),
    *("migrations/test_laravel", "migrations/test_surroundings", "migrations/test_deep", "cli/test_migration"),
    *("backups/test_archived_hours", "binlogs/test_parts", "proofs/test_segments", "logical/test_restore_guide"),
)
"""Files whose tests start a dozen servers each, which takes MySQL's a second: on MySQL `make test-long` runs them.

What reads, writes and replays either family's log and rows is tested on both by `make test` in the other files.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first; the others keep their order. What takes too long for every run is marked."""
    here = Path(__file__).parent
    places = {here / f"{name}.py": place for place, name in enumerate(_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    long_on_mysql = {here / f"{name}.py" for name in _LONG_ON_MYSQL}
    for item in items:
        is_long = item.path in long_on_mysql or item.get_closest_marker("long_on_mysql")
        if is_long and "mysql" in item.name.partition("[")[2]:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[PrivateServer]:
    """For fixtures of a wider scope than a test: `with mariadb_server.scope() as server`."""
    with private_server(Flavour.MARIADB) as server:
        yield server


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[PrivateServer]:
    """For fixtures of a wider scope than a test: `with mysql_server.scope() as server`."""
    with private_server(Flavour.MYSQL) as server:
        yield server


@pytest.fixture(scope="session", params=list(Flavour), ids=lambda flavour: flavour.value)
def any_server(request: pytest.FixtureRequest) -> PrivateServer:
    """Both, one after the other, for fixtures of a wider scope than a test."""
    server: PrivateServer = request.getfixturevalue(f"{request.param.value}_server")
    return server


@pytest.fixture
def mariadb(mariadb_server: PrivateServer) -> Iterator[PrivateServer]:
    """MariaDB; databases made through it are dropped after the test."""
    with mariadb_server.scope() as server:
        yield server


@pytest.fixture
def mysql(mysql_server: PrivateServer) -> Iterator[PrivateServer]:
    """MySQL; databases made through it are dropped after the test."""
    with mysql_server.scope() as server:
        yield server


@pytest.fixture
def server(any_server: PrivateServer) -> Iterator[PrivateServer]:
    """Both families in turn; databases made through it are dropped after the test."""
    with any_server.scope() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[ObjectStorage]:
    """For the whole session; buckets in it are not removed."""
    with object_storage() as running:
        yield running


@pytest.fixture(scope="session")
def azure() -> Iterator[Azurite]:
    """For the whole session; containers in it are not removed."""
    with azurite() as running:
        yield running


@pytest.fixture(scope="session")
def google() -> Iterator[GoogleStorage]:
    """For the whole session; buckets in it are not removed."""
    with google_storage() as running:
        yield running


@pytest.fixture
def backups(tmp_path: Path) -> Backups:
    """An empty repository."""
    return Backups(tmp_path)
