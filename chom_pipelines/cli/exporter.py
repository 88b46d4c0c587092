"""`chom exporter`: metrics of servers, backups and migrations for Prometheus."""

import logging
import os
import signal
import sys
import threading
from typing import Annotated

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import ConfigOption, JsonOption
from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.monitoring.exporting.exporter import Exporter, as_text
from chom_pipelines.monitoring.exporting.scraping import Scraper

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SWITCH = "ENABLE_METRICS"
"""The environment variable of the earlier scripts: `false` keeps the exporter from starting."""
_ON, _OFF = {"", "true", "1", "yes", "on"}, {"false", "0", "no", "off"}
_ONCE_SECONDS = 120.0
"""Nobody scrapes then who would give up."""
_log = logging.getLogger(__name__)


@app.command()
def exporter(
    *,
    config: ConfigOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="To listen on; 0: any that is free.")] = 9105,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="ADDRESS", help="Of this machine; 0.0.0.0 is all, and there is no password."),
    ] = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Print the metrics once, and end.", show_default=False)] = False,
    json: JsonOption = False,
) -> None:
    """Serve metrics of all servers at /metrics, and of one at /probe?target=NAME, until it is ended.

    Servers are read when Prometheus asks, on one connection each, within the time that Prometheus gives. What a server
    does not tell, as it is set up or to this account, has no series; chom_monitor_capability is 0 then, and the log has
    the statement that mends it. Of backups the repository is asked, whether or not Dagster or the server runs.

    ENABLE_METRICS=false ends it at once, with exit code 0.
    """
    switch = os.environ.get(SWITCH, "").strip().lower()
    if switch in _OFF:
        typer.echo(f"${SWITCH} is {switch}: there are no metrics")
        return
    if switch not in _ON:
        raise ConfigurationError(f"${SWITCH} is {switch!r}", "use true or false")
    scraper = Scraper(load_inventory(config))
    if once:
        typer.echo(as_text(scraper.scrape(scraper.names, _ONCE_SECONDS)), nl=False)
        return
    serving = Exporter(scraper, listen, port)
    where = f"http://{f'[{listen}]' if ':' in listen else listen}:{serving.server_port}/metrics"
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever(), which this thread runs
        signal.signal(number, lambda *_: threading.Thread(target=serving.shutdown).start())
    if json:
        output.document("exporter", {"url": where, "servers": scraper.names})
        sys.stdout.flush()  # who has started it waits for the address
    _log.info("metrics of %s are at %s", ", ".join(scraper.names), where)
    with serving:
        serving.serve_forever()
