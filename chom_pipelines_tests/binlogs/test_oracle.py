"""What an oracle has seen of a server under a workload of everything is found again, moment by moment, by both routes.

`make oracle N=50` does the same at length. CHOM_ORACLE_SEED repeats a run.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

import pytest

from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.errors import RestoreRefusedError
from chom_pipelines.repository.payloads import Method
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.oracle_run import Watched, watched

_MOMENTS = 8
pytestmark = pytest.mark.long

_SEED = int(os.environ.get("CHOM_ORACLE_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture(
    scope="module",
    params=list(itertools.product(Flavour, (Method.LOGICAL, Method.PHYSICAL))),
    ids=lambda param: "-".join(each.value for each in param),
)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A server's archive, and moments of its past."""
    flavour, method = request.param
    with watched(flavour, tmp_path_factory.mktemp("oracle"), _SEED, _MOMENTS, method) as found:
        yield found


@pytest.mark.parametrize("number", range(_MOMENTS))
def test_a_recovery_brings_back_all_that_the_oracle_saw(seen: Watched, number: int) -> None:
    moment = seen.moments[number]
    route = seen.routes(moment)[number % len(seen.routes(moment))]
    differences = seen.differences(moment, route)
    assert not differences, f"CHOM_ORACLE_SEED={_SEED}, {moment.target}, by {route.value}"


def test_text_that_mariadb_cannot_execute_is_refused_before_anything_is_restored(seen: Watched) -> None:
    moment = seen.moments[-1]
    if Route.CLIENT not in seen.routes(moment):
        with pytest.raises(RestoreRefusedError, match="XA transaction at mysql-bin"):
            seen.differences(moment, Route.CLIENT)


def test_the_archive_of_a_busy_server_has_no_gaps(seen: Watched) -> None:
    assert [gap.why for gap in seen.archive.recoverable().windows.gaps] == [], f"CHOM_ORACLE_SEED={_SEED}"
