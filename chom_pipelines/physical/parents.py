"""After which backup an incremental one is taken, and whether the server's files are still those of that.

What is older than the parent is taken from it. Where the files are another server's, or were replaced by a restore,
they may have other pages of that age, and nothing in them tells: a restore of such a chain would be a mixture. So it
has to be known that they are the same. By its binary log it is the same server; and as long as it runs nobody can
replace its files. When they were made does not tell: a copy in place and a volume that is set back leave that as it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from chom_pipelines.errors import BackupNotFoundError, RepositoryError, UnsupportedServerError
from chom_pipelines.logical.heads import HeadOf
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest, Position
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.streams import Stream
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts, parse_version
from chom_pipelines.server.identifiers import literal

_FULL = "take a full backup: chom backup --method physical"

_log = logging.getLogger(__name__)


Imports = Callable[[Endpoint, ServerFacts, Position, Position], Sequence[str]]
"""imports(server, facts, since, until): tables that got their files by IMPORT TABLESPACE between two places."""


def parent_in(stream: Stream, keyring: Keyring | None, now: datetime) -> Manifest:
    """The newest physical backup, which has to be whole, with all that it builds on.

    Raises BackupNotFoundError where there is none; UnsupportedServerError where it is known to be damaged, or of later
    than now; DamagedError, KeyUnavailableError.
    """
    for entry in reversed(stream.entries()):
        if not _is_physical(entry):
            continue
        contents = FileContents.of(entry, keyring)
        if contents.manifest.started >= now:
            what = f"{entry.id} was begun later than now: the clock was set back"
            raise UnsupportedServerError(what, f"set the clock, or {_FULL}")
        contents.refuse_incomplete()
        found = opened(entry, keyring)
        if found.outcome is Outcome.FAILED:
            raise UnsupportedServerError(f"nothing is taken after {entry.id}, which failed: {found.reason}", _FULL)
        return contents.manifest
    what = f"{stream.folder.where()} has no physical backup, after which an incremental one could be taken"
    raise BackupNotFoundError(what, _FULL)


def _is_physical(entry: BackupEntry) -> bool:
    try:
        payload = entry.peek().get("payload")
    except RepositoryError as error:  # to build on an older one is as good
        _log.warning("nothing is taken after %s: %s", entry.id, error.what)
        return False
    return isinstance(payload, dict) and payload.get("method") == Method.PHYSICAL.value


def refuse_other_files(parent: Manifest, endpoint: Endpoint, facts: ServerFacts, head_of: HeadOf | None) -> None:
    """Raise UnsupportedServerError unless the server's files are those of which `parent` was taken, and went on."""
    where, source = endpoint.where, parent.source
    if (source.flavour, parse_version(source.version)[:2]) != (facts.flavour.value, facts.version[:2]):
        what = f"{where} is {facts.label}, and {parent.id} is of {source.flavour} {source.version}"
        raise UnsupportedServerError(what, _FULL)
    if parent.physical.page_size != int(facts.variables["innodb_page_size"]):
        raise UnsupportedServerError(f"{where} has pages of another size than {parent.id}", _FULL)
    end, head = parent.coordinates.end, parent.coordinates.head
    if end is None or head is None or head_of is None:
        what = f"{parent.id} does not know in which file of the binary log it is, so that nothing tells whether "
        raise UnsupportedServerError(f"{what}{where} is still the same server", f"write a binary log, and {_FULL}")
    with Session(endpoint) as session:
        if head_of(endpoint, facts, end.file) != head or _gtid_at(session, end.file, end.position) != (end.gtid or ""):
            what = f"{where} is not known to be the server of {parent.id}: its binary log has no {end.file} of then, "
            raise UnsupportedServerError(f"{what}or no longer", _FULL)
        began, lsn = _started(session), int(_status(session, "Innodb_lsn_current"))
    if lsn < parent.physical.to_lsn:
        what = f"{where} stands at the log sequence number {lsn}, before that of {parent.id}: its files were replaced"
        raise UnsupportedServerError(what, _FULL)
    if began < parent.as_of:
        return
    what = f"{where} was started since {parent.id}: its files may have been replaced while it was down"
    raise UnsupportedServerError(what, _FULL)


def _gtid_at(session: Session, file: str, position: int) -> str | None:
    """The GTIDs up to a place of the server's binary log; None: there is no such place."""
    found = session.value(f"SELECT BINLOG_GTID_POS({literal(file)}, {position})")
    return None if found is None else str(found)


def _started(session: Session) -> datetime:
    """Not before that was: the server tells the difference of whole seconds, which is up to one too many."""
    return datetime.fromtimestamp(time.time() - int(_status(session, "Uptime")) + 1, UTC)


def _status(session: Session, name: str) -> str:
    return str(session.rows(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])


def refuse_imports(parent: Manifest, end: Position | None, endpoint: Endpoint, facts: ServerFacts, of: Imports) -> None:
    """Raise UnsupportedServerError where files were put in place of a table's by IMPORT TABLESPACE since `parent`.

    Their pages have the log sequence numbers that they had where they came from: mariadb-backup takes the earlier ones
    for unchanged, and the restored table would be a mixture.
    """
    begin = parent.coordinates.end
    if begin is None or end is None:
        raise UnsupportedServerError(f"{endpoint.where}: nothing tells what was done since {parent.id}", _FULL)
    tables = of(endpoint, facts, begin, end)
    if tables:
        what = f"{endpoint.where}: {', '.join(tables)} got other files by IMPORT TABLESPACE since {parent.id}, whose "
        raise UnsupportedServerError(f"{what}pages an incremental backup would leave out", _FULL)
