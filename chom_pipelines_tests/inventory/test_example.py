import re
from pathlib import Path

import yaml
from pydantic import BaseModel

from chom_pipelines.inventory.loading import load_inventory, parse_inventory
from chom_pipelines.inventory.models import Inventory, Server

EXAMPLE = Path(__file__).parents[2] / "chom.example.yaml"


def _uncommented() -> str:
    return re.sub(r"^( *)#(?! [^ ])", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)


def _keys(value: object) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set()


def _fields(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    return {name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})}


def test_the_example_loads() -> None:
    inventory = load_inventory(EXAMPLE)
    assert [server.name for server in inventory.servers] == ["chom", "reports"]


def test_the_example_loads_with_every_optional_key_put_in() -> None:
    server = parse_inventory(_uncommented(), EXAMPLE).server("chom")
    assert server.port == 3306
    assert server.tls is not None
    assert str(server.tls.ca) == "/etc/ssl/db-ca.pem"


def test_every_key_that_can_be_configured_is_in_the_example() -> None:
    in_prose = {"sql"}  # instead of laravel, so it cannot stand beside it
    assert _fields(Inventory) - in_prose == _keys(yaml.safe_load(_uncommented()))
    assert "{sql:" in EXAMPLE.read_text()


def test_what_the_example_calls_a_default_is_the_default() -> None:
    written, short = parse_inventory(_uncommented(), EXAMPLE).servers
    bare = Server.model_validate({"name": "a", "socket": "/s", "user": "u"})
    assert written.schedules == bare.schedules
    assert written.retention == bare.retention
    assert written.thresholds == bare.thresholds
    assert written.backup == short.backup
