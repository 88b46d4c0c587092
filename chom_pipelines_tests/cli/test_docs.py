"""The README is held to the command line: what it names exists, and what exists is named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from chom_pipelines.cli.main import COMMANDS
from chom_pipelines.inventory.environment import POLICY
from chom_pipelines.inventory.loading import parse_inventory

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FILES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def examples() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("chom ")]


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that can be called, by its words."""
    for name, command in COMMANDS.items():
        module = import_module(f"chom_pipelines.cli.{command.module}")
        found: Any = typer.main.get_command(module.app)
        inner = getattr(found, "commands", {})
        yield from (((name, each), one) for each, one in inner.items())
        if not inner or found.invoke_without_command:
            yield (name,), found


BY_WORDS = dict(commands())


def options(command: Any) -> set[str]:  # noqa: ANN401  (Typer's)
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


def test_every_command_is_in_the_readme() -> None:
    assert [words for words in BY_WORDS if f"| `chom {' '.join(words)}` |" not in README] == []


def test_every_command_in_the_readme_exists() -> None:
    named = re.findall(r"^\| `chom ([a-z -]+)` \|", README, flags=re.MULTILINE)
    assert {tuple(words.split()) for words in named} == set(BY_WORDS)


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_every_example_can_be_parsed(words: list[str]) -> None:
    name = next(length for length in (2, 1) if tuple(words[1 : 1 + length]) in BY_WORDS)
    BY_WORDS[tuple(words[1 : 1 + name])].make_context("chom", words[1 + name :])


def test_there_are_examples() -> None:
    assert len(examples()) >= 5


@pytest.mark.parametrize("row", re.findall(r"^\| `chom .*$", README, flags=re.MULTILINE))
def test_every_option_in_the_table_of_commands_exists(row: str) -> None:
    words = tuple(re.findall(r"`chom ([a-z -]+)`", row)[0].split())
    named = {option.split()[0] for option in re.findall(r"`(--[^`]+)`", row)}
    assert named <= options(BY_WORDS[words])


@pytest.mark.parametrize("words", sorted(set(BY_WORDS) - {("demo",), ("deploy-check",)}))
def test_every_command_speaks_json_and_takes_a_configuration(words: tuple[str, ...]) -> None:
    assert {"--json", "--config"} <= options(BY_WORDS[words])


def test_every_variable_of_backups_is_in_the_readme() -> None:
    assert [name for name in ("BACKUP_TYPE", *POLICY.values()) if f"`{name}`" not in README] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [(ROOT / name).read_text() for name in FILES]
    named = {
        target for text in texts for target in re.findall(r"\bmake ([a-z-]+)`|^make ([a-z-]+)$", text, re.MULTILINE)
    }
    assert {first or second for first, second in named} <= targets


def test_every_file_that_is_linked_or_named_exists() -> None:
    for name in FILES:
        text = (ROOT / name).read_text()
        linked = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("http")]
        named = re.findall(r"`((?:chom_pipelines|chom_pipelines_tests)/[\w/.]*)`", text)
        inside = [f"chom_pipelines/{path}" for path in re.findall(r"`([a-z]+/[a-z_/]+\.py)`", text)]
        assert [target for target in (*linked, *named, *inside) if not (ROOT / target).exists()] == []


def test_the_configuration_in_the_readme_is_valid() -> None:
    whole, *parts = blocks("yaml")
    assert parse_inventory(whole, ROOT / "chom.yaml").servers[0].backup.encrypt
    for part in parts:
        body = yaml.safe_load(whole) | yaml.safe_load(part)
        assert parse_inventory(yaml.safe_dump(body), ROOT / "chom.yaml").servers
