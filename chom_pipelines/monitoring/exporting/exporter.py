"""Metrics over HTTP: /metrics of all servers, /probe?target=NAME of one."""

from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Callable, Sequence
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.monitoring.exporting.exposition import Exposition
from chom_pipelines.monitoring.exporting.scraping import Scraper

PATIENCE = 10.0
"""Seconds for a scrape that does not say how long it may take: Prometheus' own default."""
_MOST_PATIENCE = 600.0
_MARGIN = 0.5
"""Of the time that Prometheus waits: for the answer's way."""
_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_PAGE = """<!DOCTYPE html>
<html lang="en"><title>chom exporter</title><h1>chom exporter</h1>
<p><a href="/metrics">/metrics</a>: all servers</p>
<ul>{probes}</ul>
"""
_SLOW_CLIENT_SECONDS = 30
_TEXT = "text/plain; charset=utf-8"
_log = logging.getLogger(__name__)


class Exporter(ThreadingHTTPServer):
    """Serves until `shutdown()`. Raises ConfigurationError where it cannot listen there."""

    daemon_threads = True

    def __init__(self, scraper: Scraper, listen: str, port: int) -> None:
        self.scraper = scraper
        self.address_family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        try:
            super().__init__((listen, port), _Handler)
        except OSError as refused:
            what = f"the exporter cannot listen on {listen}:{port}: {refused.strerror}"
            raise ConfigurationError(what, "name another --port or --listen, or stop what listens there") from refused

    def handle_error(self, request: object, client_address: object) -> None:
        """One line: a client that went away is no news."""
        del request
        _log.info("a request of %s was not answered", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Exporter
    timeout = _SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        pages: dict[str, Callable[[], None]] = {
            "/": self._page,
            "/metrics": lambda: self._metrics(self.server.scraper.names),
            "/-/healthy": lambda: self._answer(HTTPStatus.OK, _TEXT, b"ok\n"),
            "/probe": lambda: self._probe(parse_qs(address.query).get("target", [])),
        }
        page = pages.get(address.path, self._nothing)
        try:
            page()
        except OSError:  # the client has gone
            raise
        except Exception:  # noqa: BLE001  (whoever asks is told, and so is the log)
            _log.exception("%s was not answered: a defect", address.path)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"a defect, which is in the log\n")

    def _nothing(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"there is /metrics, and /probe?target=NAME\n")

    def _page(self) -> None:
        names = self.server.scraper.names
        probes = "".join(f'<li><a href="/probe?target={quote(name)}">{escape(name)}</a></li>\n' for name in names)
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.format(probes=probes).encode())

    def _probe(self, targets: Sequence[str]) -> None:
        names = self.server.scraper.names
        if len(targets) == 1 and targets[0] in names:
            self._metrics(targets)
            return
        status = HTTPStatus.NOT_FOUND if len(targets) == 1 else HTTPStatus.BAD_REQUEST
        said = f"name one server, as in /probe?target={names[0]}; chom.yaml has: {', '.join(names)}\n"
        self._answer(status, _TEXT, said.encode())

    def _metrics(self, names: Sequence[str]) -> None:
        told = self.server.scraper.scrape(names, self._patience())
        self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, as_text(told))

    def _patience(self) -> float:
        try:
            seconds = float(self.headers.get(_HEADER, PATIENCE))
        except ValueError:
            seconds = PATIENCE
        if not 0 < seconds <= _MOST_PATIENCE:  # nor is it, where it is no number
            seconds = PATIENCE
        return max(seconds - _MARGIN, _MARGIN)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        zipped = "gzip" in self.headers.get("Accept-Encoding", "")
        if zipped:
            body = gzip.compress(body, compresslevel=1)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
        """Every scrape is a request: they are told to who debugs alone."""
        _log.debug(format, *args)


class _Once(Collector):
    """What one scrape has told."""

    def __init__(self, told: Exposition) -> None:
        self._told = told

    def collect(self) -> list[Metric]:
        return list(self._told.families())


def as_text(told: Exposition) -> bytes:
    """In Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(told))
    return generate_latest(registry)
