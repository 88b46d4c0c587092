"""One benchmark of a server: everything is measured on private servers, judged, and kept as a report.

The server itself is only asked for its facts and for the sizes of its tables, and its latest backup is read.
"""

from __future__ import annotations

from datetime import UTC, datetime

from chom_pipelines import __version__
from chom_pipelines.benchmarks.climbing import Say, climb
from chom_pipelines.benchmarks.comparing import compared
from chom_pipelines.benchmarks.compression import measured_codecs
from chom_pipelines.benchmarks.figures import Share
from chom_pipelines.benchmarks.host import disk_directory, read_host, refuse_no_room
from chom_pipelines.benchmarks.judging import advice, share_of, with_speed_ups
from chom_pipelines.benchmarks.kept_reports import kept_reports
from chom_pipelines.benchmarks.ladder import default_settings, ladder_steps
from chom_pipelines.benchmarks.limits import DISK, RAM, SOCKET, measured_limits
from chom_pipelines.benchmarks.materials import Materials, cores, sample, taken
from chom_pipelines.benchmarks.peers import dumped_by
from chom_pipelines.benchmarks.predicting import bytes_of, predictions
from chom_pipelines.benchmarks.report import ENOUGH, Data, Limit, Means, Place, Prediction, Report, Rung, Unmeasured
from chom_pipelines.benchmarks.sources import Known, Wishes, known_of, source_of
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.log_lines import size as size_text
from chom_pipelines.progress import Report as Progress
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import opened
from chom_pipelines.repository.repository import Repository
from chom_pipelines.repository.timing import DISTURBED
from chom_pipelines.server.claimed_directories import claimed_directory
from chom_pipelines.server.load import Machine

SAMPLE = 32_000_000
"""Bytes of text that are compressed: `xz -6` takes ten seconds for them."""

_ROOM = 3
"""Times the text on the disk: two dumps and two backups, and a copy with its logs beside them."""


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
    known = known_of(repository, server, keyring)
    threads = cores()
    with claimed_directory(disk_directory()) as claim:
        refuse_no_room(claim.path, _ROOM * (wishes.size or 0))
        say("fill a private server, and take dumps and backups of it")
        with source_of(known, wishes, keyring, progress) as (private, databases, origin, share):
            facts = private.facts
            materials = taken(private, databases, claim.path, threads, progress)
            peers = [dumped_by(name, private, materials, threads) for name in wishes.against]
        if not materials.at_rest:
            why = "it had not written all after five minutes; data files have a log, which takes time to restore"
            known.unmeasured.append(Unmeasured(what="a private server at rest", reason=why))
        text = sample(materials.rows, SAMPLE)
        data = _described(materials, origin, share, len(text))
        say(f"{data.tables} tables, {data.rows:,} rows, {size_text(data.text_bytes)} of text on {facts.label}")
        if data.text_bytes < ENOUGH:
            few = f"less than {size_text(ENOUGH)}"
            say(f"{few}: too little to recommend anything, or to predict a restore of other data")
        limits = []
        for limit in measured_limits(claim.path, text, wishes.rounds):
            limits.append(limit)
            say(f"{limit.name}: {size_text(limit.rate)}/s" if limit.rate else f"{limit.name}: {limit.reason}")
        by_name = {limit.name: limit for limit in limits}
        compression = []
        for codec in measured_codecs(text, wishes.rounds, by_name.get(DISK), progress):
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
        predictions=_predictions(known, keyring, data, ladder, elsewhere),
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


def _compared(report: Report, repository: Repository, known: Known) -> Report:
    kept = kept_reports(repository, report.server)
    for problem in kept.problems:
        known.lacks("the comparison with an earlier report", problem)
    report = report.model_copy(update={"unmeasured": tuple(known.unmeasured)})
    return report.model_copy(update={"comparison": compared(report, kept.reports)})


def _share(rung: Rung, limits: dict[str, Limit]) -> Share | None:
    """Rows come through a socket; files are written."""
    if rung.means is Means.FILES:
        return share_of(rung.rate, limits.get(RAM if rung.place is Place.MEMORY else DISK))
    return share_of(rung.rate, limits.get(SOCKET))


def _predictions(
    known: Known, keyring: Keyring | None, data: Data, ladder: tuple[Rung, ...], elsewhere: float
) -> tuple[Prediction, ...]:
    if known.newest is None:
        return ()
    found = opened(known.newest, keyring)
    manifest = found.manifest
    others = (data.origin, data.share) != (known.newest.id, 1.0)
    if manifest is None:
        why = found.reason or "its manifest could not be read"
    elif others and data.text_bytes < ENOUGH:
        why = f"{size_text(data.text_bytes)} are too little to predict another amount by"
    elif others and max(bytes_of(manifest)) < ENOUGH:
        why = "it is so small that a server's start takes most of the time"
    elif others and elsewhere > DISTURBED:
        why = f"other processes took {elsewhere:.0%} of the cores while other data were measured"
    else:
        return predictions(manifest.id, *bytes_of(manifest), ladder, found.restored_in)
    known.unmeasured.append(Unmeasured(what=f"how long a restore of {known.newest.id} takes", reason=why))
    return ()
