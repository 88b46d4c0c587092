"""A restore that would stop after it has dropped something is refused before it, and says what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from chom_pipelines.errors import ChomError, RestoreRefusedError
from chom_pipelines.logical.tables import RESTORE_MARKER as MARKER
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.restores import restoring
from chom_pipelines.restores.authority import read_authority
from chom_pipelines.restores.obstacles import obstacles
from chom_pipelines.restores.permissions import wanted
from chom_pipelines.restores.restoring import plan_restore, restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour, read_facts
from chom_pipelines.server.grants import Wanted, spelled
from chom_pipelines.server.identifiers import account, literal
from chom_pipelines_tests.logical.samples import library
from chom_pipelines_tests.logical.taking import Backups
from chom_pipelines_tests.restores.live import state
from chom_pipelines_tests.servers import PrivateServer

A, B, OUTSIDE = "chom_perm_a", "chom_perm_b", "chom_perm_outside"
USER, HOST, PASSWORD = "chom_restorer", "%", "of a restorer"
OWNERS = ("chom_owner", "chom_owner_gone", "chom_owner_system")
REPLACE = RestoreRequest(replace=True, threads=1)
LOOK = f"GRANT SELECT ON mysql.* TO {account(USER, HOST)}"
"""Without it nobody can know whether a DEFINER exists."""

EVERYTHING = (
    f"CREATE DATABASE {A} COLLATE utf8mb4_bin",
    f"CREATE DATABASE {B}",
    f"CREATE DATABASE {OUTSIDE}",
    f"CREATE TABLE {OUTSIDE}.kept (id INT PRIMARY KEY)",
    f"CREATE FUNCTION {OUTSIDE}.two() RETURNS INT DETERMINISTIC RETURN 2",
    f"CREATE TABLE {B}.parents (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))",
    (
        f"CREATE TABLE {A}.children (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, v VARCHAR(20), t TEXT, "
        "KEY (parent), UNIQUE KEY (v), FULLTEXT KEY (t), "
        f"CONSTRAINT tie FOREIGN KEY (parent) REFERENCES {B}.parents (id), "
        f"CONSTRAINT leads_out FOREIGN KEY (parent) REFERENCES {OUTSIDE}.kept (id))"
    ),
    # a generated column whose expression warns: the rows are read back
    f"CREATE TABLE {A}.plain (id INT PRIMARY KEY, v VARCHAR(20), n INT AS (CAST(v AS SIGNED)))",
    f"CREATE TABLE {A}.merged (id INT PRIMARY KEY COMMENT 'no REFERENCES `x`.`y`') ENGINE=MyISAM",
    f"CREATE TABLE {A}.merging (id INT PRIMARY KEY) ENGINE=MERGE UNION=({A}.merged)",
    f"INSERT INTO {OUTSIDE}.kept VALUES (1), (2)",
    f"INSERT INTO {B}.parents (v) VALUES ('one'), ('two')",
    f"INSERT INTO {A}.children (parent, v) VALUES (1, 'a'), (2, 'b')",
    f"INSERT IGNORE INTO {A}.plain (id, v) VALUES (1, '12 pcs'), (2, 'y')",
    f"CREATE DEFINER={{0}}@'%' FUNCTION {A}.one() RETURNS INT DETERMINISTIC RETURN 1",
    f"CREATE DEFINER={{1}}@'%' PROCEDURE {A}.run() SELECT 1",
    f"CREATE DEFINER={{0}}@'%' VIEW {A}.seen AS SELECT id, {A}.one() AS called FROM {A}.plain",
    (
        f"CREATE DEFINER={{2}}@'%' VIEW {A}.others AS "
        f"SELECT {B}.id, {OUTSIDE}.two() AS called, '`x`.`y`(' AS text FROM {OUTSIDE}.kept {B}"
    ),
    f"CREATE DEFINER={{0}}@'%' TRIGGER {A}.checked BEFORE INSERT ON {A}.children FOR EACH ROW SET NEW.v = TRIM(NEW.v)",
    f"CREATE DEFINER={{0}}@'%' TRIGGER {B}.tidy BEFORE INSERT ON {B}.parents FOR EACH ROW SET NEW.v = TRIM(NEW.v)",
    f"CREATE DEFINER={{0}}@'%' EVENT {B}.daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO SELECT 1",
    f"ALTER DATABASE {A} COLLATE utf8mb4_general_ci",
)
OF_MARIADB = (
    f"CREATE SEQUENCE {A}.numbers",
    f"CREATE TABLE {A}.counted (id INT DEFAULT NEXTVAL({A}.numbers) PRIMARY KEY, v INT)",
    f"INSERT INTO {A}.counted (v) VALUES (1), (2)",
    f"CREATE TABLE {A}.versioned (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
    f"INSERT INTO {A}.versioned VALUES (1, 1)",
    f"UPDATE {A}.versioned SET v = 2",
    "SET SESSION sql_mode = 'ORACLE'",
    f"CREATE DEFINER={{0}}@'%' PACKAGE {A}.parcel AS FUNCTION f RETURN INT; END",
    f"CREATE DEFINER={{0}}@'%' PACKAGE BODY {A}.parcel AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END",
    "SET SESSION sql_mode = DEFAULT",
)
LEFT = (
    (
        f"CREATE TABLE {A}.{MARKER} (name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, "
        "backup VARCHAR(64) NOT NULL, since DATETIME NOT NULL)"
    ),
    f"INSERT INTO {A}.{MARKER} VALUES ('plain', 'an earlier one', '2037-01-01 00:00:00')",
)
"""By a restore that was cut off."""


@dataclass(frozen=True)
class Target:
    """A server, a backup of it, and the account that restores into it."""

    server: PrivateServer
    entry: BackupEntry

    @property
    def endpoint(self) -> Endpoint:
        return replace(self.server.root, user=USER, password=PASSWORD)

    def wants(self, request: RestoreRequest = REPLACE) -> list[Wanted]:
        """What the list takes of an account that can look into mysql.user."""
        found, _ = plan_restore(self.entry, None, self.server.root, request)
        with self.server.connect() as root:
            authority = replace(read_authority(root, self.server.facts), user=USER, host=HOST, grants=())
            return wanted(found, read_facts(root), authority)

    def grants(self, wants: Sequence[Wanted]) -> list[str]:
        return [spelled(self.server.facts, want).grant(USER, HOST) for want in wants]

    def restore(self, request: RestoreRequest = REPLACE) -> None:
        restore_into_server(self.entry, None, self.endpoint, request, unreported)

    def is_refused(self, request: RestoreRequest = REPLACE) -> RestoreRefusedError:
        """The refusal, of the dry run as well, after which everything is what it was."""
        before = state(self.server.root, self.server.flavour)
        with pytest.raises(RestoreRefusedError) as caught:
            self.restore(request)
        assert state(self.server.root, self.server.flavour) == before
        try:
            _, dry = plan_restore(self.entry, None, self.endpoint, request)
        except RestoreRefusedError as error:  # there is not even a list
            dry = error
        assert str(dry) == str(caught.value)
        return caught.value


def succeeds(target: Target) -> bool:
    """With every row read back: otherwise that is for what the server warns of."""
    try:
        target.restore(replace(REPLACE, compare=True))
    except ChomError:
        return False
    return True


@contextmanager
def account_with(server: PrivateServer, grants: Sequence[str]) -> Iterator[None]:
    with server.connect() as root:
        root.execute(f"CREATE USER {account(USER, HOST)} IDENTIFIED BY {literal(PASSWORD)}")
        try:
            for grant in grants:
                root.execute(grant)
            yield
        finally:
            root.execute(f"DROP USER {account(USER, HOST)}")


@contextmanager
def setting(server: PrivateServer, name: str, value: str) -> Iterator[None]:
    with server.connect() as root:
        before = root.value(f"SELECT @@GLOBAL.{name}")
        root.execute(f"SET GLOBAL {name} = {value}")
        try:
            yield
        finally:
            root.execute(f"SET GLOBAL {name} = {literal(before) if isinstance(before, str) else before}")


def gone(session: Session) -> None:
    session.execute("SET SESSION foreign_key_checks = 0")
    for name in (A, B, OUTSIDE):
        session.execute(f"DROP DATABASE IF EXISTS {name}")
    for owner in OWNERS:
        session.execute(f"DROP USER IF EXISTS {owner}@'%'")


def made(server: PrivateServer, *, live: bool = True) -> None:
    """Everything anew; live: as it is when it is restored, with one owner less and something left unfinished."""
    with server.connect() as session:
        gone(session)
        for owner in OWNERS:
            session.execute(f"CREATE USER {owner}@'%'")
            session.execute(f"GRANT ALL ON {A}.* TO {owner}@'%'")
            session.execute(f"GRANT ALL ON {OUTSIDE}.* TO {owner}@'%'")
        if server.flavour is Flavour.MYSQL:
            session.execute(f"GRANT SYSTEM_USER ON *.* TO {OWNERS[2]}@'%'")
        for statement in (*EVERYTHING, *(OF_MARIADB if server.flavour is Flavour.MARIADB else ())):
            session.execute(statement.format(*OWNERS))
        if live:
            session.execute(f"DROP USER {OWNERS[1]}@'%'")
            for statement in LEFT:
                session.execute(statement)


@pytest.fixture
def target(server: PrivateServer, backups: Backups) -> Iterator[Target]:
    with setting(server, "log_bin_trust_function_creators", "1"):
        made(server, live=False)
        entry = backups.take(server, A, B)
        made(server)
        yield Target(server, entry)
    with server.connect() as session:
        gone(session)


def test_the_privileges_that_the_list_takes_are_enough(target: Target) -> None:
    with account_with(target.server, [LOOK, *target.grants(target.wants())]):
        target.restore()
        target.restore(replace(REPLACE, compare=True))


def test_each_privilege_that_is_taken_away_is_named_before_anything_is_dropped_and_its_grant_is_enough(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = target.wants()
    each = {want.privilege for want in wants}
    assert each >= {"DROP", "CREATE", "INSERT", "SELECT", "DELETE", "ALTER", "CREATE VIEW", "TRIGGER", "EVENT"}
    assert each >= {"CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE"}
    own = {
        Flavour.MARIADB: {"SET USER"},
        Flavour.MYSQL: {"REFERENCES", "SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER", "SYSTEM_USER"},
    }
    assert each >= own[target.server.flavour]
    for index, want in enumerate(wants):
        made(target.server)
        others = wants[:index] + wants[index + 1 :]
        [grant] = target.grants([want])
        with account_with(target.server, [LOOK, *target.grants(others)]):
            refused = target.is_refused()
            assert f"{want.privilege} on " in refused.what
            assert refused.remedy.splitlines()[1:] == [grant]
            with monkeypatch.context() as patched:
                patched.setattr(restoring, "not_allowed", lambda *_: None)
                assert not succeeds(target), f"nothing takes {grant}"
            made(target.server)
            with target.server.connect() as root:
                root.execute(grant)
            target.restore()


def test_what_is_as_good_as_a_privilege_is_enough(target: Target) -> None:
    with setting(target.server, "read_only", "1"):
        wants = target.wants()
        several = [want for want in wants if want.instead]
        assert len(several) >= 2
        for want in several:
            for instead in want.instead:
                others = [each for each in wants if each is not want]
                with account_with(target.server, [LOOK, *target.grants([*others, replace(want, privilege=instead)])]):
                    target.restore()


def test_who_cannot_look_at_accounts_is_told_what_a_definer_may_take(mysql: PrivateServer, backups: Backups) -> None:
    database = library(mysql)
    entry = backups.take(mysql, database)
    target = Target(mysql, entry)
    with setting(mysql, "log_bin_trust_function_creators", "1"), account_with(mysql, target.grants(target.wants())):
        refused = target.is_refused()
        assert "ALLOW_NONEXISTENT_DEFINER on *.* is missing" in refused.what
        assert "may not see in mysql.user" in refused.what
        with mysql.connect() as root:
            for grant in refused.remedy.splitlines()[1:]:
                root.execute(grant)
        target.restore()


def test_all_that_is_missing_is_told_at_once(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    entry = backups.take(server, database)
    target = Target(server, entry)
    pattern = database.replace("_", r"\_")
    held = f"GRANT DROP, SELECT ON `{pattern}`.* TO {account(USER, HOST)}"
    with account_with(server, [held]):
        refused = target.is_refused()
        with server.connect() as root:
            for grant in refused.remedy.splitlines()[1:]:
                root.execute(grant)
        target.restore()


def test_a_grant_on_a_single_table_does_not_count_and_the_refusal_says_so(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    target = Target(server, backups.take(server, database))
    one = RestoreRequest(tables=(f"{database}.notes",), replace=True, threads=1)
    with account_with(server, [f"GRANT ALL ON `{database}`.notes TO {account(USER, HOST)}"]):
        assert "granted on single tables or columns does not count" in target.is_refused(one).what


def test_what_loses_nothing_is_refused_as_well_before_it_leaves_half_of_itself(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    target = Target(server, backups.take(server, database))
    copy = RestoreRequest(rename={database: f"{database}_copy"}, threads=1)
    with account_with(server, []):
        refused = target.is_refused(copy)
    assert re.search(rf"CREATE on `{database}_copy`\.\* is missing", str(refused).replace("\\_", "_"))
    with server.connect() as session:
        assert not session.rows("SHOW DATABASES LIKE %s", (f"{database}_copy",))


def test_functions_and_triggers_take_super_while_the_binary_log_trusts_nobody(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    target = Target(server, backups.take(server, database))
    wants = [want for want in target.wants() if want.privilege != "SUPER"]
    with account_with(server, [LOOK, *target.grants(wants)]):
        refused = target.is_refused()
        assert "SUPER on *.* is missing" in refused.what
        assert "or SET GLOBAL log_bin_trust_function_creators = ON" in refused.what
        with setting(server, "log_bin_trust_function_creators", "1"):
            target.restore()
        with server.connect() as root:
            root.execute(refused.remedy.splitlines()[1])
        target.restore()


def test_a_function_that_the_binary_log_takes_from_nobody_is_named(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    with setting(server, "log_bin_trust_function_creators", "1"), server.connect() as root:
        root.execute(f"CREATE FUNCTION `{database}`.chance() RETURNS INT RETURN FLOOR(6 * RAND())")
    target = Target(server, backups.take(server, database))
    with account_with(server, [LOOK, *target.grants(target.wants())]):
        refused = target.is_refused()
        assert f"the function {database}.chance says neither" in refused.what
        assert refused.remedy.splitlines()[1:] == ["SET GLOBAL log_bin_trust_function_creators = ON;"]
        with setting(server, "log_bin_trust_function_creators", "1"):
            target.restore()


def test_accounts_take_create_user(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    with server.connect() as root:
        root.execute("CREATE USER chom_of_backup@'%'")
        target = Target(server, backups.take(server, database))
        root.execute("DROP USER chom_of_backup@'%'")
    request = replace(REPLACE, accounts=True)
    wants = target.wants(request)
    lacking = [want for want in wants if want.privilege != "CREATE USER"]
    assert len(lacking) == len(wants) - 1
    grants = target.grants(wants)
    with account_with(server, [LOOK, *target.grants(lacking)]):
        refused = target.is_refused(request)
        assert "CREATE USER on *.* is missing" in refused.what
        assert refused.remedy.splitlines()[1] in grants


@pytest.mark.parametrize("name", ["local_infile", "read_only", "transaction_read_only"])
def test_a_setting_with_which_nothing_can_be_written_is_named(
    server: PrivateServer, backups: Backups, name: str
) -> None:
    database = library(server)
    target = Target(server, backups.take(server, database))
    own = "tx_read_only" if name == "transaction_read_only" and server.facts.is_mariadb else name
    with account_with(server, [LOOK, *target.grants(target.wants())]):
        with server.connect() as root:
            root.execute(f"REVOKE SUPER ON *.* FROM {account(USER, HOST)}")
        if name == "local_infile":
            before = state(server.root, server.flavour)
            with setting(server, name, "0"):
                for act in (target.restore, lambda: plan_restore(target.entry, None, target.endpoint, REPLACE)):
                    with pytest.raises(RestoreRefusedError, match="LOAD DATA LOCAL"):
                        act()
            assert state(server.root, server.flavour) == before
            return
        with setting(server, "log_bin_trust_function_creators", "1"):
            with setting(server, own, "1"):
                refused = target.is_refused()
            assert re.search(rf"{own} is ON", refused.what)
            target.restore()


def test_who_may_write_though_the_server_is_read_only_restores(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    target = Target(server, backups.take(server, database))
    with setting(server, "read_only", "1"):
        wants = target.wants()
        with account_with(server, [LOOK, *target.grants(wants)]):
            target.restore()


def test_tables_without_the_key_that_the_server_takes_are_named(server: PrivateServer, backups: Backups) -> None:
    database = server.fresh_database()
    with server.connect() as root:
        root.execute(f"CREATE TABLE {database}.keyless (id INT)")
    target = Target(server, backups.take(server, database))
    name = "innodb_force_primary_key" if server.facts.is_mariadb else "sql_require_primary_key"
    with account_with(server, [LOOK, *target.grants(target.wants())]):
        with setting(server, name, "1"):
            refused = target.is_refused()
        assert f"{name} is ON, and {database}.keyless has no such key" in refused.what
        target.restore()


def test_an_engine_that_is_not_there_and_a_definition_that_is_too_long_are_named(
    server: PrivateServer, backups: Backups
) -> None:
    database = library(server)
    entry = backups.take(server, database)
    found, _ = plan_restore(entry, None, server.root, REPLACE)
    facts = server.facts
    there = frozenset({"innodb"})
    with server.connect() as root:
        trusted = replace(read_facts(root), variables={**facts.variables, "log_bin": "OFF"})
    assert obstacles(found, trusted, there) == []
    [missing] = obstacles(found, trusted, frozenset())
    assert "makes no tables in the engine InnoDB" in missing.what
    [missing] = obstacles(
        found, replace(trusted, variables={**trusted.variables, "disabled_storage_engines": "MyISAM,InnoDB"}), there
    )
    assert "makes no tables in the engine InnoDB" in missing.what
    [small] = obstacles(found, replace(trusted, variables={**trusted.variables, "max_allowed_packet": "65536"}), there)
    assert small.what == "max_allowed_packet is 65,536, and a packet of rows has 524,288 bytes"
    long = replace(found.after[-1], statements=(b" " * (2 << 20),))
    [large] = obstacles(
        replace(found, after=(long,)),
        replace(trusted, variables={**trusted.variables, "max_allowed_packet": "1048576"}),
        there,
    )
    assert large.what.startswith("max_allowed_packet is 1,048,576, and the definition of ")


def test_a_packet_that_is_too_small_for_rows_is_named(server: PrivateServer, backups: Backups) -> None:
    database = library(server)
    target = Target(server, backups.take(server, database))
    with account_with(server, [LOOK, *target.grants(target.wants())]), setting(server, "max_allowed_packet", "65536"):
        refused = target.is_refused()
        assert "max_allowed_packet is 65,536" in refused.what
        with server.connect() as root:
            root.execute(refused.remedy.splitlines()[1])
        target.restore()


@pytest.mark.parametrize(
    ("flavour", "version", "named"),
    [
        (Flavour.MARIADB, (10, 6, 0), ("SET USER", "SUPER")),
        (Flavour.MARIADB, (11, 4, 0), ("SET USER",)),
        (Flavour.MYSQL, (8, 0, 11), ("SET_USER_ID", "SUPER")),
        (Flavour.MYSQL, (8, 4, 0), ("SET_ANY_DEFINER", "SUPER")),
    ],
)
def test_what_another_definer_takes_goes_by_the_version(
    server: PrivateServer, flavour: Flavour, version: tuple[int, int, int], named: tuple[str, ...]
) -> None:
    facts = replace(server.facts, flavour=flavour, version=version)
    assert facts.definer_privileges == named
    newer = flavour is Flavour.MYSQL and version >= (8, 2, 0)
    assert (facts.refuses_missing_definers, facts.protects_system_users) == (newer, newer)
