import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import UnsupportedServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import SYSTEM_DATABASES, Flavour, ServerFacts, read_facts
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines.server.versions import parse_version
from chom_pipelines_tests.servers import PrivateServer


def facts(flavour: Flavour, *version: int, **variables: str) -> ServerFacts:
    major, minor, patch = version
    return ServerFacts(flavour, (major, minor, patch), "", "host", 1, None, variables)


def test_a_server_says_what_it_is(server: PrivateServer) -> None:
    with Session(server.backup) as session:
        found = read_facts(session)
    assert found.flavour is server.flavour
    assert found.is_supported
    assert found.label.startswith({Flavour.MARIADB: "MariaDB 1", Flavour.MYSQL: "MySQL "}[server.flavour])
    assert (found.server_uuid is None) == found.is_mariadb
    assert found.logs_binary
    assert found.has_gtid
    assert found.variables["binlog_format"] == "ROW"
    assert json.loads(json.dumps(found.to_json()))["version"] == list(found.version)


def test_the_servers_own_databases_are_all_that_a_new_server_has(server: PrivateServer) -> None:
    with scratch_server(server.flavour) as new, Session(new.endpoint) as session:
        assert {name for (name,) in session.rows("SHOW DATABASES")} == SYSTEM_DATABASES


def test_every_capability_that_is_claimed_is_there(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        found = read_facts(session)
        session.execute(f"USE {database}")
        session.rows(found.binlog_status_statement)
        if found.has_backup_stages:
            session.execute("BACKUP STAGE START")
            session.execute("BACKUP STAGE END")
        if found.has_instance_lock:
            session.execute("LOCK INSTANCE FOR BACKUP")
            session.execute("UNLOCK INSTANCE")
        if found.has_sequences:
            session.execute("CREATE SEQUENCE s")
        if found.has_system_versioning:
            session.execute("CREATE TABLE h (id INT) WITH SYSTEM VERSIONING")
        if found.can_insert_history:
            session.execute("SET SESSION system_versioning_insert_history = ON")
        if found.caches_statistics:
            session.execute("SET SESSION information_schema_stats_expiry = 0")


def test_capabilities_that_are_denied_are_not_there(server: PrivateServer) -> None:
    with server.connect() as session:
        words = {row[0] for row in session.rows("SHOW GLOBAL VARIABLES")}
    assert server.facts.caches_statistics == ("information_schema_stats_expiry" in words)
    assert server.facts.can_insert_history == ("system_versioning_insert_history" in words)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", (10, 11, 19)),
        ("5.5.5-10.6.16-MariaDB", (10, 6, 16)),
        ("8.0.35-27.1", (8, 0, 35)),
        ("9.7.4-2", (9, 7, 4)),
        ("8.4", (8, 4, 0)),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


@given(st.tuples(*[st.integers(0, 10**6)] * 3), st.text(st.characters(exclude_categories=["Nd", "Cs"])))
def test_whatever_follows_a_version_does_not_change_it(version: tuple[int, int, int], rest: str) -> None:
    text = ".".join(map(str, version))
    if text.startswith("5.5.5"):
        return
    assert parse_version(f"{text}-{rest}") == version


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(UnsupportedServerError, match="'proxy'"):
        parse_version("proxy")


@pytest.mark.parametrize(
    ("server", "supported"),
    [
        (facts(Flavour.MARIADB, 10, 5, 99), False),
        (facts(Flavour.MARIADB, 10, 6, 0), True),
        (facts(Flavour.MYSQL, 5, 7, 44), False),
        (facts(Flavour.MYSQL, 8, 0, 11), True),
    ],
)
def test_old_versions_are_not_supported(server: ServerFacts, supported: bool) -> None:  # noqa: FBT001
    assert server.is_supported is supported


def test_the_binary_logs_statement_follows_the_version() -> None:
    assert facts(Flavour.MYSQL, 8, 1, 0).binlog_status_statement == "SHOW MASTER STATUS"
    assert facts(Flavour.MYSQL, 8, 2, 0).binlog_status_statement == "SHOW BINARY LOG STATUS"
    assert facts(Flavour.MARIADB, 11, 8, 0).binlog_status_statement == "SHOW MASTER STATUS"


def test_without_a_binary_log_there_are_no_gtids() -> None:
    assert not facts(Flavour.MARIADB, 10, 11, 0, log_bin="OFF").has_gtid
    assert not facts(Flavour.MYSQL, 8, 0, 0, log_bin="ON", gtid_mode="OFF").has_gtid
    assert facts(Flavour.MYSQL, 8, 0, 0, log_bin="ON", gtid_mode="ON").has_gtid


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"binlog_expire_logs_seconds": "3600"}, 3600),
        ({"binlog_expire_logs_seconds": "0", "expire_logs_days": "0.500000"}, 43_200),
        ({"binlog_expire_logs_seconds": "0", "expire_logs_days": "0"}, None),
        ({"binlog_expire_logs_seconds": "3600", "binlog_expire_logs_auto_purge": "OFF"}, None),
        ({}, None),
    ],
)
def test_the_servers_own_deletion_of_its_log_is_known(variables: dict[str, str], seconds: float | None) -> None:
    assert facts(Flavour.MYSQL, 8, 0, 0, **variables).binlog_retention_seconds == seconds


@pytest.mark.parametrize(("flavour", "locking"), [(Flavour.MARIADB, "012"), (Flavour.MYSQL, "01")])
def test_counters_are_free_in_mysqls_interleaved_mode_only(flavour: Flavour, locking: str) -> None:
    modes = [mode for mode in "012" if facts(flavour, 11, 4, 0, innodb_autoinc_lock_mode=mode).locks_counters]
    assert modes == list(locking)
    assert facts(flavour, 11, 4, 0).locks_counters
