"""What is measured with: the data of the latest backup, or generated ones, in a private server of the same family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chom_pipelines.benchmarks import generated
from chom_pipelines.benchmarks.amounts import parsed_count, parsed_size
from chom_pipelines.benchmarks.materials import chosen, cores, source_options
from chom_pipelines.benchmarks.peers import parsed_peers
from chom_pipelines.benchmarks.report import Sizes, Unmeasured
from chom_pipelines.benchmarks.table_sizes import read_sizes
from chom_pipelines.errors import BenchmarkRefusedError, ChomError, ConfigurationError
from chom_pipelines.inventory.models import Server
from chom_pipelines.log_lines import size as size_text
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import Report as Progress
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind, parse_id
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.restoring import restore_contents
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour, ServerFacts, read_facts
from chom_pipelines.server.scratch import ScratchServer, scratch_server
from chom_pipelines.server.versions import parse_version

MOST = 512_000_000
"""Bytes of a backup's text that are restored again and again: at a stock client's pace that takes a minute."""


@dataclass(frozen=True)
class Wishes:
    """What is asked for. `size` is bytes of generated text; None: the latest backup's data."""

    size: int | None = None
    tables: int = 5
    rows: int | None = None
    """Of all generated tables; None: as many as have that size where a shop's rows are."""
    rounds: int = 3
    against: tuple[str, ...] = ()
    """Other tools, of PEERS."""


def asked(*, size: str, tables: int | None, rows: str, rounds: int, against: str) -> Wishes:
    """What people have written, an empty string or None where nothing; raises ConfigurationError."""
    if not size and (rows or tables is not None):
        what = f"a number of {'rows' if rows else 'tables'}"
        raise ConfigurationError(
            f"{what} needs a size: without one the latest backup's data are measured", "add a size, as --size 5GB"
        )
    return Wishes(
        size=parsed_size(size) if size else None,
        tables=Wishes.tables if tables is None else tables,
        rows=parsed_count(rows) if rows else None,
        rounds=rounds,
        against=parsed_peers(against),
    )


@dataclass
class Known:
    """What was found out about the server that is backed up."""

    facts: ServerFacts | None = None
    sizes: Sizes | None = None
    rows: BackupEntry | None = None
    """Its newest full backup of rows."""
    newest: BackupEntry | None = None
    flavour: Flavour | None = None
    unmeasured: list[Unmeasured] = field(default_factory=list)

    def lacks(self, what: str, error: ChomError) -> None:
        """Note what could not be found out."""
        self.unmeasured.append(Unmeasured(what=what, reason=error.what))


def known_of(repository: Repository, server: Server, keyring: Keyring | None) -> Known:
    """Ask the server and its repository; what does not answer is noted."""
    known = Known()
    fulls = [
        entry
        for entry in repository.backups(server.name)
        if (identity := parse_id(entry.id)) and identity.kind is Kind.FULL
    ]
    for entry in reversed(fulls):
        try:
            manifest = entry.manifest(keyring)
        except ChomError as error:
            known.lacks(f"the backup {entry.id}", error)
            continue
        known.newest = known.newest or entry
        known.flavour = known.flavour or Flavour(manifest.source.flavour)
        if manifest.method is Method.LOGICAL:
            known.rows = entry
            break
    try:
        with Session(server.endpoint()) as session:
            known.facts = read_facts(session)
            known.flavour = known.facts.flavour
            known.sizes = read_sizes(session, known.facts, server.databases)
    except ChomError as error:
        known.lacks("the sizes of the server's tables", error)
    return known


@contextmanager
def source_of(
    known: Known, wishes: Wishes, keyring: Keyring | None, progress: Progress
) -> Iterator[tuple[ScratchServer, tuple[str, ...], str, float]]:
    """A private server with the data: it, its databases, whose data they are, and which part of those."""
    if wishes.size is not None:
        if known.flavour is None:
            why = known.unmeasured[-1].reason if known.unmeasured else "it has no backup"
            what = f"of which family the server is, is not known: {why}"
            raise BenchmarkRefusedError(what, "start it, or back it up")
        plan = generated.planned(wishes.size, wishes.tables, wishes.rows)
        options = source_options(known.flavour)
        with scratch_server(known.flavour, expected_bytes=2 * wishes.size, options=options) as private:
            generated.fill(private.endpoint, plan, cores(), progress)
            yield private, (generated.DATABASE,), "generated", 1.0
        return
    entry = known.rows
    if entry is None:
        what = "there is no full backup of rows that could be restored"
        raise BenchmarkRefusedError(
            what, "take one with `chom backup --method logical`, or measure generated data (--size)"
        )
    with entry.reading("benchmark"):
        contents = Contents.of(entry, keyring)
        tables = contents.logical.tables
        some = chosen(tables, MOST)
        everything = sum(table.bytes for table in tables)
        if not some:
            what = f"{entry.id} has no table of {size_text(MOST)} or less"
            raise BenchmarkRefusedError(what, "measure generated data with --size")
        source = contents.manifest.source
        flavour = Flavour(source.flavour)
        with scratch_server(
            flavour,
            version=parse_version(source.version),
            expected_bytes=2 * sum(table.bytes for table in some),
            options=(*birth_options(contents.manifest), *source_options(flavour)),
            zones=zones_of(source),
        ) as private:
            # what this private server cannot hold as it was, no copy of it is compared with
            request = RestoreRequest(tables=tuple(table.label for table in some), accept_losses=True)
            restore_contents(contents, private.endpoint, request, progress)
            databases = tuple(sorted({table.database for table in some}))
            share = sum(table.bytes for table in some) / everything if everything else 1.0
            yield private, databases, entry.id, share
