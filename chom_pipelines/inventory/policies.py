"""How a server is backed up, when, for how long backups stay, and what counts as trouble."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from chom_pipelines.inventory.base import AtKeyError, ConfigModel
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.payloads import Method

_CRON_FIELDS = 5


class Verification(StrEnum):
    """What proves a backup right after it was taken: nothing, every byte decoded, or a restore that is compared."""

    NONE = "none"
    BASIC = "basic"
    FULL = "full"


_BackupMethod = Literal[Method.LOGICAL, Method.PHYSICAL]


def _method(value: object) -> object:
    """Before pydantic, which would tell of members of a class, and not of what is written in chom.yaml."""
    if value not in get_args(_BackupMethod):
        raise ValueError("must be 'logical' or 'physical'")
    return value


class BackupPolicy(ConfigModel):
    """How full backups are taken."""

    method: Annotated[_BackupMethod, BeforeValidator(_method)] = Method.LOGICAL
    compression: Codec = Codec.ZSTD
    level: int = Field(default=3, description="of compression")
    threads: int = Field(default=0, ge=0, le=1024, description="parallel connections; 0: one per core")
    verification: Verification = Verification.BASIC
    encrypt: bool = Field(default=False, description="in an Inventory the default is: where encryption is configured")
    upload: bool = Field(default=False, description="in an Inventory the default is: where offsite is configured")

    @model_validator(mode="after")
    def _codec_has_level(self) -> "BackupPolicy":
        levels = self.compression.levels
        if self.level not in levels:
            message = f"{self.compression.value} has levels {levels[0]} to {levels[-1]}"
            raise AtKeyError(("level",), message)
        return self


_NIGHTLY, _HOURLY, _SUNDAYS, _MONDAYS, _MORNINGS = "0 2 * * *", "0 * * * *", "0 3 * * 0", "0 4 * * 1", "30 5 * * *"
_EARLY, _FIRSTS, _AFTER_NIGHT = "30 4 * * *", "0 7 1 * *", "30 6 * * *"


@cache  # a fleet has few of them, and one takes a millisecond
def _cron(text: str) -> str:
    if text in {_NIGHTLY, _HOURLY, _SUNDAYS, _MONDAYS, _MORNINGS, _EARLY, _FIRSTS, _AFTER_NIGHT}:
        return text  # without what takes as long to import as some commands run
    from croniter import CroniterBadDateError, croniter

    if len(text.split()) != _CRON_FIELDS or not croniter.is_valid(text):
        message = "not a cron schedule: minute hour day month weekday, like '0 2 * * *'"
        raise ValueError(message)
    try:
        croniter(text, datetime.now(UTC)).get_next()
    except CroniterBadDateError as error:
        message = "this cron schedule never fires"
        raise ValueError(message) from error
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: a folder of the database, like `Europe`
        message = "not a time zone of the tz database, like Europe/Berlin"
        raise ValueError(message) from error
    return name


Cron = Annotated[str, AfterValidator(_cron)]


class Schedules(ConfigModel):
    """When Dagster starts what; null: never."""

    full: Cron | None = _NIGHTLY
    incremental: Cron | None = Field(default=None, description="of the pages of data files, where method is physical")
    binlogs: Cron | None = _HOURLY
    verification: Cron | None = _SUNDAYS
    drill: Cron | None = _MONDAYS
    retention: Cron | None = _MORNINGS
    offsite: Cron | None = Field(default=_EARLY, description="of servers whose backups are uploaded")
    archive: Cron | None = Field(default=_FIRSTS, description="of the month before, of the same servers")
    benchmark: Cron | None = None
    monitoring: Cron | None = Field(default=_AFTER_NIGHT, description="of tables' sizes and indexes' uses")
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"


_CENTURY = 36_500


class Retention(ConfigModel):
    """For how long what stays."""

    full_days: int = Field(default=30, ge=1, le=_CENTURY)
    incremental_days: int = Field(default=7, ge=1, le=_CENTURY)
    binlog_days: int = Field(
        default=7, ge=1, le=_CENTURY, description="and what any moment of that time needs, as all backups of it"
    )
    weekly: int = Field(default=0, ge=0, description="the last full backup of so many weeks stays, too")
    monthly: int = Field(default=0, ge=0, description="the same of months")
    yearly: int = Field(default=0, ge=0, description="the same of years")
    monthly_archives: int = Field(default=12, ge=0, description="months with a full backup in the second copy")


class Thresholds(ConfigModel):
    """Beyond these a check fails."""

    backup_age_hours: float = Field(default=24, gt=0, le=24 * _CENTURY)
    exposure_minutes: float = Field(
        default=120, gt=0, le=1440 * _CENTURY, description="what may be lost where binary logs are archived"
    )
    days_to_full: float = Field(default=30, ge=0, description="for how many days of growth the data directory has room")
    slow_queries_per_second: float = Field(default=10, ge=0)
    buffer_pool_hit_rate: float = Field(default=95, ge=0, le=100, description="percent")


TlsVerification = Literal["identity", "ca", "none"]
