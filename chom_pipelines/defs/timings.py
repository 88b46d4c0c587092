"""How long a restore took, and how long it was to take, as metadata; pure."""

from chom_pipelines.repository.timing import Timing


def times(timing: Timing | None) -> dict[str, str | float]:
    """Numbers that plot over time: seconds, those that were predicted beforehand, and the one by the other."""
    if timing is None:
        return {}
    found: dict[str, str | float] = {
        "restored": timing.way.said,
        "restore_seconds": round(timing.seconds, 2),
    }
    if timing.elsewhere is not None:
        found["others_percent"] = round(100 * timing.elsewhere, 1)
    if timing.predicted and timing.ratio is not None:
        off = ": more than 25 % off" if timing.is_off else ""
        found |= {
            "predicted_restore_seconds": round(timing.predicted.seconds, 2),
            "restore_by_prediction": round(timing.ratio, 3),
            "predicted_by": f"{timing.predicted.source}{off}",
        }
    return found
