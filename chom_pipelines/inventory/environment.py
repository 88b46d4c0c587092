"""The environment variables that operators of the earlier scripts know, over what chom.yaml says."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.base import AtKeyError, ConfigModel, said_of
from chom_pipelines.inventory.models import RepositoryConfig, impossible
from chom_pipelines.inventory.policies import BackupPolicy, Retention
from chom_pipelines.repository.layout import Kind

Model = TypeVar("Model", bound=ConfigModel)

POLICY = {
    "compression": "COMPRESSION",
    "threads": "PARALLEL_THREADS",
    "verification": "VERIFICATION",
    "encrypt": "ENCRYPT_BACKUP",
    "upload": "UPLOAD_REMOTE",
}
RETENTION = {
    "full_days": "RETAIN_FULL_DAYS",
    "incremental_days": "RETAIN_INCREMENTAL_DAYS",
    "binlog_days": "RETAIN_BINLOG_DAYS",
}


def policy_from_environment(policy: BackupPolicy, environ: Mapping[str, str]) -> BackupPolicy:
    """COMPRESSION, PARALLEL_THREADS, VERIFICATION, ENCRYPT_BACKUP and UPLOAD_REMOTE over the policy.

    Raises ConfigurationError naming the variable.
    """
    return overridden(policy, _set(POLICY, environ), _variables(POLICY))


def backup_policy(
    policy: BackupPolicy,
    repository: RepositoryConfig,
    environ: Mapping[str, str],
    options: Mapping[str, Any],
) -> BackupPolicy:
    """What counts for one run: the file, over it the environment, over it the options that are not None.

    Raises ConfigurationError naming the variable or option, also where the repository cannot take such backups.
    """
    given = {key: value for key, value in options.items() if value is not None}
    sources = _variables(POLICY) | {key: f"--{key}" for key in given}
    return possible(overridden(policy, _set(POLICY, environ) | given, sources), repository, sources)


def possible(policy: BackupPolicy, repository: RepositoryConfig, sources: Mapping[str, str]) -> BackupPolicy:
    """The policy, if this repository can take such backups; else raises ConfigurationError naming the source."""
    if error := impossible(policy, repository):
        key = str(error.key[0])
        source = sources.get(key, f"{key} in chom.yaml")
        raise ConfigurationError(f"{source}: {error}", "configure it in chom.yaml, or leave it out")
    return policy


def retention_from_environment(retention: Retention, environ: Mapping[str, str]) -> Retention:
    """RETAIN_FULL_DAYS, RETAIN_INCREMENTAL_DAYS and RETAIN_BINLOG_DAYS over the retention.

    Raises ConfigurationError naming the variable.
    """
    return overridden(retention, _set(RETENTION, environ), _variables(RETENTION))


def type_from_environment(environ: Mapping[str, str]) -> Kind:
    """BACKUP_TYPE, else full.

    Raises ConfigurationError.
    """
    return backup_type(environ.get("BACKUP_TYPE") or Kind.FULL.value, "$BACKUP_TYPE")


def backup_type(text: str, source: str) -> Kind:
    """The type of that name; raises ConfigurationError naming the source."""
    try:
        return Kind(text)
    except ValueError as error:
        raise ConfigurationError(f"{source}: there is no {text!r}", f"use {', '.join(Kind)}") from error


def overridden(model: Model, changes: Mapping[str, Any], sources: Mapping[str, str]) -> Model:
    """A copy with `changes`, validated as the file's values are; `sources` says where each key's change came from.

    Raises ConfigurationError naming the source.
    """
    if not changes:
        return model
    try:
        changed = type(model).model_validate({**model.model_dump(), **changes})
    except ValidationError as error:
        remedy = "use a value that chom.example.yaml documents"
        raise ConfigurationError("\n".join(_complaints(error, sources)), remedy) from None
    return model.model_copy(update={key: getattr(changed, key) for key in changes})


def _variables(names: Mapping[str, str]) -> dict[str, str]:
    return {key: f"${name}" for key, name in names.items()}


def _set(names: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    return {key: environ[name] for key, name in names.items() if environ.get(name)}


def _complaints(error: ValidationError, sources: Mapping[str, str]) -> list[str]:
    lines = []
    for detail in error.errors(include_url=False, include_input=False):
        raised = detail.get("ctx", {}).get("error")
        key = str((tuple(detail["loc"]) + (raised.key if isinstance(raised, AtKeyError) else ()))[0])
        lines.append(f"{sources.get(key, f'{key} in chom.yaml')}: {said_of(detail)}")
    return lines
