"""Which history a server's binary log goes on with: the newest one in the archive, or a new one. Pure.

File names tell little: RESET begins them anew, a restored server has the names of the one that it replaces. So the last
file that was archived is looked at again while the server has it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from chom_pipelines.binlogs.archive.histories import History
from chom_pipelines.binlogs.archive.segments import Identity, Segment
from chom_pipelines.binlogs.archive.server_logs import ServerLog
from chom_pipelines.binlogs.format.events import FormatDescription
from chom_pipelines.log_lines import utc_text
from chom_pipelines.repository.log_name import LogName


def why_anew(
    known: Sequence[History],
    identity: Identity,
    logs: Sequence[ServerLog],
    head_of: Callable[[str], FormatDescription],
) -> str:
    """Why the server's files do not go on where the newest history ends; "" where they do, or where there is none yet.

    `logs` are the server's; `head_of` asks it for a file's first event.
    """
    newest = known[-1] if known else None
    if newest is None:
        return ""
    last = newest.last
    if last is None:
        return f"no segment of the history {newest.name} can be used"
    if last.identity != identity:
        return f"the server is another one: {identity}, and {last.identity} was archived"
    return _why_renumbered(last, logs, head_of) or _why_unproved(newest, last, logs, head_of)


def _why_renumbered(last: Segment, logs: Sequence[ServerLog], head_of: Callable[[str], FormatDescription]) -> str:
    current = logs[-1]
    if current.base != last.base:
        return f"the server's files are called {current.file}, and were {last.file}"
    if current.number < last.number:
        return f"the server counts its files anew, as by RESET: it writes {current.file}, and {last.file} is archived"
    now = next((log for log in logs if log.file == last.file), None)
    if now is None:
        return ""
    another = f"the server's {last.file} is another file than the one that was archived: it was begun anew, as by RESET"
    if head_of(last.file).fingerprint != last.head:
        return another
    if now.bytes < last.end:
        return (
            f"the server's {last.file} has {now.bytes} bytes, and {last.end} were archived: "
            "it has lost what it wrote before a crash"
        )
    # a head tells the second in which the file was begun; a file that was closed within that second has its size
    return another if last.complete and now.bytes != last.server_bytes else ""


def _why_unproved(
    newest: History, last: Segment, logs: Sequence[ServerLog], head_of: Callable[[str], FormatDescription]
) -> str:
    """Why nothing says that the file behind the last one is the one that followed it.

    That one is gone from the server; without GTIDs, there may be others of these names, after a RESET. The session that
    closes a file begins the next one, and notes the same second in both.
    """
    following = LogName.of(last.file).following
    names = {log.file for log in logs}
    if last.file in names or following not in names or not last.complete or _logs_gtids(newest):
        return ""  # it was compared, there will be a gap, or GTIDs go on or do not
    head = head_of(following)
    if last.following is None:
        ends, proved = "with a stop of the server", head.begun_by_start
    else:
        closed = last.closed or last.as_of
        ends, proved = f"at {utc_text(closed)}", head.opened == closed
    if proved:
        return ""
    return (
        f"nothing proves that the server's {following}, which was begun at {utc_text(head.opened)}, follows the "
        f"{last.file} that was archived, ends {ends}, and is not there any more"
    )


def _logs_gtids(newest: History) -> bool:
    """MySQL writes a set of GTIDs into each file, which does not grow where it gives its transactions none."""
    active = (each for each in newest.segments if each.transactions)
    last = max(active, key=lambda each: each.order, default=None)
    return last is not None and last.before != last.after


def free_name(identity: Identity, taken: Container[str]) -> str:
    """What a new history is called: `11`, `11.2`, `11.3`."""
    name, number = str(identity.server_id), 1
    while name in taken:
        number += 1
        name = f"{identity.server_id}.{number}"
    return name
