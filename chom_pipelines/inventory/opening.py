"""The repository and the keys that a configuration names."""

from chom_pipelines.errors import RepositoryError
from chom_pipelines.inventory.models import Encryption, RepositoryConfig
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.repository import Repository


def repository_of(config: RepositoryConfig) -> Repository:
    """Where the backups are; whether it is there is not asked."""
    return Repository(LocalStore(config.path, config.mount))


def existing_repository(config: RepositoryConfig) -> Repository:
    """The repository to read from; raises RepositoryError where there is none."""
    repository = repository_of(config)
    if not repository.store.is_there():
        remedy = "mount it; where no backup was taken yet, `chom backup` creates it"
        raise RepositoryError(f"there is no repository at {repository.where}", remedy)
    return repository


def keyring_of(config: RepositoryConfig) -> Keyring | None:
    """The configured keys; None where encryption is not configured. Raises what `read_keyring` raises."""
    return read_keyring(config.encryption) if config.encryption else None


def read_keyring(encryption: Encryption) -> Keyring:
    """The configured keys.

    Raises SecretUnavailableError, or ConfigurationError where the file is open to others or is no key file.
    """
    reference = encryption.keys
    if reference.file is not None:
        return Keyring.load(reference.file)
    return Keyring.parse(reference.reveal(), str(reference))
