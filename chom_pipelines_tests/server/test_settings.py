from chom_pipelines.server.facts import Flavour, ServerFacts
from chom_pipelines.server.settings import binary_log_finding, local_infile_finding, version_finding

SOUND = {"log_bin": "ON", "gtid_mode": "ON"}


def facts(changed: dict[str, str] | None = None, flavour: Flavour = Flavour.MYSQL) -> ServerFacts:
    return ServerFacts(flavour, (11, 4, 2), "", "host", 7, None, {**SOUND, **(changed or {})})


def test_a_binary_log_with_gtids_passes() -> None:
    assert binary_log_finding(facts()).words == "passed"
    assert binary_log_finding(facts({"gtid_mode": ""}, Flavour.MARIADB)).words == "passed"


def test_without_gtids_the_lines_that_bring_them_are_named() -> None:
    finding = binary_log_finding(facts({"gtid_mode": "OFF_PERMISSIVE"}))
    assert finding.is_warning
    assert "[mysqld]\ngtid_mode = ON\nenforce_gtid_consistency = ON" in finding.remedy


def test_no_binary_log_stops_no_backup() -> None:
    finding = binary_log_finding(facts({"log_bin": "OFF"}, Flavour.MARIADB))
    assert finding.is_warning
    assert "[mysqld]\nlog_bin = mysql-bin\nserver_id = 7\nbinlog_format = ROW" in finding.remedy


def test_an_old_version_fails() -> None:
    old = ServerFacts(Flavour.MYSQL, (5, 7, 44), "", "", 1, None, {})
    assert version_finding(old).words == "failed"
    assert version_finding(facts()).words == "passed"


def test_local_infile_off_is_no_reproach() -> None:
    for value in ("ON", "OFF"):
        assert local_infile_finding(facts({"local_infile": value})).words == "passed"
