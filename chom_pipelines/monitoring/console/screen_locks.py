"""The screen of locks: who holds up whom, the session to look at first on top; pure."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree as Drawn

from chom_pipelines.log_lines import amount, duration
from chom_pipelines.monitoring.console.screens import (
    BAD,
    DIM,
    DOUBT,
    GOOD,
    WARN,
    line,
    not_known,
    title,
    whole,
    why_not,
)
from chom_pipelines.monitoring.locks.lock_requests import EXCLUSIVE, READ, WRITE
from chom_pipelines.monitoring.locks.lock_tree import Node, Tree
from chom_pipelines.monitoring.locks.locks import LockPicture
from chom_pipelines.monitoring.readers.literals import cut, without_literals
from chom_pipelines.monitoring.readers.reading import Reading
from chom_pipelines.monitoring.readers.waits import NAMELESS, NOBODY_KNOWN, SESSIONLESS, LockKind, SessionSeen, Wait

_MOST_LINES = 30
"""Sessions that a tree shows; of the rest their number."""
_HOW = {
    READ.removeprefix("SHARED_"): "to read {}",
    WRITE.removeprefix("SHARED_"): "to write to {}",
    EXCLUSIVE: "to have {} to itself",
    "NO_READ_WRITE": "to lock {}",
    "READ_ONLY": "to lock {}",
    "NO_WRITE": "to lock {}",
    "UPGRADABLE": "to change {}",
}
_SUSPECTS = 5
_FEW = 3
"""Sessions alike that are drawn one by one."""
_STATEMENT = 400


def locks(reading: Reading[LockPicture], *, literals: bool) -> list[RenderableType]:
    """The trees, and idle transactions that may become the next root."""
    picture = reading.value
    if picture is None:
        return [not_known("who waits for a lock", why_not(reading))]
    drawn: list[RenderableType] = [_summary(picture)]
    for tree in picture.trees:
        drawn += [Text(), _Drawing(picture, tree, literals=literals).tree()]
    if any(not wait.is_certain for wait in picture.waits):
        drawn.append(line("~ not told by the server: it follows from who holds what", DIM))
    drawn += _idle(picture)
    return drawn


def session_words(picture: LockPicture, seen: SessionSeen) -> Text:
    """One session on one line."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(str(seen.id), "bold")
    text.append(f" {seen.user}" + (f"@{seen.host}" if seen.host else ""))
    if seen.database:
        text.append(f" {seen.database}")
    if mark := picture.ours.get(seen.id):
        text.append(f"  {mark.said}", "bold magenta")
    elif seen.program:
        text.append(f"  {cut(seen.program, 30)}", DIM)
    doing = f"idle {duration(seen.seconds)}" if seen.is_idle else f"{duration(seen.seconds)}"
    text.append(f"  {doing}", WARN if seen.is_idle else "")
    if seen.transaction_seconds is not None:
        text.append(f", transaction {whole(seen.transaction_seconds)}", WARN if picture.is_long(seen) else "")
    return text


def _summary(picture: LockPicture) -> Text:
    waiting = len(picture.waiting)
    if not waiting:
        return Text("Nobody waits for a lock.", style=GOOD)
    roots = [tree.root.session for tree in picture.trees if tree.root.session != NOBODY_KNOWN]
    said = f"{amount(waiting, 'session')} {'waits' if waiting == 1 else 'wait'}"
    if roots:
        said += f", held up by {len(roots)}"
        if len(roots) < len(picture.trees):
            said += " and by some not known"
    return Text(f"{said}.", style=BAD)


