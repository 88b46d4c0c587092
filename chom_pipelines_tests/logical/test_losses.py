"""What text cannot carry of MySQL's JSON is counted, named, and never taken for damage or for a whole copy."""

import random
import secrets

import pytest

from chom_pipelines.logical.contents import Contents
from chom_pipelines.logical.losses import losses_query, suspect, whole_query
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import Report, unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.dump_records import Loss, Lost
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.restoring import restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.logical.taking import Backups, filled, table_of
from chom_pipelines_tests.servers import PrivateServer

DIGITS, TYPE = Lost.DIGITS, Lost.TYPE

_LOST = {
    "DECIMAL": ("CAST(12.50 AS DECIMAL(10,2))", {DIGITS}),
    "DECIMAL of a whole number": ("CAST(12 AS DECIMAL(10,2))", {DIGITS}),
    "DECIMAL beyond a DOUBLE": ("CAST('1234567890123456789012.25' AS DECIMAL(40,2))", {DIGITS, TYPE}),
    "DECIMAL beyond BIGINT": ("CAST('12345678901234567890123' AS DECIMAL(40,0))", {DIGITS, TYPE}),
    "tiny DECIMAL": ("CAST('0.000000000000000001' AS DECIMAL(30,18))", {DIGITS}),
    "DATETIME": ("TIMESTAMP'2020-01-02 03:04:05.5'", {TYPE}),
    "DATE": ("DATE'2020-01-02'", {TYPE}),
    "TIME": ("CAST('-838:03:04' AS TIME)", {TYPE}),
    "BIT": ("b'1010'", {TYPE}),
    "BLOB": ("CAST('abc' AS BINARY)", {TYPE}),
}
_ESCAPES = r'"\"\\\/\b\f\n\r\t\u0000\u001f\u00e9 \ud83d\ude00 é😀"'.encode()
_KEPT = {
    "DECIMAL that a DOUBLE shows alike": "CAST(12.25 AS DECIMAL(10,2))",
    "whole DECIMAL": "CAST(12 AS DECIMAL(10,0))",
    "UNSIGNED beyond BIGINT": "CAST(18446744073709551615 AS UNSIGNED)",
    "small UNSIGNED": "CAST(5 AS UNSIGNED)",
    "DOUBLE": "JSON_ARRAY(1e0, 1.5e0, -0e0, 1e300, 5e-324, 123456789.123456789e0)",
    "numbers as text": "CAST('[1.0, 1e0, -0.0, 0.1e-7, 1e15, 12.50, 123456789012345678901234567890]' AS JSON)",
    "duplicate keys": """CAST('{"a": 1, "a": 2}' AS JSON)""",
    "what looks like others": """CAST('["base64:type15:YWJj", "2020-01-02", "03:04:05.000000", "12.50,"]' AS JSON)""",
    "literals": "CAST('[true, false, null, {}, []]' AS JSON)",
    "escapes": f"CAST(CONVERT(X'{_ESCAPES.hex()}' USING utf8mb4) AS JSON)",
    "geometry": "CAST(ST_GeomFromText('POINT(1.5 2)') AS JSON)",
}
_PLACES = {
    "whole": "{}",
    "object": "JSON_OBJECT('v', {})",
    "array": "JSON_ARRAY(1, {}, 2)",
    "deep": "JSON_ARRAY(JSON_OBJECT('a', JSON_ARRAY('x', JSON_OBJECT('b', JSON_OBJECT(), 'c', {}))))",
}


def _holding(value: str, place: str) -> str:
    return _PLACES[place].format(value if place != "whole" else f"CAST({value} AS JSON)")


@pytest.fixture
def database(mysql: PrivateServer) -> str:
    return mysql.fresh_database()


