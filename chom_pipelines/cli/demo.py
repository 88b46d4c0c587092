"""`chom demo`: everything at once, on a private server, before your eyes."""

import os
import re
import select
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from chom_pipelines.cli import backup_output, output
from chom_pipelines.cli.options import JsonOption
from chom_pipelines.demo import accident, evidence, orchestration
from chom_pipelines.demo.place import SERVER, Place, demo_place
from chom_pipelines.demo.server import shop_server
from chom_pipelines.demo.workload import Workload, workload
from chom_pipelines.errors import DemonstrationFailedError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.opening import existing_repository, keyring_of
from chom_pipelines.repository.listing import OpenedEntry, opened
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.proof import Level, Proof

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_BACKUP, _VERIFICATION = "full_backup", "verification_restore"
_POLL_SECONDS = 1.0
_DIGITS = 12
_INDENT = 11


@app.command()
def demo(
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keeps repository, keys and Dagster's history there; else all of it is removed at the end.",
            show_default=False,
        ),
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Do not start Dagster's UI.", show_default=False)] = False,
    json: JsonOption = False,
) -> None:
    """Back up, prove and restore a sample shop while its customers go on ordering.

    A private MariaDB, an account with the least privileges, a backup and a verification restore as Dagster runs, a
    restore beside the live database and a comparison by the server itself. Then an accident: rows are deleted, the
    statement is found in the archived binary log, and what was before it is restored. Last, Dagster's UI shows it all.
    In a terminal it stays until Enter or Ctrl-C; elsewhere its answer is checked and it ends. Nothing of this touches
    another server, and exit code 0 means that every step was seen to succeed.
    """
    steps = _Steps()
    with ExitStack() as stack:
        place = stack.enter_context(demo_place(directory))
        seen = _performed(stack, place, steps)
        if not json:
            _print_tables(seen)
        runs: list[str] = []
        if not no_ui:
            with steps.step("Dagster's UI lists both runs") as say:
                ui = stack.enter_context(orchestration.ui(place))
                runs = ui.succeeded([_BACKUP, _VERIFICATION], seen.began.timestamp())
                say(f"{ui.url}/runs")
            if not json and sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI"):
                _wait(ui, seen.customers, place)
        seen.customers.refuse_if_it_failed()
    if json:
        output.document("demo", _document(seen, runs))
    elif place.kept:
        typer.echo(f"{place.directory} keeps the repository, its keys and Dagster's history; the server is gone.")


@dataclass(frozen=True)
class _Seen:
    """What there is to show."""

    began: datetime
    found: OpenedEntry
    manifest: Manifest
    basic: Proof
    full: Proof
    restored: evidence.Restored
    deleted: int
    undone: accident.Undone
    ordered: int
    customers: Workload


