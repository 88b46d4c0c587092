"""What counts for one backup: chom.yaml, and over it what a run says; pure."""

from collections.abc import Mapping

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.environment import BackupType, overridden
from chom_pipelines.inventory.models import RepositoryConfig, impossible
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.inventory.unbuilt import refusals

Knob = str | int | bool | None


def run_policy(policy: BackupPolicy, repository: RepositoryConfig, knobs: Mapping[str, Knob]) -> BackupPolicy:
    """The server's policy with what the run says instead; None stands for what chom.yaml says.

    Raises ConfigurationError naming the key and where it is from.
    """
    sources = {key: f"{key} in chom.yaml" for key in knobs}
    given = {key: value for key, value in knobs.items() if value is not None}
    sources |= {key: f"{key} in the run configuration" for key in given}
    changed = overridden(policy, given, sources)
    if error := impossible(changed, repository):
        key = str(error.key[0])
        raise ConfigurationError(f"{sources[key]}: {error}", "configure it in chom.yaml, or leave it out")
    return changed


def refuse_unbuilt(kind: BackupType, policy: BackupPolicy) -> None:
    """Raise ConfigurationError for what is part of the configuration and not of this version."""
    if kind is not BackupType.FULL:
        what = f"{kind.value} backups are not part of this version"
        raise ConfigurationError(what, "take a full one: --type full, BACKUP_TYPE=full, or type: full in the run")
    for refusal in refusals(policy):
        raise ConfigurationError(refusal.message, refusal.remedy)
