"""Which servers are due at the same moments, and how long a schedule lets pass; pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from croniter import croniter

from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import Schedules

_WORDS = {"*": "x", "/": "by", ",": "and", "-": "to", "+": "plus", "#": "nth"}
_TICKS = 60
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bucket:
    """The servers that one cron schedule serves."""

    cron: str
    timezone: str
    servers: tuple[str, ...]

    @property
    def slug(self) -> str:
        """A name of letters, digits and underscores that stays when servers come and go: `0_2_x_x_x_UTC`."""
        text = " ".join((*self.cron.split(), self.timezone.replace("/", "_")))
        return "".join(_WORDS.get(letter, letter if letter.isalnum() else "_") for letter in text)


def buckets(servers: Iterable[Server], cron_of: Callable[[Schedules], str | None]) -> list[Bucket]:
    """The servers by cron and time zone, in the order of the inventory; those without that schedule are in none."""
    found: dict[tuple[str, str], list[str]] = {}
    for server in servers:
        cron = cron_of(server.schedules)
        if cron is not None:
            found.setdefault((" ".join(cron.split()), server.schedules.timezone), []).append(server.name)
    return [Bucket(cron, zone, tuple(names)) for (cron, zone), names in found.items()]


@cache
def longest_gap(cron: str, zone: str) -> timedelta:
    """The longest time between two of a schedule's next ticks."""
    ticks = croniter(cron, _SOME_DAY.astimezone(ZoneInfo(zone)))
    moments = [ticks.get_next(datetime) for _ in range(_TICKS)]
    return max(after - before for before, after in pairwise(moments))
