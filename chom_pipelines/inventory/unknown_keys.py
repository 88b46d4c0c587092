"""What somebody may have meant by a key that chom.yaml does not have where it stands; pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from chom_pipelines.inventory.models import Inventory

Key = tuple[str | int, ...]

_SURELY, _PERHAPS = 0.8, 0.6
_BEGINNING = 0.7
"""Of the shorter of two keys, so much at its beginning is alike: `full`, `full_days`; `verify`, `verification`."""


def unknown_key(key: Key) -> str:
    """That it is unknown, and the key of its place that it is like, the place where it belongs, or the keys here."""
    name, place = str(key[-1]), _spelled(key[:-1])
    places = dict(_places(Inventory.model_json_schema(), {}, ""))
    here = places.get(place, [])
    elsewhere = [other for other, keys in places.items() if name in keys]
    alike = [each for each in here if _begins_alike(each, name)]
    if found := alike or difflib.get_close_matches(name, here, 1, _PERHAPS if not elsewhere else _SURELY):
        return f"unknown key; did you mean {found[0]}?"
    if elsewhere:
        return f"unknown key; {name} belongs {f'below {elsewhere[0]}' if elsewhere[0] else 'at the top'}"
    return f"unknown key; the keys here: {', '.join(here)}"


def _begins_alike(one: str, other: str) -> bool:
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return alike >= _BEGINNING * min(len(one), len(other))


def _spelled(place: Key) -> str:
    """Without which of several it is: `servers[].backup`."""
    text = "".join("[]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _places(node: Mapping[str, Any], models: Mapping[str, Any], place: str) -> Iterator[tuple[str, list[str]]]:
    """Every place of the configuration with its keys, the top first; of a JSON schema as pydantic makes it."""
    models = node.get("$defs", models)
    for part in (node, *node.get("anyOf", ())):
        if "items" in part:
            yield from _places(part["items"], models, f"{place}[]")
        found = models[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        if keys := found.get("properties"):
            yield place, list(keys)
            for key, below in keys.items():
                yield from _places(below, models, f"{place}.{key}".removeprefix("."))
