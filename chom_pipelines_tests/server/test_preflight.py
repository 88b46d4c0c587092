from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chom_pipelines.server.connection import Endpoint, Session, Tls
from chom_pipelines.server.findings import Finding
from chom_pipelines.server.identifiers import account, quote
from chom_pipelines.server.preflight import ask_server
from chom_pipelines.server.privileges import grants_for_backup
from chom_pipelines_tests.servers import PrivateServer


def about(findings: Sequence[Finding], subject: str) -> list[Finding]:
    return [finding for finding in findings if finding.subject == subject]


def outcomes(findings: Sequence[Finding], subject: str) -> list[str]:
    return [finding.words for finding in about(findings, subject)]


@contextmanager
def weak_account(server: PrivateServer) -> Iterator[Endpoint]:
    with server.connect() as root:
        root.execute("CREATE USER weak@localhost IDENTIFIED BY 'p'")
        try:
            yield replace(server.root, user="weak", password="p")
        finally:
            root.execute("DROP USER weak@localhost")


def test_a_sound_server_passes(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root:
        root.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY) ENGINE=InnoDB")
    answers = ask_server(server.backup, [database])
    assert [finding for finding in answers.findings if finding.words != "passed"] == []
    subjects = {finding.subject for finding in answers.findings}
    assert subjects >= {"connection", "tls", "version", "privileges", "binary log", "databases", "tables", "programs"}
    assert answers.data_bytes is not None
    assert answers.data_bytes >= 16_384


def test_every_missing_privilege_comes_with_the_grant_that_mends_it(server: PrivateServer) -> None:
    database = server.fresh_database()
    with weak_account(server) as endpoint:
        answers = ask_server(endpoint, [database])
        found = about(answers.findings, "privileges")
        further = ["REPLICATION SLAVE"] if server.facts.is_mariadb else ["XA_RECOVER_ADMIN", "REPLICATION SLAVE"]
        needed = len(found) - len(further)
        assert [finding.words for finding in found] == ["failed"] * needed + ["warning"] * len(further)
        assert [finding.message.split(" on ")[0] for finding in found[needed:]] == further
        assert answers.data_bytes is None
        with server.connect() as root:
            for finding in about(answers.findings, "privileges"):
                root.execute(finding.remedy)
        assert outcomes(ask_server(endpoint, [database]).findings, "privileges") == ["passed"]


