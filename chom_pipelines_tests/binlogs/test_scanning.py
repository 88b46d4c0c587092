from collections.abc import Iterator

import pytest

from chom_pipelines.binlogs.scanning import Scanner
from chom_pipelines.binlogs.transactions import FileEnding, Transaction
from chom_pipelines_tests.binlogs.logs import Log, logs_since, new_log, scanned
from chom_pipelines_tests.binlogs.workload import work
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module")
def logs(any_server: PrivateServer) -> Iterator[list[Log]]:
    """Two logs of a workload: the first one ends by a rotation, the second one is still open."""
    with any_server.scope() as server:
        first = new_log(server)
        with server.connect() as session:
            work(server, session)
            session.execute("FLUSH BINARY LOGS")
            work(server, session)
        yield logs_since(server, first)


def _starts(log: Log) -> list[tuple[int, str | None]]:
    return [(event.start, event.gtid) for event in log.shown if event.kind.lower().startswith(("gtid", "anonymous"))][
        log.shown[1].kind == "Gtid_list" :
    ]


def test_transactions_are_where_the_server_shows_them(logs: list[Log]) -> None:
    for log in logs:
        transactions, summary = scanned(log.data)
        assert [(each.start, each.gtid) for each in transactions] == _starts(log)
        between = [event for event in log.shown if event.kind == "Binlog_checkpoint"]
        ends = {each.start for each in transactions[1:]} | {each.start for each in between} | {transactions[-1].end}
        assert all(each.end in ends for each in transactions)  # they leave no gap
        assert summary.transactions == len(transactions)
        assert summary.end == summary.transactions_end == log.shown[-1].end == len(log.data)


def test_files_follow_each_other_without_a_gap(logs: list[Log]) -> None:
    (_, first), (_, second) = (scanned(log.data) for log in logs)
    assert (first.ending, first.next_file) == (FileEnding.ROTATE, logs[1].name)
    assert (second.ending, second.next_file) == (FileEnding.OPEN, None)
    assert first.gtids_after == second.gtids_before
    assert second.gtids_before != second.gtids_after


def _in_chunks(data: bytes, size: int) -> tuple[list[Transaction], object]:
    return scanned(data, chunk=size)


@pytest.mark.parametrize("size", [1, 7, 19, 100, 4096])
def test_chunks_of_any_size_give_the_same(logs: list[Log], size: int) -> None:
    for log in logs:
        assert _in_chunks(log.data, size) == _in_chunks(log.data, 1 << 20)


def test_a_scan_may_begin_behind_any_transaction(logs: list[Log]) -> None:
    for log in logs:
        transactions, whole = scanned(log.data)
        gtids = whole.gtids_before
        for count, each in enumerate(transactions, 1):
            assert gtids is not None
            assert each.gtid is not None
            gtids = gtids.with_gtid(each.gtid)
            scanner = Scanner("log", start=each.end, format_description=whole.format.event, gtids_before=gtids)
            assert scanner.feed(log.data[each.end :]) == transactions[count:]
            summary = scanner.finish()
            assert (summary.end, summary.gtids_after) == (whole.end, whole.gtids_after)
