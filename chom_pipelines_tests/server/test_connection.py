from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from chom_pipelines.binlogs.archive.client import client_failure
from chom_pipelines.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConnectionFailedError,
    DefinitionChangedError,
    LockNotObtainedError,
    MissingPrivilegeError,
    ServerError,
    UnknownDatabaseError,
)
from chom_pipelines.server.connection import Endpoint, Session, Tls, error_number
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.server.certificates import Certificates, certificates
from chom_pipelines_tests.servers import PrivateServer, private_server


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("pems"))


@pytest.fixture(scope="module", params=list(Flavour), ids=lambda flavour: flavour.value)
def tls_server(request: pytest.FixtureRequest, pems: Certificates) -> Iterator[PrivateServer]:
    options = (f"--ssl-ca={pems.ca}", f"--ssl-cert={pems.cert}", f"--ssl-key={pems.key}")
    with private_server(request.param, (*options, "--require-secure-transport=ON")) as server:
        yield server


def test_a_session_speaks_utf8_and_utc(server: PrivateServer) -> None:
    with Session(server.backup) as session:
        assert session.value("SELECT @@session.time_zone") == "+00:00"
        assert session.value("SELECT @@character_set_client") == "utf8mb4"
        assert session.value("SELECT @@session.net_write_timeout") == 3600


def test_a_servers_limits_on_time_do_not_end_a_session(server: PrivateServer) -> None:
    limits = ["wait_timeout", "max_execution_time"]
    if server.facts.is_mariadb:
        limits = ["wait_timeout", "max_statement_time", "idle_transaction_timeout", "idle_readonly_transaction_timeout"]
    with server.connect() as root:
        before = {limit: root.value(f"SELECT @@global.{limit}") for limit in limits}
        for limit in limits:
            root.execute(f"SET GLOBAL {limit} = 1")
        try:
            with Session(server.backup) as session:
                found = {limit: session.value(f"SELECT @@session.{limit}") for limit in limits}
        finally:
            for limit, value in before.items():
                root.execute(f"SET GLOBAL {limit} = {value}")
    assert found == dict.fromkeys(limits, 0) | {"wait_timeout": 86_400}


def test_rows_come_as_asked_for(server: PrivateServer) -> None:
    with server.connect() as session:
        assert session.rows("SELECT 1, 'a' UNION SELECT 2, 'b'") == [(1, "a"), (2, "b")]
        assert session.row("SELECT 1, 'a'") == (1, "a")
        assert session.row("SELECT 1 FROM DUAL WHERE FALSE") is None
        assert session.value("SELECT 7 UNION SELECT 8") == 7
        assert session.value("SELECT 1 FROM DUAL WHERE FALSE") is None
        assert session.dicts("SELECT 1 AS a, 'x' AS b") == [{"a": 1, "b": "x"}]
        assert session.id == session.value("SELECT CONNECTION_ID()")


def test_a_percent_sign_is_only_interpreted_where_there_are_arguments(server: PrivateServer) -> None:
    with server.connect() as session:
        assert session.value("SELECT '100%'") == "100%"
        assert session.value("SELECT %s", ["50%"]) == "50%"
        assert session.statement(b"SELECT '%s %d'") == 1


def test_bytes_reach_the_server_as_they_are(server: PrivateServer) -> None:
    database = server.fresh_database()
    payload = bytes(range(1, 256)).replace(b"'", b"").replace(b"\\", b"")
    with server.connect() as session:
        session.execute(f"CREATE TABLE {database}.t (v VARBINARY(300))")
        assert session.statement(b"INSERT INTO " + database.encode() + b".t VALUES (_binary '" + payload + b"')") == 1
        assert session.value(f"SELECT v FROM {database}.t") == payload


