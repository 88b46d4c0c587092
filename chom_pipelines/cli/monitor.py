"""`chom monitor`: a live view of a server and of what it could be restored from."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption, ServerOption
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.monitoring.console.looking import Look, Looker, Screen
from chom_pipelines.monitoring.console.looks_as_json import lacks as lacks_json
from chom_pipelines.monitoring.console.watching import Watching
from chom_pipelines.monitoring.readers.session import monitoring_session

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EVERY = "2"
"""Seconds, where --watch comes without a number."""
_LEAST = 0.2
_WIDE = 160
"""Columns where nobody says how wide it is."""


class _WatchMayComeAlone(TyperCommand):
    """Reads `--watch` without a number as `--watch 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  (Typer's)
        words = []
        for place, word in enumerate(args):
            words.append(word)
            following = args[place + 1] if place + 1 < len(args) else "-"
            if word == "--watch" and not following[:1].isdigit() and not following.startswith("."):
                words.append(_EVERY)
        return super().parse_args(ctx, words)


@app.command(cls=_WatchMayComeAlone)
def monitor(
    *,
    config: ConfigOption = None,
    server: ServerOption = None,
    screen: Annotated[Screen, typer.Option("--type", help="What to look at.")] = Screen.OVERVIEW,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch", metavar="[S]", min=_LEAST, help="Look again every S seconds, or every 2.", show_default=False
        ),
    ] = None,
    slow: Annotated[
        float, typer.Option("--slow", metavar="MS", min=0, help="Of queries: those that run for so long at least.")
    ] = 1000,
    literals: Annotated[
        bool,
        typer.Option("--literals", help="Show what users wrote into running statements, as it is.", show_default=False),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Look at a server: what it does, who waits for whom, what takes its time, what it could be restored from.

    Nothing is changed, no table of anybody's is opened, and every question ends after seconds. What the account or
    the server's settings do not tell is "not known", with the statement that mends it. Statements are shown without
    the values in them.

    Exit code 1 where something is beyond a threshold of chom.yaml: slow queries or the buffer pool's hit rate in the
    overview, the age and exposure of backups in the overview and in backups; or where the server cannot be asked. 3
    where something that was asked for is not known; else 0. With --watch 0, at Ctrl-C.
    """
    if json and watch is not None:
        raise ConfigurationError("--json is of one look, and --watch of many", "leave one of them out")
    inventory = load_inventory(config)
    one = inventory.server(server)
    looker = Looker(inventory, one, screen, slow / 1000, literals, is_watching=watch is not None)
    if watch is not None:
        _watch(Watching(looker), watch)
        raise typer.Exit(0)
    with ExitStack() as stack:
        session = facts = None
        if screen.needs_server:
            session, facts = monitoring_session(one.endpoint())
            stack.callback(session.close)
        look = looker.look(session, facts)
    label = facts.label if facts else None
    if json:
        _document(looker, look, label)
    else:
        from chom_pipelines.monitoring.console.screens import drawn

        _console().print(drawn(one.name, screen.value, look, label))
    raise typer.Exit(output.EXIT_CODES[look.outcome])


def _document(looker: Looker, look: Look, label: str | None) -> None:
    output.document(
        "monitor",
        {
            "server": looker.server.name,
            "type": looker.screen.value,
            "at": look.at.isoformat(),
            "version": label,
            "uptime_seconds": look.uptime,
            "outcome": look.outcome.value,
            "lacks": lacks_json(look.lacks),
            **look.document,
        },
    )


def _console() -> Any:  # noqa: ANN401  (rich is imported when something is drawn)
    from rich.console import Console

    is_known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if is_known else _WIDE, highlight=False)


def _watch(watching: Watching, seconds: float) -> None:
    """Until Ctrl-C: on a terminal in place, elsewhere one below the other."""
    from rich.live import Live

    console = _console()
    try:
        if not console.is_terminal:
            while True:
                console.print(watching.next(datetime.now(UTC)))
                console.print()
                sys.stdout.flush()
                time.sleep(seconds)  # as --watch asks
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(watching.next(datetime.now(UTC)), refresh=True)
                time.sleep(seconds)  # as --watch asks
    except KeyboardInterrupt:
        pass
    finally:
        watching.close()
