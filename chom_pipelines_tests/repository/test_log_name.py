"""Names of a binary log's files."""

from __future__ import annotations

import pytest

from chom_pipelines.repository.log_name import LogName


@pytest.mark.parametrize(
    ("file", "base", "number", "following"),
    [
        ("mysql-bin.000009", "mysql-bin", 9, "mysql-bin.000010"),
        ("db1.example.com.000123", "db1.example.com", 123, "db1.example.com.000124"),
        ("binlog.999999", "binlog", 999_999, "binlog.1000000"),
    ],
)
def test_a_file_is_a_base_and_a_number_and_the_next_one_counts_on(
    file: str, base: str, number: int, following: str
) -> None:
    assert LogName.of(file) == (base, number)
    assert LogName.of(file).following == following


def test_files_are_in_the_order_of_their_numbers() -> None:
    files = ["binlog.1000000", "binlog.000002", "binlog.999999"]
    assert sorted(files, key=LogName.of) == ["binlog.000002", "binlog.999999", "binlog.1000000"]


def test_what_is_no_file_of_a_log_is_no_name() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        LogName.of("binlog.index")
