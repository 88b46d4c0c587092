"""Who holds up whom, as trees: the root is who to look at first, and those that it holds up hang from it; pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chom_pipelines.monitoring.readers.waits import Wait


@dataclass(frozen=True)
class Node:
    """A session within a tree; `waits` are those for the one above it, and `beside` for whom else it waits.

    Those in `beside` are not held up by the root: with the root gone, the session still waits.
    """

    session: int
    waits: tuple[Wait, ...] = ()
    children: tuple[Node, ...] = ()
    beside: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tree:
    """A root and all sessions that do not go on before it does, `blocked` of them.

    The root waits for nobody; or it is one of `circle`, sessions that wait for one another, all of them listed.
    """

    root: Node
    blocked: int
    circle: tuple[int, ...] = ()


def lock_trees(waits: Iterable[Wait]) -> tuple[Tree, ...]:
    """A tree for each root, the one that holds up most first; every session that waits is in one at least.

    A session is in a tree once, as near to the root as can be, and in that of each root that holds it up.
    """
    by_pair: dict[tuple[int, int], list[Wait]] = defaultdict(list)
    for wait in waits:
        if wait.waiter != wait.blocker:
            by_pair[wait.blocker, wait.waiter].append(wait)
    held_up: dict[int, set[int]] = defaultdict(set)
    waits_for: dict[int, set[int]] = defaultdict(set)
    for blocker, waiter in by_pair:
        held_up[blocker].add(waiter)
        waits_for[waiter].add(blocker)
    trees = []
    for members in _last(held_up, waits_for):
        root = min(members)
        above = _nearest(root, held_up)
        node = _grown(root, above, by_pair, waits_for)
        trees.append(Tree(node, len(above), tuple(sorted(members)) if len(members) > 1 else ()))
    return tuple(sorted(trees, key=lambda tree: (-tree.blocked, tree.root.session)))


def _last(held_up: Mapping[int, set[int]], waits_for: Mapping[int, set[int]]) -> list[set[int]]:
    """Groups that wait for nobody outside of them: each is a session, or sessions that wait for one another."""
    sessions = set(held_up) | set(waits_for)
    order: list[int] = []
    seen: set[int] = set()
    for start in sorted(sessions):  # in the order in which a walk along the waits leaves them
        path = [(start, iter(sorted(waits_for.get(start, ()))))] if start not in seen else []
        seen.add(start)
        while path:
            session, rest = path[-1]
            following = next((each for each in rest if each not in seen), None)
            if following is None:
                order.append(session)
                path.pop()
            else:
                seen.add(following)
                path.append((following, iter(sorted(waits_for.get(following, ())))))
    groups: list[set[int]] = []
    grouped: set[int] = set()
    for start in reversed(order):
        if start in grouped:
            continue
        group, left = {start}, [start]
        grouped.add(start)
        while left:
            for each in held_up.get(left.pop(), ()):
                if each not in grouped:
                    grouped.add(each)
                    group.add(each)
                    left.append(each)
        groups.append(group)
    return [group for group in groups if not any(waits_for.get(each, set()) - group for each in group)]


def _nearest(root: int, held_up: Mapping[int, set[int]]) -> dict[int, int]:
    """Whoever is held up by the root, with the one above it."""
    above: dict[int, int] = {}
    left = deque([root])
    while left:
        session = left.popleft()
        for waiter in sorted(held_up.get(session, ())):
            if waiter != root and waiter not in above:
                above[waiter] = session
                left.append(waiter)
    return above


def _grown(
    root: int,
    above: Mapping[int, int],
    by_pair: Mapping[tuple[int, int], list[Wait]],
    waits_for: Mapping[int, set[int]],
) -> Node:
    """The tree, from its leaves: sessions that wait in a long row must not be too many calls within calls."""
    below: dict[int, list[Node]] = defaultdict(list)
    for session in reversed([root, *above]):  # nobody is before the one above it
        parent = above.get(session)
        waits = tuple(by_pair[parent, session]) if parent is not None else ()
        others = waits_for.get(session, set()) - set(above) - {root} if parent is not None else set()
        node = Node(session, waits, tuple(reversed(below.pop(session, []))), tuple(sorted(others)))
        if parent is None:
            return node
        below[parent].append(node)
    raise AssertionError("a tree without its root")
