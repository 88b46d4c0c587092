"""`make differential TABLES=1000`: as many random tables a family; exits with 1 on what nothing documents."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.differential.tally import Tally
from chom_pipelines_tests.differential.trial import Trial
from chom_pipelines_tests.servers import private_server

_BATCH = 40


def main() -> int:
    """Print what was tried and found; the seed of a finding makes the same tables again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000, help="of each family")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first database; else the time")
    parser.add_argument("--flavour", choices=[flavour.value for flavour in Flavour], help="else both")
    asked = parser.parse_args()
    flavours = [Flavour(asked.flavour)] if asked.flavour else list(Flavour)
    return int(sum(_tried(flavour, asked.tables, asked.seed) for flavour in flavours) > 0)


def _tried(flavour: Flavour, wanted: int, seed: int) -> bool:
    total, began = Tally(), time.monotonic()
    with private_server(flavour) as server:
        while total.tables < wanted:
            with server.scope() as scoped, tempfile.TemporaryDirectory() as directory:
                tally = Trial(scoped, Path(directory), seed, min(_BATCH, wanted - total.tables)).run()
            seed += 1
            for finding in tally.findings:
                print(finding, flush=True)
            total.add(tally)
            print(
                f"{flavour.value}: {total.tables} tables, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
            )
    print(f"{flavour.value}: {total.summary}", flush=True)
    return bool(total.findings)


if __name__ == "__main__":
    sys.exit(main())
