import pytest

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.environment import (
    backup_policy,
    policy_from_environment,
    retention_from_environment,
    type_from_environment,
)
from chom_pipelines.inventory.models import RepositoryConfig
from chom_pipelines.inventory.policies import BackupPolicy, Retention, Verification
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.layout import Kind

PLAIN = RepositoryConfig.model_validate({"path": "/b"})
WITH_KEYS = RepositoryConfig.model_validate({"path": "/b", "encryption": {"keys": {"env": "KEYS"}}})


def test_the_variables_of_the_earlier_scripts_count_over_the_file() -> None:
    environ = {
        "COMPRESSION": "xz",
        "PARALLEL_THREADS": "8",
        "VERIFICATION": "full",
        "ENCRYPT_BACKUP": "true",
        "UPLOAD_REMOTE": "false",
        "UNRELATED": "x",
    }
    policy = policy_from_environment(BackupPolicy(upload=True), environ)
    assert policy == BackupPolicy(compression=Codec.XZ, threads=8, verification=Verification.FULL, encrypt=True)


def test_an_empty_variable_is_as_good_as_none() -> None:
    policy = BackupPolicy(compression=Codec.GZIP)
    assert policy_from_environment(policy, {"COMPRESSION": "", "PARALLEL_THREADS": ""}) == policy


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"COMPRESSION": "rar"}, r"\$COMPRESSION: "),
        ({"PARALLEL_THREADS": "-1"}, r"\$PARALLEL_THREADS: "),
        ({"ENCRYPT_BACKUP": "perhaps"}, r"\$ENCRYPT_BACKUP: "),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        policy_from_environment(BackupPolicy(), environ)


def test_a_codec_that_lacks_the_files_level_is_explained() -> None:
    with pytest.raises(ConfigurationError, match=r"level in chom\.yaml: gzip has levels 1 to 9"):
        policy_from_environment(BackupPolicy(level=19), {"COMPRESSION": "gzip"})


def test_options_count_over_variables_and_variables_over_the_file() -> None:
    options = {"compression": "none", "level": None, "threads": 2}
    environ = {"COMPRESSION": "xz", "VERIFICATION": "none"}
    policy = backup_policy(BackupPolicy(level=5), PLAIN, environ, options)
    expected = BackupPolicy(compression=Codec.NONE, level=5, threads=2, verification=Verification.NONE)
    assert policy == expected


def test_encryption_without_a_key_is_refused_by_the_name_of_who_asked() -> None:
    with pytest.raises(ConfigurationError, match=r"\$ENCRYPT_BACKUP: nothing to encrypt with"):
        backup_policy(BackupPolicy(), PLAIN, {"ENCRYPT_BACKUP": "1"}, {})
    with pytest.raises(ConfigurationError, match="--encrypt: nothing to encrypt with"):
        backup_policy(BackupPolicy(), PLAIN, {}, {"encrypt": True})
    assert backup_policy(BackupPolicy(), WITH_KEYS, {}, {"encrypt": True}).encrypt


def test_retention_is_read_from_the_environment() -> None:
    environ = {"RETAIN_FULL_DAYS": "90", "RETAIN_INCREMENTAL_DAYS": "14", "RETAIN_BINLOG_DAYS": "21"}
    retention = retention_from_environment(Retention(monthly_archives=3), environ)
    assert retention == Retention(full_days=90, incremental_days=14, binlog_days=21, monthly_archives=3)


def test_the_kind_of_backup_is_read_from_the_environment() -> None:
    assert type_from_environment({}) is Kind.FULL
    assert type_from_environment({"BACKUP_TYPE": "binlog"}) is Kind.BINLOG
    with pytest.raises(ConfigurationError, match=r"\$BACKUP_TYPE: there is no 'daily'"):
        type_from_environment({"BACKUP_TYPE": "daily"})
