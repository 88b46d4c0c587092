"""The error tree as Dagster's failures."""

import dagster as dg
import pytest

from chom_pipelines import errors
from chom_pipelines.defs import retries
from chom_pipelines.defs.retries import RETRY, failures
from chom_pipelines.errors import ChomError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ChomError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_failure_with_its_remedy(kind: type[ChomError]) -> None:
    with pytest.raises(dg.Failure) as caught, failures():
        raise kind("the disk of /srv is gone", "mount it")
    failed = caught.value
    assert failed.description == "the disk of /srv is gone\n  → mount it"
    shown = {name: value.value for name, value in failed.metadata.items()}
    assert shown == {"what": "the disk of /srv is gone", "remedy": "mount it", "kind": kind.__name__}


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_pass_by_itself_is_tried_again_and_then_fails_as_the_rest(
    kind: type[ChomError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "RETRY", dg.RetryPolicy(max_retries=2, delay=0.01))
    tries = []

    @dg.asset
    def thing(context: dg.AssetExecutionContext) -> None:
        tries.append(context.retry_number)
        with failures(context):
            raise kind("the network is gone", "wait")

    result = dg.materialize([thing], raise_on_error=False)
    assert tries == ([0, 1, 2] if kind.retryable else [0])
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    assert event.step_failure_data.user_failure_data
    assert event.step_failure_data.user_failure_data.description == "the network is gone\n  → wait"


def test_what_is_not_of_the_tree_goes_through_as_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), failures():
        raise KeyboardInterrupt


def test_retries_wait_longer_each_time() -> None:
    without_jitter = RETRY._replace(jitter=None)
    waits = [without_jitter.calculate_delay(attempt) for attempt in range(1, RETRY.max_retries + 1)]
    assert waits == [60, 180, 420]
