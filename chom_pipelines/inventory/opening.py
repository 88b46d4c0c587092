"""The repository and the keys that a configuration names."""

from dataclasses import replace

from chom_pipelines.errors import ConfigurationError, RepositoryError
from chom_pipelines.inventory.models import Encryption, Offsite, RepositoryConfig
from chom_pipelines.inventory.policies import BackupPolicy
from chom_pipelines.repository.encryption import DataKey
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.local_store import LocalStore
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.store import StoreAddress
from chom_pipelines.repository.stores import open_store


def repository_of(config: RepositoryConfig) -> Repository:
    """Where the backups are; whether it is there is not asked."""
    return Repository(LocalStore(config.path, config.mount))


def second_copy_of(config: RepositoryConfig, *, hurried: bool = False) -> Repository:
    """The second copy, a repository like the first; nothing is connected yet.

    `hurried`: what does not answer within seconds is given up, as somebody waits who does not depend on it.
    Raises ConfigurationError where none is configured, or its address cannot be used.
    """
    if config.offsite is None:
        what = "no second copy is configured: chom.yaml has no repository.offsite"
        raise ConfigurationError(what, "add  offsite: {url: s3://bucket/folder}  to repository")
    if path := config.offsite.path:
        return Repository(LocalStore(path, config.offsite.mount))
    return Repository(open_store(address_of(config.offsite), hurried=hurried))


def address_of(offsite: Offsite) -> StoreAddress:
    """Of the second copy's store."""
    return StoreAddress(
        offsite.url,
        offsite.endpoint_url,
        offsite.region,
        offsite.profile,
        str(offsite.credentials) if offsite.credentials else None,
        offsite.storage_class,
        offsite.encryption,
        offsite.kms_key,
    )


def existing_repository(config: RepositoryConfig, *, offsite: bool = False, archive: str = "") -> Repository:
    """The repository to read from, or its second copy, or one month of that one's archive.

    Raises RepositoryError where there is none; ConfigurationError where no second copy is configured.
    """
    offsite = offsite or bool(archive)
    repository = second_copy_of(config) if offsite else repository_of(config)
    if not repository.store.is_there():
        if offsite:
            raise RepositoryError(f"there is no second copy at {repository.where}", "make one: `chom offsite push`")
        remedy = "mount it; where no backup was taken yet, `chom backup` creates it"
        if config.offsite:
            remedy += "; --offsite reads the second copy, and `chom offsite pull` brings it back"
        raise RepositoryError(f"there is no repository at {repository.where}", remedy)
    return replace(repository, month=archive)


def keyring_of(config: RepositoryConfig, policy: BackupPolicy, *, allow_plain: bool = False) -> Keyring | None:
    """The configured keys, as they are to be used for a server of this policy; None where there are none.

    With keys only encrypted backups are believed, unless the policy says that they are not encrypted, or the caller
    allows it for the one backup that was named. Raises what `read_keyring` raises.
    """
    if config.encryption is None:
        return None
    keyring = read_keyring(config.encryption)
    return keyring if policy.encrypt and not allow_plain else keyring.accepting_plain()


def data_key_of(policy: BackupPolicy, keyring: Keyring | None) -> tuple[DataKey | None, WrappedKey | None]:
    """A new data key for a backup by this policy, and the same wrapped; (None, None) where it is not encrypted.

    Raises ConfigurationError where there are no keys to wrap it with.
    """
    if not policy.encrypt:
        return None, None
    if keyring is None:
        message = "the backup is to be encrypted, and no keys are configured"
        raise ConfigurationError(message, "set repository.encryption.keys, or use --no-encrypt")
    key = DataKey.generate()
    return key, keyring.wrap(key)


def read_keyring(encryption: Encryption) -> Keyring:
    """The configured keys.

    Raises SecretUnavailableError, or ConfigurationError where the file is open to others or is no key file.
    """
    reference = encryption.keys
    if reference.file is not None:
        return Keyring.load(reference.file)
    return Keyring.parse(reference.reveal(), str(reference))
