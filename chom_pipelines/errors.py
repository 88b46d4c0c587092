"""The one exception tree: each error says what failed, where, and what to do about it, and never holds a secret.

The exit codes are the command line's: 1 failed or refused, 2 usage or configuration, 3 could not be determined.
"""

from typing import ClassVar

from chom_pipelines.outcome import Outcome


class ChomError(Exception):
    """Something failed that a person can act on.

    `what` names the failure and the place; `remedy` says what to do about it, and is the class's usual one if left out.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    usual_remedy: ClassVar[str] = ""
    outcome: ClassVar[Outcome] = Outcome.NOT_VERIFIED
    """What it says of a backup that was asked about: damage is an answer, all else leaves the question open."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy or self.usual_remedy

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.remedy}" if self.remedy else self.what


class ConfigurationError(ChomError):
    """chom.yaml, an option or an environment variable is wrong; nothing was tried."""

    exit_code = 2


class SecretUnavailableError(ConfigurationError):
    """A secret reference leads nowhere: the variable is unset or the file cannot be read."""


class InvalidGtidError(ConfigurationError):
    """A text is no GTID, no set of GTIDs and no position in GTIDs."""


# --- the database server


class ServerError(ChomError):
    """A database server refused, failed or is not what was expected."""


class ConnectionFailedError(ServerError):
    """No connection: host, port, socket, network or TLS."""

    retryable = True


class AccessDeniedError(ServerError):
    """The server does not know this user and password."""


class MissingPrivilegeError(ServerError):
    """The user may not do what is needed; the remedy is the GRANT."""


class UnknownDatabaseError(ServerError):
    """A database or table that was asked for does not exist."""


class LockNotObtainedError(ServerError):
    """The brief lock of a consistent snapshot was not granted in time; the message names the blocker."""

    retryable = True


class DefinitionChangedError(ServerError):
    """A table, view, routine, trigger or event changed while it was being dumped."""

    retryable = True


class BinlogMissingError(ServerError):
    """The server has no longer, or never had, the file of the binary log that is asked for."""


class BinlogWithheldError(ServerError):
    """The server has the file of the binary log, and does not send it as it is set now."""


class NoRoomError(ServerError):
    """The server has no more room: its disk, its memory, or a table that may not grow."""


class UnsupportedServerError(ServerError):
    """The server's flavour, version or settings cannot do what was asked."""


class ProgramMissingError(ChomError):
    """A client or server program is not installed; the remedy names the package."""


class ScratchServerError(ChomError):
    """A private server did not start, answer or stop; the message holds the end of its log."""


# --- the repository


class RepositoryError(ChomError):
    """The repository cannot be read or written."""


class RepositoryBusyError(RepositoryError):
    """Another run holds the lock; the message names it."""

    retryable = True


class StoreUnreachableError(RepositoryError):
    """What keeps the repository does not answer, or is too busy to; it may later."""

    retryable = True


class DiskFullError(RepositoryError):
    """No space is left where something was being written."""


class BackupNotFoundError(RepositoryError):
    """No backup of that name is in the repository."""


class ObjectMissingError(RepositoryError):
    """A store has nothing under that name."""

    usual_remedy = "look at what else is there; something may have removed it"


class ObjectExistsError(RepositoryError):
    """A store has something under that name already, and it was not to be replaced; nothing was changed."""

    usual_remedy = "find out what else writes there"


class DamagedError(RepositoryError):
    """A stored object or manifest is not what was written: truncated, edited, lost or rotten."""

    outcome = Outcome.FAILED
    usual_remedy = "restore another backup; this one cannot be trusted"


class ArchiveDamagedError(DamagedError):
    """What is archived of a binary log is not what was written."""

    usual_remedy = "restore to a moment before it; `chom verify --binlogs` names all that is damaged, and what mends it"


class BinlogDamagedError(DamagedError):
    """A binary log is not what its server wrote; the message names the file, the position and what is wrong there."""

    usual_remedy = "copy the file from its server again; where it is gone, take a full backup: this log ends the chain"


class UnknownFormatError(RepositoryError):
    """A manifest of a format that this version does not know: refused, not guessed."""


class UnencryptedError(RepositoryError):
    """A backup is plain where only encrypted ones are believed: whoever can write there may have made it."""

    outcome = Outcome.FAILED


class KeyUnavailableError(RepositoryError):
    """The master key that a backup names is not in the key file, or is not the one that wrapped it."""


# --- backups, restores, proofs


class BackupFailedError(ChomError):
    """A backup could not be completed; nothing of it is listed."""


class SnapshotTooSlowError(BackupFailedError):
    """The snapshots were not all there in the time for which commits may be held up; they were let go."""

    retryable = True


class ChainEndedError(ChomError):
    """No incremental backup can follow those that are there: a full one has to come first."""

    usual_remedy = "take a full backup: chom backup --method physical"


class NotArchivedError(ChomError):
    """Not everything that a server wrote in some time is in the archive of its binary log; the message says why."""


class ArchiveBeginsError(NotArchivedError):
    """The archive was begun later than some time, or within it: none of it was lost since."""


class ArchiveBehindError(NotArchivedError):
    """The archive does not reach the end of some time yet, by its server's clock."""

    retryable = True


class UnsupportedBackupError(ChomError):
    """A backup of a method or kind with which this version cannot do what was asked."""


class RestoreRefusedError(ChomError):
    """A restore would overwrite something, or cannot be done as asked; nothing was changed."""


class RestoreFailedError(ChomError):
    """A restore stopped half-way; the message says what is there and how to run it again."""


class NothingToArchiveError(ChomError):
    """No full backup of a month is there that has been, or could be, proved by a restore."""


class BenchmarkRefusedError(ChomError):
    """There is nothing to measure with, or it is not the time that was asked for; nothing was measured."""


class MigrationCheckError(ChomError):
    """What pending migrations would do could not be found out; nothing was changed."""

    exit_code = 3


class DemonstrationFailedError(ChomError):
    """The demonstration did not see what it was to show."""
