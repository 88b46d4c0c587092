"""A kind of asset, or of checks, is one op that is made once; each server has its own asset of it, under its own key.

What an op is, Dagster reads from its function's signature and from the fields of its configuration. Done anew for each
of hundreds of servers, that is most of the time in which a code location loads. So servers share the op, and its
function learns from the context whose asset it works on.
"""

from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg

from chom_pipelines.inventory.models import Server

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1)
"""The days of all servers, in UTC, as the backups' ids are; with today's, because a dump is a snapshot of now."""

HOURS = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", timezone="UTC")
"""The hours of all servers, up to the last one that is over: what was written in one can be archived afterwards."""

HOURS_TO_NOW = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", timezone="UTC", end_offset=1)
"""The same with the present one, for what is a snapshot of now."""

WEEKS = dg.WeeklyPartitionsDefinition(start_date="2026-01-05", day_offset=1, end_offset=1)
"""The weeks of all servers, from Monday, in UTC; with this one."""

MONTHS = dg.MonthlyPartitionsDefinition(start_date="2026-01-01")
"""The months of all servers, in UTC, up to the last one that is over."""

RESULT = "result"
"""The output of an op that is its asset. The others are its checks, by their names."""


class ServersOp(dg.OpDefinition):
    """A kind's op under the name that run configurations have for it, and in the pool, of one server.

    All else is the kind's own, as it is: `super().__init__` would read it again.
    """

    def __init__(self, kind: dg.OpDefinition, server: Server, pool: str | None) -> None:
        vars(self).update(vars(kind))
        self._server_name = f"{server.group}__{kind.name}"
        self._server_pool = pool

    @property
    def name(self) -> str:
        """As `chom_1__full_backup`."""
        return self._server_name

    @property
    def pool(self) -> str | None:
        """Where its runs wait for each other."""
        return self._server_pool

    @property
    def pools(self) -> AbstractSet[str]:
        """The pool, if any."""
        return {self._server_pool} if self._server_pool else set()


def asset_key(server: str, kind: str) -> dg.AssetKey:
    """Of the server's asset of that kind."""
    return dg.AssetKey([server, kind])


def server_of(key: dg.AssetKey) -> str:
    """The name of the server whose asset it is."""
    return key.path[0]


def asset_of(
    kind: dg.OpDefinition,
    server: Server,
    *,
    description: str,
    pool: str | None,
    freshness: dg.FreshnessPolicy | None = None,
    checks: tuple[dg.AssetCheckSpec, ...] = (),
    partitions: dg.PartitionsDefinition[Any] | None = DAYS,
) -> dg.AssetsDefinition:
    """The server's asset, and the checks that are run with it.

    The op is named as its kind, its inputs as the kinds of the same server's assets that it is made of.
    """
    key = asset_key(server.name, kind.name)
    inputs = _inputs(kind, server)
    spec = dg.AssetSpec(
        key,
        description=description,
        deps=inputs.values(),
        group_name=server.group,
        partitions_def=partitions,
        kinds={"sql"},
        tags={"chom/server": server.name},
        freshness_policy=freshness,
    )
    return dg.AssetsDefinition(
        node_def=ServersOp(kind, server, pool),
        keys_by_input_name=inputs,
        keys_by_output_name={RESULT: key},
        check_specs_by_output_name={check.name: check for check in checks},
        specs=[spec],
    )


def checks_of(kind: dg.OpDefinition, server: Server, checks: tuple[dg.AssetCheckSpec, ...]) -> dg.AssetChecksDefinition:
    """Checks of an asset that is the op's input; all, or any of them, can be asked by themselves too."""
    made: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        node_def=ServersOp(kind, server, pool=None),
        keys_by_input_name=_inputs(kind, server),
        check_specs_by_output_name={check.name: check for check in checks},
        can_subset=True,  # so that each has its button in the UI
    )
    return made


def _inputs(kind: dg.OpDefinition, server: Server) -> dict[str, dg.AssetKey]:
    return {each.name: asset_key(server.name, each.name) for each in kind.input_defs}