def _orders(server: PrivateServer, database: str) -> None:
    with server.connect() as session:
        session.execute(f"USE {quote(database)}")
        session.execute("CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(10,2), doc JSON, plain JSON)")
        session.execute(
            "INSERT INTO orders VALUES (1, 12.50, JSON_OBJECT('total', 12.50), '{\"a\": 1}'), "
            "(2, 1.25, JSON_OBJECT('at', DATE'2020-01-02'), NULL), (3, 7.70, NULL, '[1.5]'), (4, 0, '{}', '\"x\"')"
        )


def test_each_value_that_text_cannot_carry_is_counted_in_every_place(
    mysql: PrivateServer, backups: Backups, database: str
) -> None:
    wanted = {}
    with mysql.connect() as session:
        for number, (value, lost) in enumerate(_LOST.values()):
            for place in _PLACES:
                name = f"t{number}_{place}"
                session.execute(f"CREATE TABLE {quote(database)}.{name} (id INT PRIMARY KEY, doc JSON)")
                session.execute(
                    f"INSERT INTO {quote(database)}.{name} SELECT 1, {_holding(value, place)} UNION ALL "
                    f"SELECT 2, JSON_OBJECT('a', 1) UNION ALL SELECT 3, NULL"
                )
                wanted[name] = {("doc", kind, 1) for kind in lost}
    entry = backups.take(mysql, database)
    manifest = backups.manifest(entry)
    found = {
        table.name: {(loss.column, loss.lost, loss.rows) for loss in table.losses} for table in manifest.logical.tables
    }
    assert found == wanted
    assert all(f"{database}.{name}.doc" in "".join(manifest.warnings) for name in wanted)
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())
    assert len(proof.losses) == sum(map(len, wanted.values()))


def test_what_comes_back_as_it_was_is_no_loss(mysql: PrivateServer, backups: Backups, database: str) -> None:
    with mysql.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.t (id INT AUTO_INCREMENT PRIMARY KEY, doc JSON)")
        for value in _KEPT.values():
            for place in _PLACES:
                session.execute(f"INSERT INTO {quote(database)}.t (doc) SELECT {_holding(value, place)}")
        deepest = "[" * 99 + "1.5" + "]" * 99
        session.execute(f"INSERT INTO {quote(database)}.t (doc) VALUES ('{deepest}')")
    entry = backups.take(mysql, database)
    manifest = backups.manifest(entry)
    assert (manifest.logical.tables[0].losses, manifest.warnings) == ((), ())
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures, proof.losses) == (Outcome.PASSED, (), ())


def test_a_loss_is_named_by_column_and_no_other_column_is(
    mysql: PrivateServer, backups: Backups, database: str
) -> None:
    _orders(mysql, database)
    entry = backups.take(mysql, database)
    table = table_of(backups.manifest(entry), f"{database}.orders")
    assert table.losses == (Loss(column="doc", lost=DIGITS, rows=1), Loss(column="doc", lost=TYPE, rows=1))
    for level in Level:
        proof = verify(entry, level, None, unreported)
        assert proof.outcome is Outcome.PASSED
        assert proof.losses == table.said_losses
    assert [record.proof.losses for record in entry.proofs(None) if record.proof] == [table.said_losses] * 2


