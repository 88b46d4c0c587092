"""What counts for one backup: chom.yaml, and over it what a run says; pure."""

from collections.abc import Mapping

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.environment import overridden, possible
from chom_pipelines.inventory.models import RepositoryConfig, Server
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.repository.layout import Kind
from chom_pipelines.repository.payloads import Method

Knob = str | int | bool | None


def run_policy(policy: BackupPolicy, repository: RepositoryConfig, knobs: Mapping[str, Knob]) -> BackupPolicy:
    """The server's policy with what the run says instead; None stands for what chom.yaml says.

    Raises ConfigurationError naming the key and where it is from.
    """
    given = {key: value for key, value in knobs.items() if value is not None}
    sources = {key: f"{key} in the run configuration" for key in given}
    return possible(overridden(policy, given, sources), repository, sources)


def refuse_other_kinds(kind: Kind, policy: BackupPolicy) -> None:
    """Raise ConfigurationError where this is no full backup, nor the changed pages of a physical one."""
    is_of_pages = kind is Kind.INCREMENTAL and policy.method is Method.PHYSICAL
    if kind is not Kind.FULL and not is_of_pages:
        what = f"this takes full backups, and {kind.value} is an archive of the binary log"
        raise ConfigurationError(what, "use type: full here, and for the other binlog_archive, or chom backup --type")


def refuse_plain(server: Server, policy: BackupPolicy, one: str) -> None:
    """Raise ConfigurationError where no restore or verification would believe what would be taken."""
    if server.backup.encrypt and not policy.encrypt:
        what = f"{server.name} is encrypted by chom.yaml: nobody would believe {one} that is not"
        remedy = (
            "leave --no-encrypt, ENCRYPT_BACKUP and encrypt: false in a run out; or set encrypt: false for the server "
            "in chom.yaml"
        )
        raise ConfigurationError(what, remedy)
