from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.backups.days import GRACE, newest_of_day, refuse_other_days
from chom_pipelines.errors import BackupFailedError, BackupNotFoundError
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.store import Folder

START = datetime(2026, 3, 29, tzinfo=UTC)
END = START + timedelta(days=1)
seconds = st.integers(-3 * 86_400, 4 * 86_400)


def entry(name: str) -> BackupEntry:
    return BackupEntry("chom", Folder(LocalStore(Path("/repository")), "chom/backups"), name)


@given(seconds)
def test_a_backup_counts_for_the_day_it_begins_in_and_the_grace_after_it(offset: int) -> None:
    now = START + timedelta(seconds=offset)
    if START <= now < END + GRACE:
        refuse_other_days("2026-03-29", START, END, now)
        return
    with pytest.raises(BackupFailedError, match="2026-03-29 is not today") as caught:
        refuse_other_days("2026-03-29", START, END, now)
    assert not caught.value.retryable
    assert f"{now:%Y-%m-%d}" in caught.value.remedy


def test_the_last_backup_of_a_day_is_found_by_its_id() -> None:
    names = ("full_20260328_235959", "full_20260329_000000", "full_20260329_020000", "full_20260330_000000", "notes")
    assert newest_of_day(map(entry, names), "2026-03-29", START, END).id == "full_20260329_020000"


def test_where_a_day_has_none_the_newest_is_named_with_its_day() -> None:
    names = ("full_20260401_020000", "full_20260328_235959")
    with pytest.raises(BackupNotFoundError, match=r"no backup of 2026-03-29 .*full_20260401_020000") as caught:
        newest_of_day(map(entry, names), "2026-03-29", START, END)
    assert "verify 2026-04-01" in caught.value.remedy


def test_where_there_is_none_at_all_that_is_said() -> None:
    with pytest.raises(BackupNotFoundError, match="nor of any other day"):
        newest_of_day([entry("notes")], "2026-03-29", START, END)
