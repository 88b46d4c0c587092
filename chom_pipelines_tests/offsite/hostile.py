"""A network between a client and a store that loses, cuts, delays and refuses at random: a proxy over HTTP."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
KINDS = ("lost", "unanswered", "cut", "late", "busy", "broken")
"""Not passed on; done and not answered; answered in part; answered after a while; 503; 500 after it was done.

There is "flipped" as well, of which a test asks by name: passed on with a bit changed.
"""


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: str, seed: int, share: float, kinds: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind)
        self.share = share
        self.kinds = kinds
        self.faults: dict[str, int] = {}
        self._random = random.Random(seed)  # noqa: S311  (no secret)
        self._lock = threading.Lock()

    def fault(self) -> str | None:
        """What happens to the next request."""
        with self._lock:
            if self._random.random() >= self.share:
                return None
            kind = self._random.choice(self.kinds)
            self.faults[kind] = self.faults.get(kind, 0) + 1
            return kind

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: whoever has hung up knows why."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def log_message(self, *_: object) -> None:
        """Nothing: a test that fails is easier to read."""

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault()
        if fault == "lost":
            self._hang_up()
            return
        if fault == "busy":
            self._answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
            return
        if fault == "flipped" and body:
            body = bytes((body[0] ^ 1,)) + body[1:]
        status, headers, answer = self._passed_on(body)
        if fault == "late":
            time.sleep(0.05)  # the delay is the fault
        if fault == "broken":
            self._answer(500, {}, b"<Error><Code>InternalError</Code></Error>")
        elif fault == "unanswered":
            self._hang_up()
        else:
            self._answer(status, headers, answer, cut=fault == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815  (as http.server calls them)

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.behind.hostname or "", self.server.behind.port)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if self.command == "HEAD":
                kept["Content-Length"] = answer.getheader("Content-Length") or "0"
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True


@contextmanager
def hostile(behind: str, seed: int, share: float, kinds: Sequence[str] = KINDS) -> Iterator[tuple[str, dict[str, int]]]:
    """The URL of a proxy that does something to that share of requests, and how often it has done what."""
    proxy = _Proxy(behind, seed, share, kinds)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}{proxy.behind.path}", proxy.faults
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
