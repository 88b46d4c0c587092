"""What no backup holds is named in its manifest, and what cannot be looked at is said to be so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from chom_pipelines.logical.uncovered import uncovered
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.servers import PrivateServer, private_server

PLUGINS = "plugins that do not come with the server program are not in this backup"
GEODETIC = (
    'GEOGCS["mine",DATUM["mine",SPHEROID["mine",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]]'
)


@contextmanager
def there(server: PrivateServer, *statements: tuple[str, str]) -> Iterator[None]:
    """What these (making, unmaking) statements make, for the length of the block: databases do not take it along."""
    with server.connect() as session:
        undo: list[str] = []
        try:
            for make, unmake in statements:
                session.execute(make)
                undo.append(unmake)
            yield
        finally:
            for statement in reversed(undo):
                session.execute(statement)


def warnings_of(backups: Backups, server: PrivateServer, database: str) -> Sequence[str]:
    """What the manifest of a backup warns of."""
    return backups.manifest(backups.take(server, database)).warnings


def test_a_server_without_such_objects_gets_no_warning(server: PrivateServer, backups: Backups) -> None:
    assert warnings_of(backups, server, library(server)) == ()


def test_servers_plugins_and_loadable_functions_are_named(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    objects = [
        (
            "CREATE SERVER `far away` FOREIGN DATA WRAPPER mysql OPTIONS (HOST '192.0.2.1', PASSWORD 'not told')",
            "DROP SERVER `far away`",
        ),
        # as INSTALL PLUGIN and CREATE FUNCTION leave them: libraries are not installed with every server program
        ("INSERT INTO mysql.plugin VALUES ('guard', 'guard.so')", "DELETE FROM mysql.plugin WHERE name = 'guard'"),
        (
            "INSERT INTO mysql.func VALUES ('metaphone', 0, 'udf_example.so', 'function')",
            "DELETE FROM mysql.func WHERE name = 'metaphone'",
        ),
    ]
    with there(server, *objects):
        assert warnings_of(backups, server, database) == (
            "servers of CREATE SERVER are not in this backup: far away",
            "loadable functions are not in this backup: metaphone (udf_example.so)",
            f"{PLUGINS}: guard (guard.so)",
        )


def test_what_only_mysql_has_is_named(mysql: PrivateServer, backups: Backups) -> None:
    database = library(mysql)
    objects = [
        (
            "INSTALL COMPONENT 'file://component_validate_password'",
            "UNINSTALL COMPONENT 'file://component_validate_password'",
        ),
        ("INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'", "UNINSTALL PLUGIN mysql_no_login"),
        ("CREATE TABLESPACE `own space` ADD DATAFILE 'own_space.ibd'", "DROP TABLESPACE `own space`"),
        ("CREATE RESOURCE GROUP nightly TYPE = USER", "DROP RESOURCE GROUP nightly FORCE"),
        ("SET RESOURCE GROUP nightly", "SET RESOURCE GROUP USR_default"),
        (
            f"CREATE SPATIAL REFERENCE SYSTEM 4999999 NAME 'mine' DEFINITION '{GEODETIC}'",
            "DROP SPATIAL REFERENCE SYSTEM 4999999",
        ),
        (
            f"CREATE LIBRARY {quote(database)}.steps LANGUAGE JAVASCRIPT AS 'export function f(n) {{ return n }}'",
            f"DROP LIBRARY {quote(database)}.steps",
        ),
    ]
    with there(mysql, *objects):
        assert warnings_of(backups, mysql, database) == (
            f"{PLUGINS}: mysql_no_login (mysql_no_login.so)",
            "components are not in this backup: file://component_validate_password",
            "general tablespaces are not in this backup: own space",
            "resource groups are not in this backup: nightly",
            "spatial reference systems are not in this backup: 4999999 (mine)",
            f"libraries of CREATE LIBRARY are not in this backup: {database}.steps",
        )


def test_what_the_account_may_not_read_is_said(server: PrivateServer) -> None:
    with (
        there(server, ("CREATE USER sees_little IDENTIFIED BY 'x'", "DROP USER sees_little")),
        Session(replace(server.backup, user="sees_little", password="x")) as session,
    ):
        told = list(uncovered(session, server.facts))
    unread = {warning.partition(" are not in this backup, and could not be looked at: ")[0] for warning in told}
    both = {"servers of CREATE SERVER", "loadable functions", "plugins that do not come with the server program"}
    of_mysql = {"components", "general tablespaces", "resource groups"}
    assert unread == (both if server.flavour is Flavour.MARIADB else both | of_mysql)
    assert all("denied" in warning for warning in told)


def test_a_server_that_shows_not_even_its_own_was_not_looked_at() -> None:
    with private_server(Flavour.MYSQL, ["--performance-schema=OFF"]) as server, Session(server.backup) as session:
        assert list(uncovered(session, server.facts)) == [
            "resource groups are not in this backup, and could not be looked at: the server shows not even its own"
        ]
