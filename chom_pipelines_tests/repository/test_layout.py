from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.layout import BackupId, Kind, parse_id, proof_name, stream_name, timed_id

TIMED = st.sampled_from([Kind.FULL, Kind.INCREMENTAL])
moments = st.integers(0, 200_000_000_000).map(lambda hundredths: datetime.fromtimestamp(hundredths / 100, UTC))


@given(TIMED, moments)
def test_an_id_tells_its_kind_and_its_second_in_utc(kind: Kind, moment: datetime) -> None:
    found = parse_id(timed_id(kind, moment).text)
    assert found == BackupId(kind, moment.replace(microsecond=0))


@given(TIMED, TIMED, moments, moments)
def test_backups_sort_by_time_whatever_they_are(one: Kind, other: Kind, first: datetime, second: datetime) -> None:
    assert (proof_name(first) < proof_name(second)) == (first < second)
    if abs(first - second) >= timedelta(seconds=1):
        assert (timed_id(one, first).order < timed_id(other, second).order) == (first < second)


@given(st.lists(TIMED, min_size=1, max_size=70), moments)
def test_ids_of_one_second_differ_and_sort_in_the_order_of_asking(kinds: list[Kind], moment: datetime) -> None:
    taken: list[BackupId] = []
    for kind in kinds:
        taken.append(timed_id(kind, moment, [each.text for each in taken]))
    assert len({each.order for each in taken}) == len(kinds)
    assert taken == sorted(taken, key=lambda each: each.order)


@given(st.integers(1, 10**7), st.integers(0, 10**12 - 1), st.integers(1, 10**7), st.integers(0, 10**12 - 1))
def test_segments_sort_as_the_binary_log_goes_also_beyond_its_millionth_file(a: int, b: int, c: int, d: int) -> None:
    first, second = (BackupId(Kind.BINLOG, file=f"mysql-bin.{n:06d}", start=start) for n, start in ((a, b), (c, d)))
    assert (first.order < second.order) == ((a, b) < (c, d))
    assert parse_id(first.text) == first


def test_ids_read_as_they_are_documented() -> None:
    moment = datetime(2026, 1, 2, 2, tzinfo=UTC)
    assert timed_id(Kind.FULL, moment).text == "full_20260102_020000"
    assert timed_id(Kind.INCREMENTAL, moment).text == "incremental_20260102_020000"
    assert BackupId(Kind.BINLOG, file="mysql-bin.000123", start=4).text == "binlog_mysql-bin.000123_000000000004"


@pytest.mark.parametrize(
    "name",
    [
        *("full_20260231_000000", "full_20260102", "latest", "full_20260102_020000_", "", "weekly_20260102_020000"),
        *("binlog_mysql-bin.000123", "binlog_000123_000000000004", "binlog_mysql-bin.000123_4"),
    ],
)
def test_what_is_no_id_is_none(name: str) -> None:
    assert parse_id(name) is None


def test_a_servers_streams_are_under_its_name() -> None:
    assert stream_name("chom", "backups") == "chom/backups"
    assert stream_name("chom", "binlogs", "11") == "chom/binlogs/11"


@pytest.mark.parametrize("server", ["", "..", ".", "a/b", "/a", ".hidden", "a\0"])
def test_no_server_name_leads_out_of_the_repository(server: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a folder"):
        stream_name(server, "backups")