def test_every_result_of_a_procedure_is_drained(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        session.execute(f"USE {database}")
        session.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; SELECT 3; END")
        session.execute("CALL p()")
        assert session.rows("CALL p()") == [(1,)]
        assert session.value("SELECT 4") == 4


def test_warnings_are_obtainable(server: PrivateServer) -> None:
    with server.connect() as session:
        session.execute("DROP DATABASE IF EXISTS chom_never_was")
        ((level, code, message),) = session.warnings()
    assert (level, code) == ("Note", 1008)
    assert "chom_never_was" in message


def test_without_autocommit_nothing_stays_that_was_not_committed(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root:
        root.execute(f"CREATE TABLE {database}.t (id INT) ENGINE=InnoDB")
        with Session(server.root, autocommit=False) as session:
            session.execute(f"INSERT INTO {database}.t VALUES (1)")
        assert root.rows(f"SELECT * FROM {database}.t") == []


def test_a_wrong_password_is_access_denied(server: PrivateServer) -> None:
    with pytest.raises(AccessDeniedError, match="1045") as caught:
        Session(replace(server.backup, password="not the password"))
    assert "not the password" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert error_number(caught.value) == 1045


@pytest.mark.parametrize(
    ("how", "remedy"),
    [
        ("IDENTIFIED BY 'another'", "check the user and the password"),
        ("IDENTIFIED BY 'p' REQUIRE X509", "requires TLS"),
        ("IDENTIFIED BY 'p' ACCOUNT LOCK", "ACCOUNT UNLOCK"),
        ("IDENTIFIED BY 'p' PASSWORD EXPIRE", "has expired"),
    ],
)
def test_why_an_account_is_not_let_in_has_the_remedy_of_just_that(server: PrivateServer, how: str, remedy: str) -> None:
    with server.connect() as root:
        root.execute(f"CREATE USER odd@'%' {how}")
        try:
            odd = replace(server.backup, user="odd", password="p")
            with pytest.raises(AccessDeniedError) as caught, Session(odd) as session:
                session.value("SELECT 1")  # MariaDB lets one in whose password has expired, to set a new one
            assert remedy in caught.value.remedy
        finally:
            root.execute("DROP USER odd@'%'")


def test_a_host_without_an_address_is_said_to_be_that(mariadb: PrivateServer) -> None:
    with pytest.raises(ConnectionFailedError, match="name leads nowhere") as failed:
        Session(replace(mariadb.backup, host="nowhere.invalid", socket=None))
    assert "check host in chom.yaml" in failed.value.remedy


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: Failed on connect: Access denied for user 'a'@'b'. Account is locked.",
        "ERROR: Failed on connect: Access denied, this account is locked",
    ],
)
def test_clients_of_the_log_tell_of_a_locked_account_too(mariadb: PrivateServer, said: str) -> None:
    failure = client_failure(mariadb.backup, client_program(mariadb.flavour), "mysql-bin.000001", said)
    assert isinstance(failure, AccessDeniedError)
    assert "ACCOUNT UNLOCK" in failure.remedy


def test_a_password_that_is_not_latin_works(server: PrivateServer) -> None:
    with server.connect() as root:
        root.execute("CREATE USER umlaut@localhost IDENTIFIED BY 'pässwörd😀'")
        try:
            with Session(replace(server.root, user="umlaut", password="pässwörd😀")) as session:
                assert session.value("SELECT 1") == 1
        finally:
            root.execute("DROP USER umlaut@localhost")


def test_what_does_not_exist_is_unknown(server: PrivateServer) -> None:
    with server.connect() as session:
        with pytest.raises(UnknownDatabaseError):
            session.execute("USE chom_never_was")
        with pytest.raises(UnknownDatabaseError):
            session.rows(f"SELECT * FROM {server.fresh_database()}.never_was")


