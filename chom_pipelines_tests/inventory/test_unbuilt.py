from typing import Any

import pytest

from chom_pipelines.backups.run_policy import refuse_unbuilt
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.inventory.unbuilt import unbuilt_for_all, unbuilt_for_server
from chom_pipelines.repository.layout import Kind
from chom_pipelines.server.findings import Finding

OFFSITE = {"url": "s3://acme/chom"}


def inventory(offsite: dict[str, str] | None = None, **keys: Any) -> Inventory:  # noqa: ANN401  (as YAML has it)
    server = {"name": "chom", "socket": "/s", "user": "u", **keys}
    return Inventory.model_validate({"repository": {"path": "/r", "offsite": offsite}, "servers": [server]})


def asked(offsite: dict[str, str] | None = None, **keys: Any) -> list[Finding]:  # noqa: ANN401
    return list(unbuilt_for_server(inventory(offsite, **keys).server()))


def test_a_file_that_asks_for_nothing_of_it_hears_nothing_of_it() -> None:
    built = {"full": "0 1 * * *", "verification": None, "binlogs": None}
    assert asked() == []
    assert (
        asked(schedules=built, thresholds={"backup_age_hours": 30}, retention={"full_days": 30, "binlog_days": 7}) == []
    )
    assert list(unbuilt_for_all(inventory().repository)) == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"retention": {"monthly_archives": 0}}, "monthly_archives"),
        ({"thresholds": {"slow_queries_per_second": 1}}, "slow_queries_per_second"),
        ({"thresholds": {"buffer_pool_hit_rate": 9}}, "buffer_pool_hit_rate"),
        ({"migrations": {"sql": "/m"}}, "migrations"),
    ],
)
def test_a_key_without_effect_is_a_warning(keys: dict[str, Any], named: str) -> None:
    (finding,) = asked(**keys)
    assert finding.is_warning
    assert named in finding.message


def test_a_second_copy_is_a_warning_where_no_server_uploads_to_it() -> None:
    assert asked(OFFSITE, backup={"upload": False}) == []
    (finding,) = unbuilt_for_all(inventory(OFFSITE, backup={"upload": False}).repository)
    assert (finding.subject, finding.is_warning) == ("offsite", True)


@pytest.mark.parametrize(
    ("offsite", "backup", "key"),
    [
        (OFFSITE, {"upload": True}, "backup.upload"),
        (OFFSITE, {}, "backup.upload"),
    ],
)
def test_what_a_backup_is_refused_for_fails(offsite: dict[str, str] | None, backup: dict[str, Any], key: str) -> None:
    server = inventory(offsite, backup=backup).server()
    (finding,) = unbuilt_for_server(server)
    assert (finding.subject, finding.words) == (key, "failed")
    with pytest.raises(ConfigurationError, match=finding.message):
        refuse_unbuilt(Kind.FULL, server.backup)
