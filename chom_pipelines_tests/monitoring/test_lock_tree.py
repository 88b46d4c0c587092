"""Trees of waits: the root first, everybody in them, whatever shape the waits have."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.monitoring.locks.lock_tree import Node, Tree, lock_trees
from chom_pipelines.monitoring.readers.waits import LockKind, Wait

_sessions = st.integers(1, 9)
_waits = st.lists(
    st.builds(Wait, waiter=_sessions, blocker=_sessions, kind=st.just(LockKind.ROW), on=st.just("t")), max_size=25
)


def waits(*pairs: tuple[int, int]) -> list[Wait]:
    return [Wait(waiter, blocker, LockKind.ROW, "t") for waiter, blocker in pairs]


def nodes(tree: Tree) -> Iterator[Node]:
    left = [tree.root]
    while left:
        node = left.pop()
        yield node
        left += node.children


def held_up_by(root: int, pairs: set[tuple[int, int]]) -> set[int]:
    found: set[int] = set()
    left = {root}
    while left:
        left = {waiter for waiter, blocker in pairs if blocker in left} - found
        found |= left
    return found - {root}


@given(_waits)
def test_everybody_who_waits_is_in_a_tree_below_whom_it_waits_for(found: list[Wait]) -> None:
    pairs = {(each.waiter, each.blocker) for each in found if each.waiter != each.blocker}
    trees = lock_trees(found)
    assert {node.session for tree in trees for node in nodes(tree)} == {each for pair in pairs for each in pair}
    for tree in trees:
        for node in nodes(tree):
            assert all((child.session, node.session) in pairs for child in node.children)
            assert all({(wait.waiter, wait.blocker) for wait in child.waits} for child in node.children)


@given(_waits)
def test_a_root_holds_up_all_that_are_counted_and_waits_for_nobody_but_its_circle(found: list[Wait]) -> None:
    pairs = {(each.waiter, each.blocker) for each in found if each.waiter != each.blocker}
    for tree in lock_trees(found):
        there = [node.session for node in nodes(tree)]
        below = held_up_by(tree.root.session, pairs)
        assert len(there) == len(set(there))
        assert set(there) == below | {tree.root.session}
        assert tree.blocked == len(below)
        for_whom = {blocker for waiter, blocker in pairs if waiter == tree.root.session}
        assert for_whom <= set(tree.circle)
        assert bool(for_whom) == bool(tree.circle)


@given(_waits)
def test_whom_else_a_session_waits_for_is_somebody_whom_the_root_does_not_hold_up(found: list[Wait]) -> None:
    pairs = {(each.waiter, each.blocker) for each in found if each.waiter != each.blocker}
    for tree in lock_trees(found):
        inside = {node.session for node in nodes(tree)}
        for node in nodes(tree):
            if node.session != tree.root.session:
                assert set(node.beside) == {b for w, b in pairs if w == node.session and b not in inside}


@given(_waits)
def test_the_order_of_the_waits_changes_nothing(found: list[Wait]) -> None:
    def shape(trees: tuple[Tree, ...]) -> list[tuple[int, int, tuple[int, ...]]]:
        return [(tree.root.session, tree.blocked, tree.circle) for tree in trees]

    assert shape(lock_trees(found)) == shape(lock_trees(reversed(found)))


def test_a_queue_for_one_row_is_flat_and_who_is_behind_an_alter_is_below_it() -> None:
    [rows] = lock_trees(waits((2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3)))
    assert [child.session for child in rows.root.children] == [2, 3, 4]
    [behind] = lock_trees(waits((2, 1), (3, 2), (4, 2)))
    assert [child.session for child in behind.root.children] == [2]
    assert [child.session for child in behind.root.children[0].children] == [3, 4]


def test_who_waits_for_two_is_in_the_tree_of_each_and_says_for_whom_else() -> None:
    trees = lock_trees(waits((3, 1), (3, 2), (4, 3)))
    assert [(tree.root.session, tree.blocked) for tree in trees] == [(1, 2), (2, 2)]
    assert [tree.root.children[0].beside for tree in trees] == [(2,), (1,)]


def test_sessions_that_wait_for_one_another_are_named_as_a_circle() -> None:
    [tree] = lock_trees(waits((1, 2), (2, 3), (3, 1), (4, 2)))
    assert (tree.root.session, tree.circle, tree.blocked) == (1, (1, 2, 3), 3)


def test_a_row_of_thousands_is_no_call_within_a_call() -> None:
    [tree] = lock_trees(waits(*((number + 1, number) for number in range(1, 5001))))
    assert (tree.root.session, tree.blocked) == (1, 5000)
