"""Logs that are not what a server wrote, and logs that just end: the first are refused, the second are not."""

import random
from dataclasses import replace

import pytest

from chom_pipelines.binlogs.format.scanning import Scanner
from chom_pipelines.binlogs.format.transactions import FileEnding, Transaction
from chom_pipelines.errors import BinlogDamagedError, UnknownFormatError
from chom_pipelines_tests.binlogs.logs import Log, scanned

_IN_USE_BYTE = 21  # flags of the format description; no checksum covers the lowest bit


def _damaged(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _before_damage(data: bytes, chunk: int = 1000, held: int = 1 << 20) -> tuple[list[Transaction], str]:
    scanner = Scanner("mysql-bin.000007", held=held)
    found: list[Transaction] = []
    try:
        for at in range(0, len(data), chunk):
            found += scanner.feed(data[at : at + chunk])
        scanner.finish()
    except (BinlogDamagedError, UnknownFormatError) as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize("flips", [150, pytest.param(4000, marks=pytest.mark.long)])
@pytest.mark.parametrize("held", [1 << 20, 200])
def test_any_flipped_bit_is_found(logs: list[Log], held: int, flips: int) -> None:
    chance = random.Random(3)  # noqa: S311  (no secret)
    for log in logs:
        whole, _ = scanned(log.data)
        for _ in range(flips):
            at, bit = chance.randrange(len(log.data)), chance.randrange(8)
            found, error = _before_damage(_damaged(log.data, at, bit), chance.randint(1, 5000), held)
            if (at, bit) == (_IN_USE_BYTE, 0):
                assert (found, error) == (whole, "")
            elif error:
                assert found == [each for each in whole if each.end <= at]
                assert "mysql-bin.000007" in error
            else:  # a size that grew: the last event is not whole then, as in a file that is still being written
                pytest.fail(f"a flip of bit {bit} at {at} was not found")


@pytest.mark.parametrize("flips", [150, pytest.param(4000, marks=pytest.mark.long)])
def test_without_checksums_a_flipped_bit_does_no_harm(plain_logs: list[Log], flips: int) -> None:
    chance = random.Random(4)  # noqa: S311  (no secret)
    for log in plain_logs:
        for _ in range(flips):
            at, bit = chance.randrange(len(log.data)), chance.randrange(8)
            data = _damaged(log.data, at, bit)
            found, error = _before_damage(data)  # and nothing else is raised
            assert {each.end for each in found} <= {event.end for event in log.shown}
            assert _before_damage(data, held=200) == (found, error)


@pytest.mark.parametrize("step", [23, pytest.param(7, marks=pytest.mark.long)])
def test_wherever_a_log_ends_it_is_said_where_its_whole_events_end(logs: list[Log], step: int) -> None:
    for log in logs:
        transactions, whole = scanned(log.data)
        ends = sorted({event.end for event in log.shown if event.end > event.start})
        for cut in range(ends[0], len(log.data), step):
            for held in (1 << 20, 100):  # 100: of compressed transactions, which pass through in pieces then
                scanner = Scanner("log", held=held)
                assert scanner.feed(log.data[:cut]) == [each for each in transactions if each.end <= cut]
                summary = scanner.finish()
                assert summary.end == max(end for end in ends if end <= cut)
                assert summary.end + summary.unread == cut
                started = [each.start for each in transactions if each.start < summary.end < each.end]
                assert summary.transactions_end == (started[0] if started else summary.end)
                assert summary.ending is FileEnding.OPEN
                assert summary.gtids_before in {whole.gtids_before, None}


def test_a_log_that_ends_in_its_first_event_is_refused(logs: list[Log]) -> None:
    first = logs[0].shown[0]
    for cut in range(first.end):
        scanner = Scanner("log")
        assert scanner.feed(logs[0].data[:cut]) == []
        with pytest.raises(BinlogDamagedError, match=f"log: it ends after {cut} bytes, within its first event"):
            scanner.finish()


def _cut_out(log: Log, kind: str) -> bytes:
    event = next(event for event in log.shown if event.kind.lower().startswith(kind))
    return log.data[: event.start] + log.data[event.end :]


def test_a_missing_event_is_found(logs: list[Log]) -> None:
    for kind in ("gtid", "table_map", "xid", "query"):
        _, error = _before_damage(_cut_out(logs[0], kind))
        assert "says that the next one is at" in error


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xfdbin" + b"x" * 600, "mysql-bin.000007 is encrypted by its server"),
        (b"nonsense", "mysql-bin.000007 is no binary log: it begins with 6e6f6e73"),
        (b"\xfebin" + b"\0" * 200, "position 4: there is no format description"),
        (b"\xfe", "ends after 1 bytes"),
        (b"", "ends after 0 bytes"),
    ],
)
def test_what_is_no_log_is_refused(data: bytes, what: str) -> None:
    found, error = _before_damage(data)
    assert found == []
    assert what in error


def test_nothing_may_follow_the_end_of_a_file(logs: list[Log]) -> None:
    _, error = _before_damage(logs[0].data + logs[0].data[-100:])
    assert "behind that which ends the file" in error


def test_transactions_before_the_damage_come_first(logs: list[Log]) -> None:
    whole, _ = scanned(logs[0].data)
    scanner = Scanner("log")
    data = _damaged(logs[0].data, whole[3].start + 25)
    assert scanner.feed(data) == whole[:3]
    for _ in range(2):
        with pytest.raises(BinlogDamagedError, match=f"log, position {whole[3].start}: the checksum"):
            scanner.feed(b"")
        with pytest.raises(BinlogDamagedError, match="the checksum"):
            scanner.finish()


def test_a_scan_from_the_middle_refuses_another_position(logs: list[Log]) -> None:
    transactions, summary = scanned(logs[0].data)
    scanner = Scanner("log", start=transactions[2].end, format_description=summary.format.event)
    with pytest.raises(BinlogDamagedError, match="says that the next one is at"):
        scanner.feed(logs[0].data[transactions[3].end :])
    with pytest.raises(BinlogDamagedError, match="its checksum is wrong"):
        Scanner("log", start=transactions[2].end, format_description=_damaged(summary.format.event, 40))
    assert replace(summary, file="x") != summary
