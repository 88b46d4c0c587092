"""What the assets of every folder share: the deployment's chom.yaml, and failures as Dagster shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Inventory

RETRY = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For what may pass by itself: a network, a lock, DDL. Eleven minutes in all.

Never the `retry_policy` of an asset: Dagster would start again what someone has terminated (execution/plan/utils.py:
"respect retry policy when interrupts occur").
"""


class Chom(dg.ConfigurableResource[Any]):
    """The configuration of this deployment. It names the file; the file names where secrets are.

    Every run reads it again, so that a change of a server's policy needs no reload. New servers and schedules do.
    """

    config: str = Field(description="The path of chom.yaml.")

    def inventory(self) -> Inventory:
        """What is in the file now; raises ConfigurationError."""
        return load_inventory(Path(self.config))


@contextmanager
def failures(context: dg.AssetExecutionContext | None = None) -> Iterator[None]:
    """An error of this project's tree is a Dagster failure with what, remedy and kind.

    With the context of an asset, one that may pass by itself is retried first.
    """
    try:
        yield
    except ChomError as error:
        if error.retryable and context and context.retry_number < RETRY.max_retries:
            wait = RETRY.calculate_delay(context.retry_number + 1)
            context.log.warning("%s: %s; trying again in %.0f s", type(error).__name__, error, wait)
            raise dg.RetryRequested(RETRY.max_retries, wait) from error
        metadata = {"what": error.what, "remedy": error.remedy, "kind": type(error).__name__}
        raise dg.Failure(str(error), metadata, allow_retries=False) from error
