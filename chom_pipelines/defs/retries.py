"""What is tried again and what is not, and failures as Dagster shows them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from chom_pipelines.errors import ChomError

RETRY = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For what may pass by itself: a network, a lock, DDL. Eleven minutes in all.

Never the `retry_policy` of an asset: Dagster would start again what someone has terminated (execution/plan/utils.py:
"respect retry policy when interrupts occur").
"""


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
