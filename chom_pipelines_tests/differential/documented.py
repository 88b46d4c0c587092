"""What a logical backup is known to refuse or to lose; the README's limits say the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from chom_pipelines.server.connection import Row

OWN_DEFINITION = "the server does not make again what it shows"

DOCUMENTED = {
    OWN_DEFINITION: "MariaDB does not show the length of a key of geometry",
    r"only in AUTO_INCREMENT, of a partitioned table:": "a partitioned table's counter is ahead in the copy",
    r"only in AUTO_INCREMENT, of a partitioned table at the greatest": "the counter is at the greatest number",
    r"AUTO_INCREMENT is (0 .*|\d+ .* not \d{20})\n(?s:.*)PARTITION": "the counter is at the greatest number",
    r"only in stored generated columns .*\](?!, and not)": "stored generated columns are computed anew",
    r"rows? missing(?s:.*) STORED(?s:.*)(?:UNIQUE KEY k\d|PRIMARY KEY) \(.*`g\d`": "stored columns meet",
    r"only in the last digit of DOUBLE": "a value beyond DOUBLE(M,D) was cut to a limit that its text is not",
    # where something in the table has the server warn, the rows are read back, and the restore says so itself
    r"not stored as dumped: \d+ rows? with another `([^`]+)` \((?s:.*)\n`\1` DOUBLE\(\d+,\d+\)": (
        "a value beyond DOUBLE(M,D) was cut to a limit that its text is not"
    ),
}
"""A pattern of what is found, and the reason."""

_COUNTER = re.compile(r" AUTO_INCREMENT=(\d+)")
_COLUMN = re.compile(r"^  `(?P<name>(?:[^`]|``)*)` (?P<declared>[^\n]*)", re.MULTILINE)
_LIMITED = re.compile(r"double\(\d+,\d+\)")
_GREATEST = 2**64 - 1


def documented(what: str) -> str | None:
    """The reason, None where nothing documents it."""
    return next((reason for pattern, reason in DOCUMENTED.items() if re.search(pattern, what)), None)


def definitions_differ(wanted: str, found: str) -> str:
    """How the copy's definition differs."""
    counters = [int(each[1]) if (each := _COUNTER.search(text)) else 0 for text in (wanted, found)]
    if _COUNTER.sub("", wanted) == _COUNTER.sub("", found) and "PARTITION BY" in wanted:
        full = " at the greatest number" if counters[0] >= _GREATEST else ""
        if full or counters[0] < counters[1]:
            return f"its definition differs only in AUTO_INCREMENT, of a partitioned table{full}: {counters}"
    return f"definitions differ: {wanted}\n  {found}"


def rows_differ(definition: str, wanted: Sequence[Row], found: Sequence[Row]) -> str:
    """How the copy's rows differ, with the first of them; the columns are those of the definition, in its order."""
    if len(wanted) != len(found):
        return f"{len(found)} rows in the copy, not {len(wanted)}"
    columns = [(each["name"], each["declared"]) for each in _COLUMN.finditer(definition)]
    stored = {at for at, (_, declared) in enumerate(columns) if " STORED" in declared or " PERSISTENT" in declared}
    limited = {at for at, (_, declared) in enumerate(columns) if _LIMITED.match(declared)}
    if _without(wanted, stored) == _without(found, stored):
        kind = "only in stored generated columns"
    elif _without(wanted, stored, limited) == _without(found, stored, limited):
        kind = "only in the last digit of DOUBLE(M,D)"
    else:
        kind = ""
    cells = [
        (columns[at] if at < len(columns) else at, before, after)
        for row, other in zip(wanted, found, strict=True)
        for at, (before, after) in enumerate(zip(row, other, strict=True))
        if before != after
    ]
    return f"rows differ {kind} {cells[:3]}"


def _without(rows: Sequence[Row], left_out: AbstractSet[int], rounded: AbstractSet[int] = frozenset()) -> list[Row]:
    """The rows, sorted, without some of their columns, and without the last digits of others."""
    return sorted(
        (
            tuple(
                f"{float(value):.12e}" if at in rounded and value is not None else value
                for at, value in enumerate(row)
                if at not in left_out
            )
            for row in rows
        ),
        key=repr,
    )
