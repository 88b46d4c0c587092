from typing import Any

import pytest

from chom_pipelines.inventory.models import Inventory
from chom_pipelines.inventory.unbuilt import unbuilt_for_server
from chom_pipelines.server.findings import Finding


def asked(**keys: Any) -> list[Finding]:  # noqa: ANN401  (as YAML has it)
    server = {"name": "chom", "socket": "/s", "user": "u", **keys}
    inventory = Inventory.model_validate({"repository": {"path": "/r"}, "servers": [server]})
    return list(unbuilt_for_server(inventory.server()))


def test_a_file_that_asks_for_nothing_of_it_hears_nothing_of_it() -> None:
    built = {"full": "0 1 * * *", "verification": None, "binlogs": None}
    assert asked() == []
    assert asked(migrations={"sql": "/m"}) == []
    assert (
        asked(schedules=built, thresholds={"backup_age_hours": 30}, retention={"full_days": 30, "binlog_days": 7}) == []
    )


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"thresholds": {"slow_queries_per_second": 1}}, "slow_queries_per_second"),
        ({"thresholds": {"buffer_pool_hit_rate": 9}}, "buffer_pool_hit_rate"),
    ],
)
def test_a_key_without_effect_is_a_warning(keys: dict[str, Any], named: str) -> None:
    (finding,) = asked(**keys)
    assert finding.is_warning
    assert named in finding.message
