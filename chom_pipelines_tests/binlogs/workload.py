"""What the tests have servers log: a bit of everything that makes transactions look different."""

from __future__ import annotations

from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.servers import PrivateServer

_STATEMENTS = """
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(300), b INT NULL)
INSERT INTO t (a, b) VALUES ('x', 1), ('y', NULL), ('z', 3)
BEGIN
UPDATE t SET b = 5
DELETE FROM t WHERE id = 2
COMMIT
XA START 'one'
INSERT INTO t (a) VALUES ('xa')
XA END 'one'
XA PREPARE 'one'
XA COMMIT 'one'
XA START 'two'
DELETE FROM t
XA END 'two'
XA PREPARE 'two'
XA ROLLBACK 'two'
XA START 'three'
INSERT INTO t (a) VALUES ('one phase')
XA END 'three'
XA COMMIT 'three' ONE PHASE
CREATE TABLE u AS SELECT * FROM t
SET SESSION binlog_format = 'STATEMENT'
CREATE TEMPORARY TABLE tmp (a INT)
INSERT INTO tmp VALUES (1)
INSERT INTO t (a) VALUES (CONCAT('s', IFNULL(@u, '')))
DROP TEMPORARY TABLE tmp
SET SESSION binlog_format = 'ROW'
BEGIN
INSERT INTO t (a) VALUES ('q')
SAVEPOINT sp
INSERT INTO t (a) VALUES ('r')
ROLLBACK TO sp
COMMIT
CREATE TABLE m (a INT) ENGINE = MyISAM
INSERT INTO m VALUES (1), (2)
DELETE t, u FROM t INNER JOIN u ON t.id = u.id
TRUNCATE TABLE u
RENAME TABLE u TO w
DROP TABLE w
"""
_MYSQL = """
SET gtid_next = 'AUTOMATIC:my_tag'
INSERT INTO t (a) VALUES ('tagged')
CREATE TABLE v (a INT)
SET gtid_next = 'AUTOMATIC'
SET SESSION binlog_transaction_compression = ON
INSERT INTO t (a) SELECT REPEAT('c', 200) FROM t
SET SESSION binlog_transaction_compression = OFF
"""
_MARIADB = """
SET GLOBAL log_bin_compress = ON
INSERT INTO t (a) SELECT REPEAT('c', 300) FROM t
CREATE TABLE v (a INT) COMMENT 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc'
ALTER TABLE v ADD b INT COMMENT 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc'
SET GLOBAL log_bin_compress = OFF
BEGIN
INSERT INTO t (a) VALUES ('gone')
INSERT INTO m VALUES (3)
ROLLBACK
SET SESSION gtid_domain_id = 7
INSERT INTO t (a) VALUES ('another domain')
SET SESSION gtid_domain_id = 0
"""


def work(server: PrivateServer, session: Session) -> str:
    """Do all of it in a new database, and return that database's name."""
    database = server.fresh_database()
    session.execute(f"USE {database}")
    own = _MARIADB if server.flavour is Flavour.MARIADB else _MYSQL
    for statement in (_STATEMENTS + own).strip().splitlines():
        if statement:
            session.execute(statement)
    return database
