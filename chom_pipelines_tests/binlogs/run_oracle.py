"""`make oracle N=50`: so many random moments of each family, recovered by both routes and compared; exits with 1.

python -m chom_pipelines_tests.binlogs.run_oracle --moments 50 [--flavour mysql] [--seed 7] [--route client]
    [--method physical]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.errors import ChomError
from chom_pipelines.repository.payloads import Method
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.binlogs.oracle import Moment
from chom_pipelines_tests.binlogs.oracle_run import Watched, watched


def main() -> None:
    """Print what became of every moment, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--flavour", choices=[flavour.value for flavour in Flavour], action="append")
    parser.add_argument("--route", choices=[route.value for route in Route], action="append")
    parser.add_argument(
        "--method", choices=[each.value for each in (Method.LOGICAL, Method.PHYSICAL)], default="logical"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    routes = [Route(name) for name in options.route or [route.value for route in Route]]
    wrong = 0
    for flavour in map(Flavour, options.flavour or [each.value for each in Flavour]):
        print(f"{flavour.value}: {options.moments} moments, seed {options.seed}", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            began = time.monotonic()
            with watched(flavour, Path(directory), options.seed, options.moments, Method(options.method)) as found:
                print(f"  {len(found.archive.files())} files, written in {time.monotonic() - began:.0f} s", flush=True)
                gaps = found.archive.recoverable().windows.gaps
                wrong += len(gaps) + sum(checked(found, routes))
                for gap in gaps:
                    print(f"  a gap where there is none: {gap.why}", flush=True)
    sys.exit(1 if wrong else 0)


def checked(found: Watched, routes: list[Route]) -> list[bool]:
    """Whether each recovery went wrong."""
    wrong, counts = [], Counter[str]()
    for moment in found.moments:
        for route in (each for each in found.routes(moment) if each in routes):
            began = time.monotonic()
            differences = _differences(found, moment, route)
            wrong.append(bool(differences))
            counts[f"{route.value}, by {moment.kind}"] += 1
            took = f"{time.monotonic() - began:.1f} s"
            said = "exact" if not differences else f"DIFFERENT: {' '.join(differences)[:3000]}"
            print(f"  {moment.number:3d} {route.value:11s} {moment.target} ({took}): {said}", flush=True)
    print(f"  {len(wrong) - sum(wrong)} of {len(wrong)} recoveries exact: {dict(counts)}", flush=True)
    return wrong


def _differences(found: Watched, moment: Moment, route: Route) -> list[str]:
    try:
        return found.differences(moment, route)
    except ChomError as error:
        return [f"{type(error).__name__}: {error}"]
    except Exception:  # noqa: BLE001  (the next moment is tried all the same)
        return [traceback.format_exc()]


if __name__ == "__main__":
    main()
