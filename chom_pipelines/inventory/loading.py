"""Finds and reads chom.yaml; every complaint names file, line and key."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.base import AtKeyError, said_of
from chom_pipelines.inventory.models import Inventory
from chom_pipelines.inventory.unknown_keys import Key, unknown_key

DEFAULT = Path("chom.yaml")
VARIABLE = "CHOM_CONFIG"
_YAML = "mend the YAML: indent by spaces, keys of one level alike, and put quotes around what is text"
_QUOTED = re.compile(r"'[^']*'")
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_START = "start from chom.example.yaml, which documents every key"


class _Problem(NamedTuple):
    line: int
    key: Key
    message: str


def config_path(path: Path | None = None) -> Path:
    """The file that counts: `path`, else $CHOM_CONFIG, else ./chom.yaml."""
    return path or Path(os.environ.get(VARIABLE) or DEFAULT)


def load_inventory(path: Path | None = None) -> Inventory:
    """Read and validate the configuration; secrets are not read.

    Raises ConfigurationError with every problem, a line each.
    """
    file = config_path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"{file}: there is no such configuration"
        raise ConfigurationError(message, f"name it with --config or ${VARIABLE}; {_START}") from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read: {error}"
        raise ConfigurationError(message, "it must be UTF-8 text that this user may read") from error
    return parse_inventory(text, file)


def parse_inventory(text: str, file: Path) -> Inventory:
    """As load_inventory, of a text; relative paths in it start at the folder of `file`."""
    try:
        node = _composed(text)
        if not isinstance(node, yaml.MappingNode):
            raise ConfigurationError(f"{file}:1: not a mapping of keys to values", _START)
        if problems := list(_misread(node, ())):
            raise _refusal(file, problems)
        data = yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        # not chained: its text and its mark quote the file, in which somebody may have put a password
        raise ConfigurationError(f"{file}:{_what(error)}", _YAML) from None
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        what = f"{file}: a value is not what it looks like to YAML, as a date or a number, or is nested too deep"
        raise ConfigurationError(what, _YAML) from None
    try:
        return Inventory.model_validate(data, context={"directory": file.absolute().parent})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems = [_problem(detail, node) for detail in details]
    raise _refusal(file, problems)  # not chained: what was validated may hold what someone took for a place for secrets


def spelled(key: Key) -> str:
    """`servers[0].backup.level`."""
    parts = (part if isinstance(part, int) or part.isprintable() else ascii(part) for part in key)
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def _composed(text: str) -> yaml.Node | None:
    """By libyaml in a seventh of the time; of what it refuses, PyYAML's own parser knows better what and where."""
    try:
        return yaml.compose(text, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _problem(detail: ErrorDetails, node: yaml.Node) -> _Problem:
    raised = detail.get("ctx", {}).get("error")
    key: Key = tuple(detail["loc"]) + (raised.key if isinstance(raised, AtKeyError) else ())
    message = said_of(detail)
    if detail["type"] == "extra_forbidden":
        message = unknown_key(key)
    elif detail["type"] == "missing":
        message = "this key is missing"
    return _Problem(_line(node, key), key, message)


def _line(node: yaml.Node, key: Key) -> int:
    """Of the key, or of the nearest thing around it that is in the file."""
    line = node.start_mark.line
    for part in key:
        if isinstance(node, yaml.MappingNode):
            found = next(((name, value) for name, value in node.value if name.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1


def _misread(node: yaml.Node, key: Key) -> Iterator[_Problem]:
    """What YAML would take for something else: a key that is there twice, of which the last wins; 1:30, which is 90."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _misread(item, (*key, index))
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                yield _Problem(name.start_mark.line + 1, key, "a key must be text: put it into quotes")
                continue
            here = (*key, str(name.value))
            if str(name.value) in seen:
                yield _Problem(name.start_mark.line + 1, here, "this key is here twice")
            seen.add(str(name.value))
            yield from _misread(value, here)
    elif node.tag in _NUMBERS and ":" in node.value:
        yield _Problem(node.start_mark.line + 1, key, "YAML counts what has colons in sixties: put text into quotes")


def _what(error: yaml.YAMLError) -> str:
    mark: Any = getattr(error, "problem_mark", None)
    problem = _QUOTED.sub("...", getattr(error, "problem", None) or "a character that YAML does not have")
    return f"{mark.line + 1}: {problem}" if mark else f" {problem}"


def _refusal(file: Path, problems: Sequence[_Problem]) -> ConfigurationError:
    ordered = sorted(problems, key=lambda problem: problem.line)
    lines = [f"{file}:{line}: {spelled(key)}: {message}" for line, key, message in ordered]
    return ConfigurationError("\n".join(lines), "chom.example.yaml documents every key")