def test_tables_that_cannot_be_seen_are_not_called_fine(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root:
        root.execute(f"CREATE TABLE {database}.t (id INT) ENGINE=MyISAM")
    with weak_account(server) as endpoint:
        assert outcomes(ask_server(endpoint, None).findings, "tables") == ["not verified"]


def test_tables_without_transactions_are_named(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root:
        for number in range(12):
            root.execute(f"CREATE TABLE {database}.plain{number:02} (id INT) ENGINE=MyISAM")
        root.execute(f"CREATE TABLE {database}.sound (id INT) ENGINE=InnoDB")
    (finding,) = about(ask_server(server.backup, None).findings, "tables")
    assert finding.is_warning
    assert f"{database}.plain00 (MyISAM)" in finding.message
    assert "12 without" in finding.message
    assert "and 2 more" in finding.message
    assert "sound" not in finding.message


def test_a_database_that_is_not_there_is_named(server: PrivateServer) -> None:
    there = server.fresh_database()
    found = about(ask_server(server.backup, [there, "chom_never_was"]).findings, "databases")
    assert [finding.words for finding in found] == ["failed", "passed"]
    assert found[0].message.startswith("chom_never_was ")
    assert found[1].message == there


def test_an_account_that_is_missing_comes_with_the_statement_that_creates_it(server: PrivateServer) -> None:
    endpoint = replace(server.root, user="not_yet", password="p")
    (finding,) = ask_server(endpoint, None).findings
    assert finding.words == "failed"
    statement = finding.remedy.splitlines()[-1]
    assert statement == "CREATE USER `not_yet`@`localhost` IDENTIFIED BY '<password>';"
    with server.connect() as root:
        root.execute(statement.replace("<password>", "p"))
        try:
            assert outcomes(ask_server(endpoint, None).findings, "connection") == ["passed"]
        finally:
            root.execute("DROP USER not_yet@localhost")


@pytest.mark.parametrize("how", ["ACCOUNT LOCK", "PASSWORD EXPIRE"])
def test_an_account_that_is_not_let_in_has_failed_and_is_not_to_be_created(server: PrivateServer, how: str) -> None:
    with server.connect() as root:
        root.execute(f"CREATE USER odd@'%' IDENTIFIED BY 'p' {how}")
        try:
            (finding,) = ask_server(replace(server.backup, user="odd", password="p"), None).findings
        finally:
            root.execute("DROP USER odd@'%'")
    assert (finding.subject, finding.words) == ("connection", "failed")
    assert "CREATE USER" not in finding.remedy
    assert "stopped answering" not in finding.message


def test_where_no_database_is_there_nothing_is_said_of_its_tables(server: PrivateServer) -> None:
    assert outcomes(ask_server(server.backup, ["chom_never_was"]).findings, "tables") == ["not verified"]


def test_no_server_is_one_failed_finding(tmp_path: Path) -> None:
    (finding,) = ask_server(Endpoint("gone", "u", "p", socket=str(tmp_path / "none")), None).findings
    assert (finding.subject, finding.words) == ("connection", "failed")


def test_a_connection_that_is_encrypted_but_not_checked_says_so(mysql: PrivateServer) -> None:
    with Session(mysql.backup) as session:
        ca = Path(session.value("SELECT @@datadir")) / "ca.pem"
    (unchecked,) = about(ask_server(mysql.backup, None).findings, "tls")
    assert "not checked" in unchecked.message
    checked = replace(mysql.backup, tls=Tls(ca=str(ca), verify="ca"))
    (finding,) = about(ask_server(checked, None).findings, "tls")
    assert finding.words == "passed"
    assert "certificate checked" in finding.message


@pytest.mark.parametrize(("proved", "words"), [(True, "failed"), (False, "warning")])
def test_a_missing_server_program_fails_where_proofs_are_wanted(
    server: PrivateServer,
    monkeypatch: pytest.MonkeyPatch,
    proved: bool,  # noqa: FBT001
    words: str,
) -> None:
    variable = "CHOM_MARIADBD" if server.facts.is_mariadb else "CHOM_MYSQLD"
    monkeypatch.setenv(variable, "/bin/false")
    (finding,) = about(ask_server(server.backup, None, proved=proved).findings, "programs")
    assert finding.words == words
    assert f"{server.flavour.value}-server-core" in finding.remedy


def test_privileges_of_a_default_role_are_enough(server: PrivateServer) -> None:
    database = server.fresh_database()
    weak = account("weak", "localhost")
    with weak_account(server) as endpoint, server.connect() as root:
        root.execute("CREATE ROLE chom_role")
        try:
            for grant in grants_for_backup(server.facts, "weak", "localhost", [database]):
                root.execute(grant.replace(weak, "chom_role"))
            root.execute(f"GRANT chom_role TO {weak}")
            found = about(ask_server(endpoint, [database]).findings, "privileges")
            assert all("only where it is a default role" in finding.message for finding in found)
            word = "FOR" if server.facts.is_mariadb else "TO"
            root.execute(f"SET DEFAULT ROLE chom_role {word} {weak}")
            assert outcomes(ask_server(endpoint, [database]).findings, "privileges") == ["passed"]
        finally:
            root.execute("DROP ROLE chom_role")


def test_names_with_quotes_do_not_break_the_questions(server: PrivateServer) -> None:
    name = "chom o'dd`\\"
    with server.connect() as root:
        root.execute(f"CREATE DATABASE {quote(name)}")
        try:
            found = ask_server(server.backup, [name]).findings
            assert outcomes(found, "databases") == ["passed"]
            assert outcomes(found, "privileges") == ["passed"]
        finally:
            root.execute(f"DROP DATABASE {quote(name)}")