def test_the_dump_keeps_the_digits_that_a_restore_loses(mysql: PrivateServer, backups: Backups, database: str) -> None:
    _orders(mysql, database)
    contents = Contents.of(backups.take(mysql, database), None)
    rows = b"".join(text for path in contents.stored if path.startswith("data/") for text in contents.text(path))
    assert b'{"total": 12.50}' in rows


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE orders SET doc = '{\"total\": 12.6}' WHERE id = 1",
        "UPDATE orders SET doc = JSON_OBJECT('total', 12.50) WHERE id = 1",
        'UPDATE orders SET doc = \'{"at": "2020-01-03"}\' WHERE id = 2',
        "UPDATE orders SET doc = NULL WHERE id = 1",
    ],
)
def test_any_other_change_of_such_a_column_fails_full_verification(
    mysql: PrivateServer, backups: Backups, database: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The copy is changed behind the proof's back between the restore and the comparison."""
    _orders(mysql, database)
    entry = backups.take(mysql, database)

    def unfaithful(contents: Contents, target: Endpoint, request: RestoreRequest, report: Report) -> RestoreResult:
        result = restore_contents(contents, target, request, report)
        with Session(target) as session:
            session.execute(f"USE {quote(database)}")
            session.execute(change)
        return result

    monkeypatch.setattr("chom_pipelines.proofs.full.restore_contents", unfaithful)
    proof = verify(entry, Level.FULL, None, unreported)
    assert proof.outcome is Outcome.FAILED
    assert proof.failures == (f"table {database}.orders: rows of the restored copy differ, in range 0 of 1",)
    assert proof.losses


def test_losses_of_several_ranges_are_summed(mysql: PrivateServer, backups: Backups, database: str) -> None:
    with mysql.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.t (id INT PRIMARY KEY, doc JSON, text LONGTEXT)")
        document = "JSON_OBJECT('n', n, 'total', CAST(n / 4 AS DECIMAL(10,2)))"
        filled(session, f"{quote(database)}.t", 14_500, f"n, {document}, REPEAT(SHA2(n, 256), 80)")
        session.execute(f"ANALYZE TABLE {quote(database)}.t")
    entry = backups.take(mysql, database)
    table = table_of(backups.manifest(entry), f"{database}.t")
    assert len(table.parts) > 1
    assert table.losses == (Loss(column="doc", lost=DIGITS, rows=_ending_in_zero(14_500)),)
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures) == (Outcome.PASSED, ())


def _ending_in_zero(rows: int) -> int:
    """How many of n / 4 end in .50 or .00."""
    return sum(n % 2 == 0 for n in range(1, rows + 1))


def test_random_numbers_that_lose_digits_look_like_it(mysql: PrivateServer, database: str) -> None:
    seed = secrets.randbits(32)
    chosen = random.Random(seed)  # noqa: S311  (repeatable by its seed)
    with mysql.connect() as session:
        session.execute(f"CREATE TABLE {quote(database)}.t (id INT AUTO_INCREMENT PRIMARY KEY, doc JSON)")
        values = []
        for _ in range(4_000):
            places = chosen.randint(0, 12)
            whole = str(chosen.randrange(10 ** chosen.randint(0, 21)))
            part = "".join(chosen.choices("0001259", k=places))
            values.append(f"(JSON_OBJECT('v', CAST('{whole}.{part}' AS DECIMAL(65,{places}))))")
        session.execute(f"INSERT INTO {quote(database)}.t (doc) VALUES {', '.join(values)}")
        one = f"{quote(database)}.t WHERE id = docs.id"
        digits = f"SELECT digits FROM ({losses_query(['doc'], one)}) AS counts (digits, types)"
        rows = session.rows(f"SELECT CAST(doc AS CHAR), ({digits}) FROM {quote(database)}.t docs")
        assert session.value(whole_query(["doc"], f"{quote(database)}.t")) == 0
    missed = [text for text, lost in rows if lost and not suspect(str(text).encode())]
    assert sum(bool(lost) for _, lost in rows) > 1_000
    assert not missed, (seed, missed)


def test_a_table_without_such_columns_is_read_once(server: PrivateServer, backups: Backups) -> None:
    database = server.fresh_database()
    with server.connect() as session:
        kind = "JSON" if server.facts.is_mariadb else "LONGTEXT"
        session.execute(f"CREATE TABLE {quote(database)}.t (id INT PRIMARY KEY, doc {kind})")
        session.execute(f"INSERT INTO {quote(database)}.t VALUES (1, '{{\"total\": 12.50}}')")
    entry = backups.take(server, database)
    assert backups.manifest(entry).logical.tables[0].losses == ()
    proof = verify(entry, Level.FULL, None, unreported)
    assert (proof.outcome, proof.failures, proof.losses) == (Outcome.PASSED, (), ())
