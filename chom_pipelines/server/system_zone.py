"""What `SYSTEM` means as a time zone on a server: asked for exactly, and brought about on a private one.

A server calls the zone of its machine by an abbreviation, which zones share and seasons change. So it is asked how far
it is ahead of UTC and since when, and a private server gets a file of a zone that gives the same answers: then this
machine need know neither that zone nor the same edition of the tz database.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

from chom_pipelines.errors import ScratchServerError
from chom_pipelines.server.connection import Endpoint, Session

SystemZone = Mapping[int, int]
"""From when on, in seconds since 1970, it is how many seconds ahead of UTC; from 0 on at least."""

_DAY = 86_400
_LAST = (1 << 32) - 1
"""The last second that a TIMESTAMP can hold, on the servers whose end in 2106; those that end in 2038 say so."""
_STEPS = (6 * _DAY, _DAY // 4, 900, 30, 1)
"""In seconds: where to look, and then ever closer. No zone of the tz database has changed twice within 6.9 days since
1970 (its edition 2026b)."""

_OFFSETS = (
    "SELECT moment, TIMESTAMPDIFF(SECOND, FROM_UNIXTIME(moment), "
    "CONVERT_TZ(FROM_UNIXTIME(moment), '+00:00', 'SYSTEM')) AS ahead "
    "FROM JSON_TABLE(%s, '$[*]' COLUMNS (moment BIGINT PATH '$')) moments WHERE FROM_UNIXTIME(moment) IS NOT NULL"
)
"""Of a session in UTC. Servers whose times end in 2038 have no FROM_UNIXTIME of later ones."""

_CHANGES = (
    "SELECT moment, ahead FROM (SELECT moment, ahead, LAG(ahead) OVER (ORDER BY moment) AS earlier, "
    f"LEAD(ahead) OVER (ORDER BY moment) AS later FROM ({_OFFSETS}) offsets) neighbours "
    "WHERE ahead <> earlier OR ahead <> later OR earlier IS NULL OR later IS NULL"
)
"""Of thousands of moments those alone that tell: the first, the last, and both sides of each change."""

_HEAD = struct.Struct(">4sc15x6L")
_TYPE = struct.Struct(">lBB")
_ABBREVIATION = b"-00\0"
"""What stands for that nobody knows how a local time is called."""


def read_system_zone(session: Session) -> SystemZone:
    """Ask a server, in a session whose time zone is UTC; needs no privilege."""
    return system_zone(partial(_offsets, session, query=_CHANGES))


def system_zone(asked: Callable[[Iterable[int]], dict[int, int]]) -> SystemZone:
    """Of who tells how far it is ahead of UTC at such moments.

    It leaves one out that it does not know, and may leave one out that is as the moments beside it are.
    """
    first, *closer = _STEPS
    found = asked(range(_DAY, _LAST, first))
    begin = min(found)
    for step in closer:
        changes = [pair for pair in pairwise(sorted(found)) if found[pair[0]] != found[pair[1]]]
        if not changes:
            break
        found |= asked([moment for before, after in changes for moment in range(before, after, step)])
    changed = (after for before, after in pairwise(sorted(found)) if found[before] != found[after])
    return {0: found[begin], **{moment: found[moment] for moment in changed}}


def stands_in(session: Session, zone: SystemZone) -> bool:
    """Whether a server's SYSTEM is this zone: on both sides of each change, as far as its times go."""
    _, *changes = sorted(zone)
    moments = [_DAY, *(moment for change in changes for moment in (change - 1, change))]
    return all(offset == _offset_at(zone, moment) for moment, offset in _offsets(session, moments).items())


def in_zone(zone: SystemZone | None, file: Path) -> dict[str, str]:
    """Variables of the environment of a server that is to be in this zone, which `file` will have; None: in any."""
    if zone is None:
        return {}
    file.write_bytes(zone_file(zone))
    return {"TZ": str(file)}


def expect_zone(endpoint: Endpoint, zone: SystemZone | None) -> None:
    """Raise ScratchServerError where a server that was started to be in this zone is not."""
    if zone is None:
        return
    with Session(endpoint) as session:
        if not stands_in(session, zone):
            what = f"{endpoint.where} does not read its time zone from the file that the variable TZ names"
            raise ScratchServerError(what, "use a server program that does, as those of distributions do")


def zone_file(zone: SystemZone) -> bytes:
    """A file for the variable TZ, of the format TZif, version 2 (RFC 9636)."""
    kinds = list(dict.fromkeys(zone[moment] for moment in sorted(zone)))
    _, *changes = sorted(zone)
    types = b"".join(_TYPE.pack(offset, 0, 0) for offset in kinds)
    return b"".join(
        (
            # the times of version 1, which is not read where there is another
            *(_HEAD.pack(b"TZif", b"2", 0, 0, 0, 0, 1, 1), _TYPE.pack(0, 0, 0), b"\0"),
            _HEAD.pack(b"TZif", b"2", 0, 0, 0, len(changes), len(kinds), len(_ABBREVIATION)),
            struct.pack(f">{len(changes)}q", *changes),
            bytes(kinds.index(zone[moment]) for moment in changes),
            *(types, _ABBREVIATION),
            b"\n\n",  # no rule for what follows the last change: that goes on
        )
    )


def _offsets(session: Session, moments: Iterable[int], query: str = _OFFSETS) -> dict[int, int]:
    found = session.rows(query, (json.dumps(list(moments)),))
    return {int(moment): int(offset) for moment, offset in found}


def _offset_at(zone: SystemZone, moment: int) -> int:
    return zone[max(begin for begin in zone if begin <= moment)]