class _Drawing:
    """One tree."""

    def __init__(self, picture: LockPicture, tree: Tree, *, literals: bool) -> None:
        self.picture, self.what, self.literals = picture, tree, literals
        self.left = _MOST_LINES

    def tree(self) -> Drawn:
        """With the root's sessions below it."""
        root = self.what.root.session
        drawn = Drawn(self._nameless(root) if root in NAMELESS else self._root(), guide_style=DIM)
        stack: list[tuple[Node | Text, Drawn]] = [(each, drawn) for each in reversed(self._below(self.what.root))]
        hidden = 0
        while stack:
            node, above = stack.pop()
            if isinstance(node, Text):
                above.add(node)
                continue
            if self.left <= 0:
                hidden += 1
                stack += [(child, above) for child in node.children]
                continue
            self.left -= 1
            branch = above.add(self._waiter(node))
            stack += [(each, branch) for each in reversed(self._below(node))]
        if hidden:
            drawn.add(line(f"and {amount(hidden, 'more session')}", DIM))
        return drawn

    def _below(self, node: Node) -> list[Node | Text]:
        """Those that wait for it; of many that want the same and hold up nobody, some, and how many more."""
        alike: dict[tuple[str, ...], list[Node]] = {}
        for child in node.children:
            key = (str(child.session),) if child.children or child.beside else self._wish(child)
            alike.setdefault(key, []).append(child)
        shown: list[Node | Text] = []
        for several in alike.values():
            few = several if len(several) <= _FEW + 1 else several[:_FEW]
            shown += few
            if rest := several[len(few) :]:
                longest = max(self.picture.sessions[each.session].seconds for each in rest)
                shown.append(line(f"and {len(rest)} more that want the same, for up to {duration(longest)}", WARN))
        return shown

    def _wish(self, node: Node) -> tuple[str, ...]:
        statement = without_literals(self.picture.sessions[node.session].statement)
        return (*(_wanted(wait, literals=False) for wait in node.waits), statement)

    def _root(self) -> Text:
        seen = self.picture.sessions[self.what.root.session]
        text = session_words(self.picture, seen)
        held = f"holds up {amount(self.what.blocked, 'session')}"
        if self.what.circle:
            others = ", ".join(str(each) for each in self.what.circle if each != seen.id)
            held += f", and is in a circle: it waits for {others}, and so for itself"
        text.append(f"\n{held}", BAD)
        if seen.id not in self.picture.ours:
            text.append(f"; KILL {seen.id} ends it", DIM)
        text.append(self._statement(seen))
        return text

    def _nameless(self, root: int) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(NAMELESS[root], f"bold {DOUBT}")
        text.append(f"  holds up {amount(self.what.blocked, 'session')}", BAD)
        if root == SESSIONLESS:
            text.append("\nXA RECOVER lists those that are prepared; XA COMMIT and XA ROLLBACK end them", DIM)
            return text
        suspects = self._suspects()
        for seen in suspects[:_SUSPECTS]:
            text.append("\nperhaps ", DOUBT)
            text.append(session_words(self.picture, seen))
        if (rest := len(suspects) - _SUSPECTS) > 0:
            text.append(f"\nor one of {amount(rest, 'other idle session')}", DOUBT)
        return text

    def _suspects(self) -> list[SessionSeen]:
        """Those that could hold what is waited for: LOCK TABLES and named locks are held without a transaction, too.

        Who has done something since the oldest has begun to wait does not hold everything up.
        """
        longest = max((self.picture.sessions[each].seconds for each in self.picture.waiting), default=0.0)
        there = [each for each in self.picture.sessions.values() if each.id not in self.picture.waiting]
        likely = {each.id for each in self.picture.idle_in_transaction} | set(self.picture.ours)
        found = [each for each in there if each.is_idle and (each.id in likely or int(each.seconds) >= int(longest))]
        return sorted(found, key=lambda each: (each.id not in likely, -each.seconds))

    def _waiter(self, node: Node) -> Text:
        seen = self.picture.sessions[node.session]
        text = session_words(self.picture, seen)
        text.append("\nwaits " + "; ".join(_wanted(wait, literals=self.literals) for wait in node.waits))
        if node.beside:
            named = ", ".join(NAMELESS.get(each, str(each)) for each in node.beside)
            text.append(f"; and for {named}", WARN)
        text.append(self._statement(seen))
        return text

    def _statement(self, seen: SessionSeen) -> Text:
        statement = seen.statement or seen.last_statement
        if not statement:
            return Text()
        shown = cut(statement if self.literals else without_literals(statement), _STATEMENT)
        return Text(f"\n{shown}", style="cyan") if seen.statement else Text(f"\nlast: {shown}", style=DIM)


def _wanted(wait: Wait, *, literals: bool) -> str:
    """Behind `waits`."""
    doubt = "" if wait.is_certain else " ~"
    on = wait.what(literals=literals).removeprefix("waiting for ")
    how = _HOW.get(wait.mode.removeprefix("SHARED_"), "for {}") if wait.kind is LockKind.METADATA else "for {}"
    return how.format(on) + doubt


def _idle(picture: LockPicture) -> list[RenderableType]:
    roots = {tree.root.session for tree in picture.trees}
    long = [each for each in picture.idle_in_transaction if picture.is_long(each) and each.id not in roots]
    if not long:
        return []
    head = title("Idle, with a transaction open: each may hold locks, and keeps old rows from being cleared away")
    return [head, *(session_words(picture, each) for each in long[:_SUSPECTS])]
