"""What a look saw, for programs: a figure that is not known is null, and the reason stands beside it; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chom_pipelines.monitoring.console.backup_standing import BackupStanding
from chom_pipelines.monitoring.console.overview import Connected, row_operations
from chom_pipelines.monitoring.console.screen_indexes import statements_to_review
from chom_pipelines.monitoring.console.screen_overview import Overview
from chom_pipelines.monitoring.console.screen_tables import Grown, Growth
from chom_pipelines.monitoring.console.screens import why_not
from chom_pipelines.monitoring.growth.index_verdicts import IndexVerdict
from chom_pipelines.monitoring.locks.lock_tree import Node, Tree
from chom_pipelines.monitoring.locks.locks import LockPicture
from chom_pipelines.monitoring.readers.auto_increment import Counter
from chom_pipelines.monitoring.readers.indexes import Index
from chom_pipelines.monitoring.readers.literals import without_literals
from chom_pipelines.monitoring.readers.reading import Lack, Reading
from chom_pipelines.monitoring.readers.redundant import Place, Redundant
from chom_pipelines.monitoring.readers.statements import Digest
from chom_pipelines.monitoring.readers.tables import TableSize
from chom_pipelines.monitoring.readers.waits import NAMELESS, SessionSeen
from chom_pipelines.server.facts import ServerFacts

_FEW = "nothing was counted in between, or the server counts anew"


def lacks(found: Sequence[Lack]) -> list[dict[str, str]]:
    """What is not told, and what mends that."""
    return [asdict(lack) for lack in found]


def told(value: object, reading: Reading[Any] | None = None, reason: str = "") -> dict[str, Any]:
    """`{"value": …, "reason": null}`, or null and why."""
    if value is None:
        return {"value": None, "reason": reason or why_not(reading)}
    return {"value": value, "reason": None}


def overview(seen: Overview, beyond: Sequence[str]) -> dict[str, Any]:
    """Rates are by the second."""
    rates = seen.rates
    figures: dict[str, float | None] = {
        "queries": None,
        "slow_queries": None,
        "row_lock_waits": None,
        "buffer_pool_hit_percent": None,
    }
    if rates is not None:
        figures = {
            "queries": rates.per_second("queries"),
            "slow_queries": rates.per_second("slow_queries"),
            "row_lock_waits": rates.per_second("innodb_row_lock_waits"),
            "buffer_pool_hit_percent": rates.buffer_pool_hit_percent,
            **{f"rows_{name}": value for name, value in row_operations(seen.facts, rates).items()},
        }
    reason = why_not(seen.counters) if seen.counters.value is None else _FEW
    picture = seen.locks.value
    return {
        "beyond_thresholds": list(beyond),
        "rates": {
            name: told(round(value, 3) if value is not None else None, reason=reason) for name, value in figures.items()
        },
        "sessions": told(asdict(Connected.of(picture)) if picture else None, seen.locks),
        "connections_limit": told(seen.connections_limit, reason="the server did not tell max_connections"),
        "waiting_sessions": told(len(picture.waiting) if picture else None, seen.locks),
        "replication": told([], None)
        if seen.sources is None
        else told([asdict(each) for each in seen.sources.value or ()] or None, seen.sources),
        "backups": backups(seen.standing)["backups"],
    }


def queries(
    running: Reading[tuple[SessionSeen, ...]], digests: Reading[tuple[Digest, ...]], *, literals: bool
) -> dict[str, Any]:
    """Running ones, and all digests; times are in seconds."""
    now = None if running.value is None else [_session(each, literals=literals) for each in running.value]
    top = None if digests.value is None else [{**asdict(each), "mean": each.mean} for each in digests.value]
    return {"running": told(now, running), "digests": told(top, digests)}


def locks(reading: Reading[LockPicture], *, literals: bool) -> dict[str, Any]:
    """The trees, of the ids of sessions, and all that are in them."""
    picture = reading.value
    if picture is None:
        return {"trees": told(None, reading)}
    named = {wait.waiter for wait in picture.waits} | {wait.blocker for wait in picture.waits}
    named |= {each.id for each in picture.idle_in_transaction if picture.is_long(each)}
    sessions = [_session(picture.sessions[each], literals=literals) for each in sorted(named - NAMELESS.keys())]
    for each in sessions:
        mark = picture.ours.get(each["id"])
        each["ours"] = {"what": mark.what, "certain": mark.is_certain} if mark else None
    return {
        "trees": told([_tree(tree, literals=literals) for tree in picture.trees]),
        "sessions": sessions,
        "idle_in_transaction": [each.id for each in picture.idle_in_transaction if picture.is_long(each)],
    }


def tables(
    reading: Reading[tuple[TableSize, ...]], growth: Growth | str, counters: Reading[tuple[Counter, ...]]
) -> dict[str, Any]:
    """In bytes, largest first; of columns that count the fullest."""
    numbers = told(None, counters) if counters.value is None else told([asdict(each) for each in counters.value])
    if reading.value is None:
        return {"tables": told(None, reading), "counters": numbers}
    known = {} if isinstance(growth, str) else growth.by_table
    there = sorted(reading.value, key=lambda each: (-each.total, each.database, each.table))
    nothing = Grown(None, None)
    found = []
    for each in there:
        grown = known.get((each.database, each.table), nothing)
        found.append({**asdict(each), "total": each.total, "growth_1_day": grown.day, "growth_7_days": grown.week})
    reason = growth if isinstance(growth, str) else "null: the records do not reach back so far"
    outlook = [] if isinstance(growth, str) else list(growth.outlook)
    return {
        "tables": told(found),
        "growth_reason": reason,
        "outlook": outlook,
        "failure": reading.failure,
        "counters": numbers,
    }


def indexes(
    reading: Reading[tuple[Index, ...]],
    facts: ServerFacts,
    double: Sequence[Redundant],
    unused: Sequence[Index],
    evidence: Mapping[Place, IndexVerdict],
) -> dict[str, Any]:
    """All of them, the superfluous and the unused ones with statements to review."""
    if reading.value is None:
        return {"indexes": told(None, reading)}

    def reviewed(index: Index) -> dict[str, Any]:
        verdict = evidence.get((index.database, index.table, index.name))
        told = verdict.evidence if verdict else None
        return {**asdict(index), "review": statements_to_review(index, facts), "evidence": told}

    counted = any(each.reads is not None for each in reading.value)
    return {
        "indexes": told([asdict(each) for each in reading.value]),
        "superfluous": [{**reviewed(each.index), "by": each.by.name, "why": each.why.value} for each in double],
        "unused": told(
            [reviewed(each) for each in unused] if counted else None,
            reason="this server counts no reads as it is set up",
        ),
    }


def backups(standing: BackupStanding | str) -> dict[str, Any]:
    """What could be restored now."""
    if isinstance(standing, str):
        return {"backups": told(None, reason=standing)}
    exposure = standing.exposure
    body = {
        "repository": standing.where,
        "last": [asdict(each) for each in standing.last],
        "earliest": standing.earliest,
        "latest": standing.latest,
        "exposure_seconds": told(
            round(exposure.total_seconds(), 3) if exposure is not None else None, reason="nothing can be restored"
        ),
        "gaps": standing.gaps,
        "drill": asdict(standing.drilled) if standing.drilled else None,
        "unusable": standing.unusable,
        "verdicts": {
            name: {"outcome": verdict.outcome.value, "reason": verdict.reason}
            for name, verdict in standing.verdicts.items()
        },
    }
    return {"backups": told(body)}


def _session(seen: SessionSeen, *, literals: bool) -> dict[str, Any]:
    body = asdict(seen)
    for name in ("statement", "last_statement"):
        body[name] = (body[name] if literals else without_literals(body[name])) or None
    return body


def _tree(tree: Tree, *, literals: bool) -> dict[str, Any]:
    return {"blocked": tree.blocked, "circle": list(tree.circle), "root": _node(tree.root, literals=literals)}


def _node(root: Node, *, literals: bool) -> dict[str, Any]:
    """Without calls within calls: rows of sessions that wait for each other can be long."""
    made: dict[str, Any] = {}
    left: list[tuple[Node, list[dict[str, Any]] | None]] = [(root, None)]
    while left:
        node, siblings = left.pop(0)
        body: dict[str, Any] = {
            "session": node.session if node.session not in NAMELESS else None,
            "reason": NAMELESS.get(node.session),
            "waits": [{**asdict(wait), "on": wait.what(literals=literals)} for wait in node.waits],
            "also_waits_for": [NAMELESS.get(each, each) for each in node.beside],
            "holds_up": [],
        }
        if siblings is None:
            made = body
        else:
            siblings.append(body)
        left += [(child, body["holds_up"]) for child in node.children]
    return made
