import pytest

from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.findings import Finding, Outcome
from chom_pipelines.server.settings import binary_log_findings, local_infile_finding, version_finding
from chom_pipelines_tests.servers import PrivateServer

SOUND = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "gtid_mode": "ON",
    "sync_binlog": "1",
    "innodb_flush_log_at_trx_commit": "1",
    "binlog_expire_logs_seconds": "2592000",
}


def facts(changed: dict[str, str] | None = None, flavour: Flavour = Flavour.MYSQL) -> ServerFacts:
    return ServerFacts(flavour, (11, 4, 2), "", "host", 7, None, {**SOUND, **(changed or {})})


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_sound_settings_pass() -> None:
    assert only(binary_log_findings(facts(), archived=True)).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("changed", "outcome", "remedy"),
    [
        ({"binlog_format": "STATEMENT"}, Outcome.FAILED, "SET GLOBAL binlog_format = 'ROW';"),
        ({"binlog_format": "MIXED"}, Outcome.WARNING, "SET GLOBAL binlog_format = 'ROW';"),
        ({"binlog_row_image": "MINIMAL"}, Outcome.WARNING, "SET GLOBAL binlog_row_image = 'FULL';"),
        ({"gtid_mode": "OFF_PERMISSIVE"}, Outcome.WARNING, "gtid_mode = ON\nenforce_gtid_consistency = ON"),
        ({"sync_binlog": "0"}, Outcome.WARNING, "SET GLOBAL sync_binlog = 1;"),
        ({"innodb_flush_log_at_trx_commit": "2"}, Outcome.WARNING, "SET GLOBAL innodb_flush_log_at_trx_commit = 1;"),
        ({"binlog_expire_logs_seconds": "3600"}, Outcome.WARNING, "SET GLOBAL binlog_expire_logs_seconds = 604800;"),
        ({"binlog_expire_logs_seconds": "0"}, Outcome.WARNING, "SET GLOBAL binlog_expire_logs_seconds = 604800;"),
    ],
)
def test_each_setting_that_endangers_recovery_is_named_with_what_mends_it(
    changed: dict[str, str],
    outcome: Outcome,
    remedy: str,
) -> None:
    finding = only(binary_log_findings(facts(changed), archived=True))
    assert finding.outcome is outcome
    assert remedy in finding.remedy
    assert "[mysqld]" in finding.remedy


@pytest.mark.parametrize(("archived", "outcome"), [(True, Outcome.FAILED), (False, Outcome.WARNING)])
def test_no_binary_log_fails_only_where_it_is_to_be_archived(
    archived: bool,  # noqa: FBT001
    outcome: Outcome,
) -> None:
    finding = only(binary_log_findings(facts({"log_bin": "OFF"}, Flavour.MARIADB), archived=archived))
    assert finding.outcome is outcome
    assert "[mysqld]\nlog_bin = mysql-bin\nserver_id = 7\nbinlog_format = ROW" in finding.remedy


def test_an_old_version_fails() -> None:
    old = ServerFacts(Flavour.MYSQL, (5, 7, 44), "", "", 1, None, {})
    assert version_finding(old).outcome is Outcome.FAILED
    assert version_finding(facts()).outcome is Outcome.PASSED


def test_local_infile_off_is_no_reproach() -> None:
    for value in ("ON", "OFF"):
        assert local_infile_finding(facts({"local_infile": value})).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "changed",
    [
        {"binlog_format": "STATEMENT"},
        {"binlog_row_image": "MINIMAL"},
        {"sync_binlog": "0"},
        {"innodb_flush_log_at_trx_commit": "2"},
        {"binlog_expire_logs_seconds": "0"},
    ],
)
def test_a_server_takes_the_statement_of_a_remedy(server: PrivateServer, changed: dict[str, str]) -> None:
    ((name, _),) = changed.items()
    statement = only(binary_log_findings(facts(changed), archived=True)).remedy.splitlines()[0]
    with server.connect() as root:
        before = root.value(f"SELECT @@global.{name}")
        root.execute(statement)
        assert f"{root.value(f'SELECT @@global.{name}')}" in statement
        root.execute(f"SET GLOBAL {name} = %s", [before])
