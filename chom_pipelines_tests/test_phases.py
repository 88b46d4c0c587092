import pytest

from chom_pipelines.phases import timed


def test_a_phase_that_ended_has_its_seconds_and_one_that_failed_has_none() -> None:
    phases: dict[str, float] = {}
    with timed(phases, "read"):
        pass
    with pytest.raises(ZeroDivisionError), timed(phases, "restore"):
        _ = 1 // 0
    assert list(phases) == ["read"]
    assert 0 <= phases["read"] < 1
