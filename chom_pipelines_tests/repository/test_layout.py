from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.layout import backup_id, backups_directory, moment_of, proof_name

moments = st.integers(0, 200_000_000_000).map(lambda hundredths: datetime.fromtimestamp(hundredths / 100, UTC))


@given(moments)
def test_an_id_tells_its_second_in_utc(moment: datetime) -> None:
    assert moment_of(backup_id(moment)) == moment.astimezone(UTC).replace(microsecond=0)


@given(moments, moments)
def test_names_sort_by_time(first: datetime, second: datetime) -> None:
    assert (proof_name(first) < proof_name(second)) == (first < second)
    if abs(first - second) >= timedelta(seconds=1):
        assert (backup_id(first) < backup_id(second)) == (first < second)


@given(moments, st.integers(1, 70))
def test_ids_of_one_second_differ_and_sort_in_the_order_of_asking(moment: datetime, times: int) -> None:
    taken: list[str] = []
    for _ in range(times):
        taken.append(backup_id(moment, frozenset(taken)))
    assert taken == sorted(set(taken))


@pytest.mark.parametrize("name", ["full_20260231_000000", "full_20260102", "latest", "full_20260102_020000_", ""])
def test_what_is_no_id_has_no_time(name: str) -> None:
    assert moment_of(name) is None


def test_a_servers_backups_are_under_its_name() -> None:
    assert backups_directory(Path("/b"), "chom") == Path("/b/chom/backups")


@pytest.mark.parametrize("server", ["", "..", ".", "a/b", "/a", ".hidden", "a\0"])
def test_no_server_name_leads_out_of_the_repository(server: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a directory"):
        backups_directory(Path("/b"), server)
