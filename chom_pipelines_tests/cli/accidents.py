"""A small shop whose orders were deleted after a full backup, and what is looked for in it then."""

from __future__ import annotations

import re

from chom_pipelines.server.connection import Session
from chom_pipelines_tests.cli.setting import Setting

BOSS = "chom_test_boss"
"""An account that may do everything."""


def with_accident(made: Setting) -> Setting:
    assert made.chom("backup", "--verification", "none") == 0
    made.archive(*emptying(made.database), f"INSERT INTO {made.database}.users VALUES (200, 'after the accident')")
    return made


def emptying(database: str) -> list[str]:
    """Five more users, and then the accident."""
    users = (f"INSERT INTO {database}.users VALUES ({100 + number}, 'after the backup')" for number in range(5))
    return [*users, f"DELETE FROM {database}.orders"]


def counts(session: Session, database: str) -> tuple[int, int]:
    """Rows of orders and of users."""
    return tuple(session.value(f"SELECT COUNT(*) FROM {database}.{table}") for table in ("orders", "users"))


def place_of(output: str) -> str:
    found = re.search(r"chom restore --before (\S+)", output)
    assert found
    return found[1]
