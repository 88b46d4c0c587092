import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chom_pipelines.binlogs.format.events import Checksum
from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.transactions import FileEnding
from chom_pipelines_tests.binlogs.logs import Log, scanned
from chom_pipelines_tests.servers import PrivateServer


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


@pytest.mark.parametrize("size", [1, 7, 19, 100, 4096])
def test_chunks_of_any_size_give_the_same(logs: list[Log], size: int) -> None:
    for log in logs:
        assert scanned(log.data, chunk=size) == scanned(log.data)


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=50), held=st.sampled_from([200, 1000, 1 << 20]))
def test_any_chunks_give_the_same(logs: list[Log], sizes: list[int], held: int) -> None:
    for log in logs:
        scanner = Scanner("log", held=held)
        found = []
        at = 0
        for size in itertools.chain(sizes, itertools.repeat(997)):
            if at >= len(log.data):
                break
            found += scanner.feed(log.data[at : at + size])
            at += size
        assert (found, scanner.finish()) == scanned(log.data)


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


def test_large_events_pass_through_and_give_the_same(logs: list[Log]) -> None:
    for log in logs:
        expected, _ = scanned(log.data)
        scanner = Scanner("log", held=200)  # even BEGIN and COMMIT are large then
        assert [each for at in range(0, len(log.data), 50) for each in scanner.feed(log.data[at : at + 50])] == expected
        assert scanner.finish() == scanned(log.data)[1]


def test_logs_without_checksums_are_read_as_well(plain_logs: list[Log]) -> None:
    for log in plain_logs:
        transactions, summary = scanned(log.data)
        assert summary.checksum is Checksum.NONE
        assert [(each.start, each.gtid) for each in transactions] == _starts(log)
        assert summary.end == len(log.data)


def test_a_log_says_who_wrote_it_and_when(logs: list[Log], any_server: PrivateServer) -> None:
    with any_server.connect() as session:
        version, server_id, now = session.rows("SELECT VERSION(), @@server_id, UNIX_TIMESTAMP()")[0]
    for log in logs:
        transactions, summary = scanned(log.data)
        assert summary.format.server_version == version
        assert (summary.server_id, summary.checksum) == (server_id, Checksum.CRC32)
        assert summary.format.flavour is any_server.flavour
        assert summary.format.in_use == (summary.ending is FileEnding.OPEN)
        assert summary.first_time is not None
        assert summary.last_time is not None
        times = [each.time for each in transactions]
        assert summary.first_time <= min(times)
        assert max(times).replace(microsecond=0) <= summary.last_time
        assert 0 <= now - summary.last_time.timestamp() < 600
        assert times == sorted(times)