class _Steps:
    """Says what is going on, on stderr: a spinner in a terminal, then a line for what is done."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str) -> Iterator["_Said"]:
        """Time a step; it is said to be done only if nothing was raised."""
        said, began = _Said(), time.monotonic()
        with self._console.status(f"{title} …"):
            yield said
        line = Text.assemble(("✓ ", "green"), title, *(f": {text}" for text in said.texts))
        line.append(f"  {output.duration(time.monotonic() - began)}", style="dim")
        self._console.print(line, soft_wrap=not self._console.is_terminal)


@dataclass
class _Said:
    texts: list[str] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        self.texts.append(text)


def _performed(stack: ExitStack, place: Place, steps: _Steps) -> _Seen:
    began = datetime.now(UTC)
    day = f"{began:%Y-%m-%d}"
    with steps.step("A private server with a shop") as say:
        server = stack.enter_context(shop_server(place))
        say(server.facts.label)
    inventory = load_inventory(place.config)
    with steps.step("chom check") as say:
        say(f"{len(evidence.preflight(inventory))} findings, none failed")
    customers = stack.enter_context(workload(server.endpoint))
    with steps.step(f"Dagster's run of {SERVER}/{_BACKUP}") as say:
        before = customers.orders
        orchestration.materialize(place, _BACKUP, day)
        ordered = customers.orders - before
        repository = existing_repository(inventory.repository)
        keyring = keyring_of(inventory.repository, inventory.server().backup)
        entry = evidence.backup_since(repository, began)
        basic = evidence.passed_proof(entry, keyring, Level.BASIC)
        say(entry.id)
    with steps.step(f"Dagster's run of {SERVER}/{_VERIFICATION}") as say:
        orchestration.materialize(place, _VERIFICATION, day)
        full = evidence.passed_proof(entry, keyring, Level.FULL)
        say(backup_output.compared(full))
    with steps.step("A restore beside the live shop") as say:
        restored = evidence.restored_beside(entry, keyring, server.endpoint)
        say(f"{evidence.COPY}, {len(restored.answers)} comparisons hold")
    with steps.step("An accident: DELETE without WHERE, while customers order") as say:
        happened = accident.happen(server.endpoint, customers)
        say(f"{happened.rows:,} rows of {accident.TABLE} are gone")
    with steps.step("chom backup --type incremental") as say:
        archived = accident.archived(inventory)
        say(f"{sum(each.transactions for each in archived.new):,} transactions of the binary log archived")
    with steps.step("chom events finds it") as say:
        event = accident.found(inventory, happened, archived)
        say(f"{event.time:%H:%M:%S} UTC, {event.before}")
    with steps.step(f"chom restore --before {event.before}") as say:
        undone = accident.undone(inventory, event, happened, server.endpoint)
        count = undone.recovered.transactions
        say(f"{count:,} transactions replayed, {len(undone.equal)} tables are what they were just before")
    customers.refuse_if_it_failed()
    if not ordered:
        raise DemonstrationFailedError("no customer ordered while the backup was taken", "run it again")
    manifest = entry.manifest(keyring)
    listed = opened(entry, keyring)
    return _Seen(
        began, listed, manifest, basic, full, restored, happened.rows, undone, ordered=ordered, customers=customers
    )


_UNIT = re.compile(r"(?<=\d) (?=(?:s|min|[kMG]?B)\b)")
"""The space between a number and its unit, at which no line is broken."""


def _print_tables(seen: _Seen) -> None:
    """What was backed up, proved and restored, table by table; then how."""
    manifest, restored = seen.manifest, seen.restored
    tables = [
        (
            table.name,
            f"{table.rows:,}",
            output.size(table.bytes),
            table.digest[:_DIGITS],
            "equal",
            f"{restored.rows[table.name]:,}",
        )
        for table in manifest.logical.tables
    ]
    columns = ("table", "rows>", "text>", "SHA-256", "proved", "restored>")
    title = f"\n{manifest.id} of {manifest.server}"
    output.table(columns, tables, title=title, styles={"equal": "green"})
    for label, text in (
        ("backed up", f"{backup_output.summary(manifest)}, in {output.duration(manifest.seconds)}"),
        ("meanwhile", f"{seen.ordered} orders were placed during that run"),
        ("read back", backup_output.verdict(seen.basic)),
        ("proved", backup_output.verdict(seen.full)),
        ("restored", f"as {evidence.COPY} beside the live shop, in {output.duration(restored.seconds)}"),
        ("compared", f"{len(restored.answers)} questions to the server about both, nothing against the copy"),
        ("accident", f"{seen.deleted:,} rows of {accident.TABLE} deleted; found in the archive: {_accident(seen)}"),
        ("undone", f"as {accident.BEFORE} in {output.duration(seen.undone.seconds)}, {_undone(seen)}"),
    ):
        typer.echo(
            textwrap.fill(
                _UNIT.sub("\u00a0", text),
                shutil.get_terminal_size().columns,
                initial_indent=f"{label}: ".ljust(_INDENT),
                subsequent_indent=" " * _INDENT,
            )
        )
    typer.echo()


def _accident(seen: _Seen) -> str:
    event = seen.undone.event
    return f"at {event.before}, of {event.time:%H:%M:%S} UTC"


def _undone(seen: _Seen) -> str:
    replayed, equal = seen.undone.recovered.transactions, len(seen.undone.equal)
    return f"{replayed:,} transactions replayed; {equal} tables are by the server's own sums what they were before it"


def _document(seen: _Seen, runs: list[str]) -> dict[str, Any]:
    return {
        "outcome": "passed",
        "backup": backup_output.as_json(seen.found),
        "orders_meanwhile": seen.ordered,
        "restored": {**vars(seen.restored.result), "seconds": seen.restored.seconds, "counted": seen.restored.rows},
        "comparisons": [vars(answer) for answer in seen.restored.answers],
        "accident": {"deleted": seen.deleted, "place": seen.undone.event.before},
        "undone": {
            "seconds": seen.undone.seconds,
            "transactions": seen.undone.recovered.transactions,
            "tables_equal": seen.undone.equal,
        },
        "dagster_runs": runs,
    }


def _wait(ui: orchestration.Ui, customers: Workload, place: Place) -> None:
    """Until the person has seen enough; raises what ends the UI or the customers meanwhile."""
    typer.echo(f"\nDagster's UI: {ui.url}")
    typer.echo(f"in another terminal: chom backups --config {place.config}")
    typer.echo("Enter or Ctrl-C ends it" + ("." if place.kept else " and removes everything."))
    try:
        while not select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            ui.refuse_if_it_ended()
            customers.refuse_if_it_failed()
    except KeyboardInterrupt:
        typer.echo()
