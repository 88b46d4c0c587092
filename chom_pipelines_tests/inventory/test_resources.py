"""The error tree as Dagster's failures."""

import dagster as dg
import pytest

from chom_pipelines import errors
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.resources import RETRY, failures

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ChomError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_failure_with_its_remedy_that_is_retried_where_the_error_says_so(
    kind: type[ChomError],
) -> None:
    with pytest.raises(dg.Failure) as caught, failures():
        raise kind("the disk of /srv is gone", "mount it")
    failed = caught.value
    assert failed.description == "the disk of /srv is gone\n  → mount it"
    shown = {name: value.value for name, value in failed.metadata.items()}
    assert shown == {"what": "the disk of /srv is gone", "remedy": "mount it", "kind": kind.__name__}
    assert failed.allow_retries is kind.retryable


def test_what_is_not_of_the_tree_goes_through_as_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), failures():
        raise KeyboardInterrupt


def test_retries_wait_longer_each_time() -> None:
    waits = [RETRY.calculate_delay(attempt) for attempt in range(1, RETRY.max_retries + 1)]
    assert waits == sorted(waits)
    assert len(waits) == 3