def test_a_missing_privilege_is_named(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root, Session(server.backup) as session:
        root.execute(f"CREATE TABLE {database}.t (id INT)")
        with pytest.raises(MissingPrivilegeError, match="INSERT"):
            session.execute(f"INSERT INTO {database}.t VALUES (1)")
        with pytest.raises(MissingPrivilegeError):
            session.execute("SET GLOBAL max_connections = 100")


def test_a_table_that_changed_under_a_snapshot_is_told_apart(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root, Session(server.backup) as session:
        root.execute(f"CREATE TABLE {database}.t (id INT) ENGINE=InnoDB")
        session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        root.execute(f"ALTER TABLE {database}.t ADD COLUMN v INT, ALGORITHM=COPY")
        with pytest.raises(DefinitionChangedError):
            session.rows(f"SELECT * FROM {database}.t")


def test_a_lock_that_is_not_granted_in_time_is_told_apart(server: PrivateServer) -> None:
    database = server.fresh_database()
    with server.connect() as root, server.connect() as waiting:
        root.execute(f"CREATE TABLE {database}.t (id INT PRIMARY KEY) ENGINE=InnoDB")
        root.execute(f"LOCK TABLES {database}.t WRITE")
        waiting.execute("SET SESSION lock_wait_timeout = 1")
        with pytest.raises(LockNotObtainedError):
            waiting.execute(f"DROP TABLE {database}.t")


def test_any_other_error_has_the_servers_number_and_text(server: PrivateServer) -> None:
    with server.connect() as session, pytest.raises(ServerError, match="error 1064: ") as caught:
        session.execute("SELEKT 1")
    assert type(caught.value) is ServerError
    assert error_number(caught.value) == 1064


def test_a_session_that_was_killed_is_a_lost_connection(server: PrivateServer) -> None:
    with server.connect() as root, server.connect() as session:
        root.execute(f"KILL {session.id}")
        with pytest.raises(ConnectionFailedError):
            session.value("SELECT SLEEP(60)")
        with pytest.raises(ConnectionFailedError):
            session.value("SELECT 1")


def test_a_port_that_nobody_listens_on_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailedError, match=r"nowhere \(127\.0\.0\.1:1\): cannot connect"):
        Session(Endpoint("nowhere", "u", "p", host="127.0.0.1", port=1))


def test_closing_twice_is_harmless(mariadb: PrivateServer) -> None:
    session = mariadb.connect()
    session.close()
    session.close()
    with pytest.raises(ConnectionFailedError, match="the connection is closed"):
        session.value("SELECT 1")


def test_a_missing_socket_is_a_failed_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailedError, match="No such file"):
        Session(Endpoint("gone", "u", "p", socket=str(tmp_path / "socket")))


def test_a_peer_that_never_answers_does_not_hang_a_session() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint("silent", "u", "p", host="127.0.0.1", port=silent.getsockname()[1])
        with pytest.raises(ConnectionFailedError, match="timed out"):
            Session(endpoint, connect_timeout=0.1)


def test_a_statement_may_take_longer_than_connecting(mariadb: PrivateServer) -> None:
    with Session(mariadb.backup, connect_timeout=0.5) as session:
        assert session.value("SELECT SLEEP(0.7)") == 0


def test_a_peer_that_vanishes_is_noticed(mariadb: PrivateServer) -> None:
    with Session(mariadb.backup) as session:
        connected = cast("Any", session.raw)._sock
        assert connected.gettimeout() is None
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


def test_an_endpoint_is_the_same_after_json_and_hides_its_password() -> None:
    endpoint = Endpoint("a", "u", "s3cret", host="h", port=1, tls=Tls(ca="/ca", verify="ca"))
    assert Endpoint.from_json(json.loads(json.dumps(endpoint.to_json()))) == endpoint
    plain = Endpoint("a", "u", "s3cret", socket="/s")
    assert Endpoint.from_json(json.loads(json.dumps(plain.to_json()))) == plain
    assert "s3cret" not in f"{endpoint!r}{plain!r}{endpoint.where}"


@pytest.mark.parametrize("verify", ["identity", "ca", "none"])
def test_tls_is_used_as_demanded(tls_server: PrivateServer, pems: Certificates, verify: str) -> None:
    ca = None if verify == "none" else str(pems.ca)
    with Session(replace(tls_server.backup, tls=Tls(ca=ca, verify=verify))) as session:
        assert session.encrypted


def test_without_tls_in_the_configuration_a_server_that_can_is_encrypted(tls_server: PrivateServer) -> None:
    with Session(tls_server.backup) as session:
        assert session.encrypted


def test_a_socket_is_not_encrypted(tls_server: PrivateServer) -> None:
    with Session(tls_server.root) as session:
        assert not session.encrypted


