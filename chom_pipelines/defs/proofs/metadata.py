"""What a person wants to see of a verification in the UI, as plain values; pure."""

from chom_pipelines.defs.timings import times
from chom_pipelines.repository.proof import Proof, Subject


def described(proof: Proof) -> dict[str, str | int | float]:
    """What was proved of what, where, and how long each part took; numbers plot over time.

    `restore_seconds` is what the restore alone took, from nothing to a server with all of it.
    """
    phases = {f"{name}_seconds": round(seconds, 2) for name, seconds in proof.phases.items()}
    return {
        "outcome": proof.outcome.value,
        "backup": proof.backup,
        "source": proof.source,
        "restored_on": proof.scratch or "nothing",
        **({"losses": "; ".join(proof.losses)} if proof.losses else {}),
        **({"unproved": proof.version_differs} if proof.version_differs else {}),
        **times(proof.restored),
        "seconds": round(proof.seconds, 2),
        **{subject.value: count for subject in Subject if (count := proof.count(subject)) is not None},
        **phases,
    }
