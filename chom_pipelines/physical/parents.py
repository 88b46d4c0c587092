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
from dataclasses import dataclass
from datetime import UTC, datetime

from chom_pipelines.errors import BinlogMissingError, ChainEndedError, RepositoryError
from chom_pipelines.logical.heads import HeadOf
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.physical.streaming import gtid_at, log_sequence_number
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.manifest import Manifest, Position
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.streams import Stream
from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.questions import status
from chom_pipelines.server.versions import parse_version, series

_log = logging.getLogger(__name__)
_OR_CLOCK = f"set the clock, or {ChainEndedError.usual_remedy}"
_AND_LOG = f"write a binary log, and {ChainEndedError.usual_remedy}"


@dataclass(frozen=True)
class Log:
    """What a server's binary log is asked for; who reads logs stands above this folder."""

    head_of: HeadOf
    imports: Callable[[Endpoint, ServerFacts, Position, Position], Sequence[str]]
    """imports(server, facts, since, until): tables that got their files by IMPORT TABLESPACE between two places."""


def parent_in(stream: Stream, keyring: Keyring | None, now: datetime) -> Manifest:
    """The newest physical backup, which has to be whole, with all that it builds on.

    Raises ChainEndedError where there is none, or it is known to be damaged, or of later than now; DamagedError,
    KeyUnavailableError.
    """
    for entry in reversed(stream.entries()):
        if not _is_physical(entry):
            continue
        contents = FileContents.of(entry, keyring)
        if contents.manifest.started >= now:
            what = f"{entry.id} was begun later than now: the clock was set back"
            raise ChainEndedError(what, _OR_CLOCK)
        contents.refuse_incomplete()
        found = opened(entry, keyring)
        if found.outcome is Outcome.FAILED:
            raise ChainEndedError(f"nothing is taken after {entry.id}, which failed: {found.reason}")
        return contents.manifest
    what = f"{stream.folder.where()} has no physical backup, after which an incremental one could be taken"
    raise ChainEndedError(what)


def _is_physical(entry: BackupEntry) -> bool:
    try:
        payload = entry.peek().get("payload")
    except RepositoryError as error:  # to build on an older one is as good
        _log.warning("nothing is taken after %s: %s", entry.id, error.what)
        return False
    return isinstance(payload, dict) and payload.get("method") == Method.PHYSICAL.value


def refuse_other_files(parent: Manifest, endpoint: Endpoint, facts: ServerFacts, log: Log) -> None:
    """Raise ChainEndedError unless the server's files are those of which `parent` was taken, and went on."""
    where, source = endpoint.where, parent.source
    then = parse_version(source.version)
    if (source.flavour, series(then)) != (facts.flavour.value, series(facts.version)):
        raise ChainEndedError(f"{where} is {facts.label}, and {parent.id} is of {source.flavour} {source.version}")
    if parent.physical.page_size != int(facts.variables["innodb_page_size"]):
        raise ChainEndedError(f"{where} has pages of another size than {parent.id}")
    end, head = parent.coordinates.end, parent.coordinates.head
    if end is None or head is None:
        what = f"{parent.id} does not know in which file of the binary log it is, so that nothing tells whether "
        raise ChainEndedError(f"{what}{where} is still the same server", _AND_LOG)
    with Session(endpoint) as session:
        known = log.head_of(endpoint, facts, end.file), gtid_at(session, end)
        if known != (head, end.gtid or ""):
            what = f"{where} is not known to be the server of {parent.id}: its binary log has no {end.file} of then, "
            raise ChainEndedError(f"{what}or no longer")
        began, lsn = _started(session), log_sequence_number(session)
    if lsn < parent.physical.to_lsn:
        what = f"{where} stands at the log sequence number {lsn}, before that of {parent.id}: its files were replaced"
        raise ChainEndedError(what)
    if began < parent.as_of:
        return
    what = f"{where} was started since {parent.id}: its files may have been replaced while it was down"
    raise ChainEndedError(what)


def _started(session: Session) -> datetime:
    """Not before that was: the server tells the difference of whole seconds, which is up to one too many."""
    return datetime.fromtimestamp(time.time() - int(status(session, "Uptime")) + 1, UTC)


def refuse_imports(parent: Manifest, end: Position | None, endpoint: Endpoint, facts: ServerFacts, log: Log) -> None:
    """Raise ChainEndedError where files were put in place of a table's by IMPORT TABLESPACE since `parent`.

    Their pages have the log sequence numbers that they had where they came from: mariadb-backup takes the earlier ones
    for unchanged, and the restored table would be a mixture.
    """
    begin = parent.coordinates.end
    if begin is None or end is None:
        raise ChainEndedError(f"{endpoint.where}: nothing tells what was done since {parent.id}")
    try:
        tables = log.imports(endpoint, facts, begin, end)
    except BinlogMissingError as error:
        raise ChainEndedError(error.what) from error
    if tables:
        what = f"{endpoint.where}: {', '.join(tables)} got other files by IMPORT TABLESPACE since {parent.id}, whose "
        raise ChainEndedError(f"{what}pages an incremental backup would leave out")