@pytest.mark.parametrize("verify", ["identity", "ca"])
def test_an_authority_that_did_not_sign_is_refused(tls_server: PrivateServer, tmp_path: Path, verify: str) -> None:
    other = certificates(tmp_path).ca
    with pytest.raises(ConnectionFailedError, match=r"TLS: .*(\n.*)*tls\.ca"):
        Session(replace(tls_server.backup, tls=Tls(ca=str(other), verify=verify)))


def test_a_certificate_of_another_host_is_refused_unless_only_the_authority_counts(
    tls_server: PrivateServer,
    pems: Certificates,
) -> None:
    named = replace(tls_server.backup, host="localhost")
    with pytest.raises(ConnectionFailedError, match=r"TLS: .*[Hh]ostname mismatch"):
        Session(replace(named, tls=Tls(ca=str(pems.ca))))
    with Session(replace(named, tls=Tls(ca=str(pems.ca), verify="ca"))) as session:
        assert session.encrypted


def test_a_client_certificate_reaches_an_account_that_requires_one(
    tls_server: PrivateServer,
    pems: Certificates,
) -> None:
    with tls_server.connect() as root:
        root.execute("CREATE USER certified@'%' IDENTIFIED BY 'p' REQUIRE X509")
        try:
            endpoint = replace(tls_server.backup, user="certified", password="p")
            with pytest.raises(AccessDeniedError):
                Session(replace(endpoint, tls=Tls(ca=str(pems.ca))))
            whole = Tls(ca=str(pems.ca), cert=str(pems.cert), key=str(pems.key))
            with Session(replace(endpoint, tls=whole)) as session:
                assert session.encrypted
        finally:
            root.execute("DROP USER certified@'%'")


def test_tls_that_the_server_lacks_is_said_to_be_missing() -> None:
    with private_server(Flavour.MARIADB, ["--skip-ssl"]) as server:
        with pytest.raises(ConnectionFailedError, match="TLS: SSL is required") as refused:
            Session(replace(server.backup, tls=Tls(verify="none")))
        assert "take tls: out of chom.yaml" in refused.value.remedy
        with Session(server.backup) as session:
            assert not session.encrypted


def test_a_missing_certificate_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.pem: No such file"):
        Tls(ca=str(tmp_path / "gone.pem")).context()
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"bad\.pem"):
        Tls(ca=str(tmp_path / "bad.pem")).context()


def test_the_module_is_light_to_import() -> None:
    heavy = {"rich", "typer", "dagster", "pydantic", "yaml", "zstandard", "croniter"}
    code = "import sys, chom_pipelines.server.connection, chom_pipelines.server.identifiers; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not heavy & set(listed.split())


def test_a_session_that_ends_in_an_error_is_closed(mariadb: PrivateServer) -> None:
    with mariadb.connect() as root:
        with suppress(ServerError), mariadb.connect() as session:
            session.execute("SELEKT 1")
        assert not session.raw.open
        assert root.value("SELECT 1") == 1


@pytest.mark.parametrize("greeting", [b"\x06\x00\x00\x00\x0a5.1\x00\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\xff"])
def test_what_is_no_greeting_of_a_server_is_a_failed_connection(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        port = listening.getsockname()[1]
        with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port}"):
            Session(Endpoint("db", "u", "p", host="127.0.0.1", port=port))
        thread.join()


def test_a_server_that_falls_silent_right_after_the_login_is_given_up_in_time(mariadb: PrivateServer) -> None:
    """By who has said how long to wait: nobody else waits for a whole backup's statement."""
    there = (mariadb.backup.host or "", mariadb.backup.port)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def forward(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65_536):
                    if b"SET SESSION" in data:
                        return  # the server never hears of it
                    target.sendall(data)

        def stand_between() -> None:
            accepted, _ = listening.accept()
            with accepted, socket.create_connection(there) as server:
                back = threading.Thread(target=forward, args=(server, accepted))
                back.start()
                forward(accepted, server)
                accepted.recv(1)  # until the client has given up
                server.shutdown(socket.SHUT_RDWR)
                back.join()

        thread = threading.Thread(target=stand_between)
        thread.start()
        through = replace(mariadb.backup, port=listening.getsockname()[1])
        with pytest.raises(ConnectionFailedError):
            Session(through, patience=0.3)
        thread.join(20)
        assert not thread.is_alive()
