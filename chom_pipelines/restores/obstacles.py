"""Settings of a target that would stop a list of operations midway, whoever carries it out. Pure.

Tried on MariaDB 10.11 and MySQL 9.7, but for innodb_read_only and innodb_force_recovery, which only a restart changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chom_pipelines.restores.operations import Action, Operations
from chom_pipelines.restores.selection import SelectedTable
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.upload import UPLOAD

_OFF = {"OFF", "0", ""}
_ALL = (
    ("super_read_only", "SET GLOBAL super_read_only = OFF;"),
    ("transaction_read_only", "SET GLOBAL transaction_read_only = OFF;"),
    ("tx_read_only", "SET GLOBAL tx_read_only = OFF;"),
    ("innodb_read_only", "restart the server without innodb_read_only"),
    ("innodb_force_recovery", "restart the server without innodb_force_recovery"),
)
"""With these nobody writes."""
_SAFE = re.compile(
    rb"\bRETURNS? [^\n]*\n(?:    MODIFIES SQL DATA\n)?    (?:DETERMINISTIC|NO SQL|READS SQL DATA)\n",
)
"""As the servers show it. RETURN is that of sql_mode ORACLE."""
_PRIMARY = b"\n  PRIMARY KEY "
_UNIQUE = b"\n  UNIQUE KEY "
_PACKET_ROOM = 1024


@dataclass(frozen=True)
class Obstacle:
    """What is in the way, and the statement that removes it."""

    what: str
    remedy: str


def obstacles(found: Operations, facts: ServerFacts, engines: frozenset[str]) -> list[Obstacle]:
    """All that is in the way of this list; `engines` are those in which the server makes tables, in lower case."""
    return [
        *_read_only(facts),
        *_engines(found.tables, facts, engines),
        *_keyless(found.tables, facts),
        *_unsafe(found, facts),
        *_large(found, facts),
    ]


def _read_only(facts: ServerFacts) -> Iterator[Obstacle]:
    seen: set[str] = set()
    for name, remedy in _ALL:
        value = facts.variables.get(name, "OFF")
        plain = name.replace("transaction_", "tx_")
        if value not in _OFF and plain not in seen:  # one setting with two names
            seen.add(plain)
            yield Obstacle(f"{name} is {value}: nobody can write", remedy)


def _engines(tables: tuple[SelectedTable, ...], facts: ServerFacts, engines: frozenset[str]) -> Iterator[Obstacle]:
    disabled = {name.strip().lower() for name in facts.variables.get("disabled_storage_engines", "").split(",")}
    names: dict[str, list[str]] = {}
    for each in tables:
        if each.table.engine.lower() not in engines - disabled:
            names.setdefault(each.table.engine, []).append(f"{each.database}.{each.table.name}")
    for engine, those in names.items():
        what = f"the server makes no tables in the engine {engine}, as {_some(those)} would be"
        yield Obstacle(what, f"install or enable {engine} there, or leave those tables out with --tables")


def _keyless(tables: tuple[SelectedTable, ...], facts: ServerFacts) -> Iterator[Obstacle]:
    for name, enough in (("sql_require_primary_key", (_PRIMARY,)), ("innodb_force_primary_key", (_PRIMARY, _UNIQUE))):
        if facts.variables.get(name, "OFF") in _OFF:
            continue
        without = [
            f"{each.database}.{each.table.name}"
            for each in tables
            if not any(key in each.split.create for key in enough)
            and (name.startswith("sql") or each.table.engine.lower() == "innodb")
        ]
        if without:
            yield Obstacle(f"{name} is ON, and {_some(without)} has no such key", f"SET GLOBAL {name} = OFF;")


def _unsafe(found: Operations, facts: ServerFacts) -> Iterator[Obstacle]:
    if not facts.distrusts_creators:
        return
    unsafe = [
        f"{each.database}.{each.name}"
        for each in found.all
        if each.kind == "function" and each.action is Action.CREATE and not _SAFE.search(each.statements[-1])
    ]
    if unsafe:
        why = "says neither DETERMINISTIC nor NO SQL nor READS SQL DATA, which the binary log takes"
        yield Obstacle(f"the function {_some(unsafe)} {why}", "SET GLOBAL log_bin_trust_function_creators = ON;")


def _large(found: Operations, facts: ServerFacts) -> Iterator[Obstacle]:
    packet = int(facts.variables["max_allowed_packet"])
    sizes = [(len(statement), f"the definition of {each.label}") for each in found.all for statement in each.statements]
    for each in found.tables:
        keys = f"the keys of table {each.database}.{each.table.name}"
        sizes += [(len(statement), keys) for statement in each.split.additions(each.name)]
        sizes.append((UPLOAD, "a packet of rows"))
    longest, label = max(sizes, default=(0, ""))
    if longest + _PACKET_ROOM > packet:
        what = f"max_allowed_packet is {packet:,}, and {label} has {longest:,} bytes"
        yield Obstacle(what, f"SET GLOBAL max_allowed_packet = {longest + (1 << 20)};")


def _some(names: list[str]) -> str:
    named = 5
    more = f" and {len(names) - named} more" if len(names) > named else ""
    return ", ".join(names[:named]) + more
