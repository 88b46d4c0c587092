"""One benchmark of a server: everything is measured on private servers, judged, and kept as a report.

The server itself is only asked for its facts and for the sizes of its tables, and its latest backup is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chom_pipelines import __version__
from chom_pipelines.benchmarks import generated
from chom_pipelines.benchmarks.compression import measured_codecs
from chom_pipelines.benchmarks.figures import Share
from chom_pipelines.benchmarks.host import read_host
from chom_pipelines.benchmarks.judging import ENOUGH, advice, predictions, regressions, share_of, with_speed_ups
from chom_pipelines.benchmarks.ladder import Say, climb
from chom_pipelines.benchmarks.limits import DISK, RAM, SOCKET, measured_limits
from chom_pipelines.benchmarks.materials import Materials, chosen, cores, sample, source_options, taken
from chom_pipelines.benchmarks.peers import dumped_by
from chom_pipelines.benchmarks.report import Data, Limit, Means, Place, Prediction, Report, Rung, Sizes, Unmeasured
from chom_pipelines.benchmarks.reports import kept_reports
from chom_pipelines.benchmarks.sizes import read_sizes
from chom_pipelines.benchmarks.steps import default_settings, ladder_steps
from chom_pipelines.benchmarks.stopwatch import Machine
from chom_pipelines.errors import BenchmarkRefusedError, ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.log_lines import size as size_text
from chom_pipelines.logical.contents import Contents
from chom_pipelines.progress import Report as Progress
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.layout import Kind, parse_id
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.likeness import birth_options, zones_of
from chom_pipelines.restores.plan import RestoreRequest
from chom_pipelines.restores.targets import restore_contents
from chom_pipelines.server.connection import Session
from chom_pipelines.server.directories import claimed_directory
from chom_pipelines.server.facts import Flavour, ServerFacts, parse_version, read_facts
from chom_pipelines.server.scratch import ScratchServer, scratch_server

MOST = 512_000_000
"""Bytes of a backup's text that are restored again and again: at a stock client's pace that takes a minute."""

SAMPLE = 32_000_000
"""Bytes of text that are compressed: `xz -6` takes ten seconds for them."""


@dataclass(frozen=True)
class Wishes:
    """What is asked for. `size` is bytes of generated text, None: the latest backup; `threads` 0: one per core."""

    size: int | None = None
    tables: int = 5
    rounds: int = 3
    threads: int = 0
    against: tuple[str, ...] = ()
    """Other tools, of PEERS."""


@dataclass
class _Known:
    """What was found out about the server that is backed up."""

    facts: ServerFacts | None = None
    sizes: Sizes | None = None
    rows: BackupEntry | None = None
    """Its newest full backup of rows."""
    newest: BackupEntry | None = None
    flavour: Flavour | None = None
    unmeasured: list[Unmeasured] = field(default_factory=list)

    def lacks(self, what: str, error: ChomError) -> None:
        self.unmeasured.append(Unmeasured(what=what, reason=error.what))


def run_benchmark(inventory: Inventory, server: Server, wishes: Wishes, progress: Progress, say: Say) -> Report:
    """Measure everything, and judge it by the earlier reports; it is not kept yet.

    What cannot be measured is in the report, with its reason. Raises BenchmarkRefusedError where there are no data to
    measure with, ProgramMissingError or ScratchServerError where there is no private server, and what reading the
    repository and the backup raises.
    """
    started, before = datetime.now(UTC), Machine.now()
    repository = repository_of(inventory.repository)
    repository.create()
    keyring = keyring_of(inventory.repository, server.backup)
    known = _known(repository, server, keyring)
    threads = wishes.threads or cores()
    with claimed_directory(Path(tempfile.gettempdir())) as claim:
        with _source(known, wishes, keyring, progress) as (private, databases, origin, share):
            facts = private.facts
            materials = taken(private, databases, claim.path, threads, progress)
            peers = [dumped_by(name, private, materials, threads) for name in wishes.against]
        text = sample(materials.rows, SAMPLE)
        data = _described(materials, origin, share, len(text))
        say(f"{data.tables} tables, {data.rows:,} rows, {size_text(data.text_bytes)} of text on {facts.label}")
        limits = []
        for limit in measured_limits(claim.path, text, wishes.rounds):
            limits.append(limit)
            say(f"{limit.name}: {size_text(limit.rate)}/s" if limit.rate else f"{limit.name}: {limit.reason}")
        by_name = {limit.name: limit for limit in limits}
        compression = []
        for codec in measured_codecs(text, wishes.rounds, by_name.get(DISK)):
            compression.append(codec)
            say(f"{codec.name}: {codec.ratio:.2f} times smaller" if codec.timed else f"{codec.name}: {codec.reason}")
        defaults: dict[str, str] = {}
        try:
            defaults = default_settings(materials)
        except ChomError as error:
            known.lacks("the settings of a server at its defaults", error)
        steps = [*ladder_steps(materials, facts, threads), *(peer.step for peer in peers if peer.step)]
        climbed = climb(materials, steps, wishes.rounds, progress, say)
        host = read_host(claim.path)
    elsewhere = before.elsewhere(Machine.now())
    rungs = [rung.model_copy(update={"share": _share(rung, by_name)}) for rung in with_speed_ups(climbed)]
    ladder = tuple(rung for rung in rungs if rung.means is not Means.PEER)
    found = Report(
        tool=f"chom_pipelines {__version__}",
        server=server.name,
        started=started,
        finished=datetime.now(UTC),
        host=host,
        source_version=known.facts.label if known.facts else None,
        measured_on=facts.label,
        defaults=defaults,
        rounds=wishes.rounds,
        elsewhere=elsewhere,
        data=data,
        limits=tuple(limits),
        compression=tuple(compression),
        ladder=ladder,
        peers=tuple(rung for rung in rungs if rung.means is Means.PEER),
        sizes=known.sizes,
        backups=(*materials.backups, *(peer.backup for peer in peers)),
        advice=advice(data, elsewhere, compression, materials.backups[0], ladder),
        predictions=_predictions(known, keyring, data, ladder),
    )
    return _compared(found, repository, known)


def _described(materials: Materials, origin: str, share: float, sampled: int) -> Data:
    tables = materials.rows.logical.tables
    return Data(
        origin=origin,
        tables=len(materials.original),
        rows=sum(table.rows for table in tables),
        text_bytes=sum(table.bytes for table in tables),
        file_bytes=materials.file_bytes,
        share=share,
        sample_bytes=sampled,
    )


def _compared(report: Report, repository: Repository, known: _Known) -> Report:
    kept = kept_reports(repository, report.server)
    for problem in kept.problems:
        known.lacks("the comparison with an earlier report", problem)
    slower, count = regressions(report, kept.reports)
    update = {"regressions": slower, "compared_with": count, "unmeasured": tuple(known.unmeasured)}
    return report.model_copy(update=update)


def _share(rung: Rung, limits: dict[str, Limit]) -> Share | None:
    """Rows come through a socket; files are written."""
    if rung.means is Means.FILES:
        return share_of(rung.rate, limits.get(RAM if rung.place is Place.MEMORY else DISK))
    return share_of(rung.rate, limits.get(SOCKET))


def _known(repository: Repository, server: Server, keyring: Keyring | None) -> _Known:
    known = _Known()
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
def _source(
    known: _Known, wishes: Wishes, keyring: Keyring | None, progress: Progress
) -> Iterator[tuple[ScratchServer, tuple[str, ...], str, float]]:
    """A private server with the data: it, its databases, whose data they are, and which part of those."""
    if wishes.size is not None:
        if known.flavour is None:
            why = known.unmeasured[-1].reason if known.unmeasured else "it has no backup"
            what = f"of which family the server is, is not known: {why}"
            raise BenchmarkRefusedError(what, "start it, or back it up")
        options = source_options(known.flavour)
        with scratch_server(known.flavour, expected_bytes=2 * wishes.size, options=options) as private:
            generated.fill(private.endpoint, wishes.size, wishes.tables, wishes.threads or cores(), progress)
            yield private, (generated.DATABASE,), "generated", 1.0
        return
    entry = known.rows
    if entry is None:
        what = "there is no full backup of rows that could be restored"
        raise BenchmarkRefusedError(what, "take one with `chom backup`, or measure generated data with --size")
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


def _predictions(
    known: _Known, keyring: Keyring | None, data: Data, ladder: tuple[Rung, ...]
) -> tuple[Prediction, ...]:
    if known.newest is None:
        return ()
    if data.text_bytes < ENOUGH and (data.origin, data.share) != (known.newest.id, 1.0):
        why = f"{size_text(data.text_bytes)} are too few to predict another amount by"
        known.unmeasured.append(Unmeasured(what=f"how long a restore of {known.newest.id} takes", reason=why))
        return ()
    found = opened(known.newest, keyring)
    manifest = found.manifest
    if manifest is None:
        return ()
    if manifest.method is Method.PHYSICAL:
        return predictions(manifest.id, 0, manifest.raw_bytes, ladder, None)
    text = sum(table.bytes for table in manifest.logical.tables)
    return predictions(manifest.id, text, 0, ladder, found.restored_in)
