"""What a panel of the dashboard is made of, in words that are Grafana's. Pure.

Expressions are written without the selectors that every one of them needs: `selecting` adds these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "bargauge", "table"]

_SERIES = re.compile(r"(?<![\w:])(chom_\w+)(?:\{([^}]*)\})?")
_OF_TARGET = 'job=~"$job",instance=~"$instance"'
_OF_SERVER = f'{_OF_TARGET},server=~"$server"'
_WITHOUT_SERVER = frozenset({"chom_build_info", "chom_repository_free_bytes", "chom_repository_size_bytes"})


@dataclass(frozen=True)
class Query:
    """One expression of a panel, and how its series are called. `instant`: only what is so now."""

    expression: str
    legend: str
    instant: bool = False


@dataclass(frozen=True)
class Limits:
    """From where on a figure is orange and red; with `falling` it is so below them. None: never."""

    orange: float | None = None
    red: float | None = None
    falling: bool = False


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Panel:
    """One figure: what it is, what is bad and what to do is in `description`; width and height in Grafana's 24 columns.

    `names` says what values mean that are states, `hidden` which labels a table leaves out.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    width: int = 12
    height: int = 8
    limits: Limits = NO_LIMITS
    minimum: float | None = 0
    maximum: float | None = None
    stacked: bool = False
    right_axis: str = ""
    right_unit: str = ""
    names: tuple[str, ...] = ()
    value_title: str = "value"


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def selecting(expression: str) -> str:
    """The expression with what the dashboard's variables choose, in every selector."""

    def chosen(found: re.Match[str]) -> str:
        name, own = found[1], found[2]
        wanted = _OF_TARGET if name in _WITHOUT_SERVER else _OF_SERVER
        return f"{name}{{{wanted}{f',{own}' if own else ''}}}"

    return _SERIES.sub(chosen, " ".join(expression.split()))
