"""``/metrics`` of the gRPC door: a port of its own, where any process answers for all of them, behind the same gate."""

import socket
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any

from app.errors import Forbidden, QuotaExceeded, SluiceError, Unauthenticated
from app.gateway.caller import EVERY_MODEL, Credentials
from app.gateway.gate import Gate
from app.telemetry.prometheus import Prometheus

SCOPE = "metrics:read"
PATIENCE_S = 5
"""How long a scraper may take to say what it wants."""

_STATUS = {
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
}


class _Listener(ThreadingTCPServer):
    """Shares its port with the other processes. The library's HTTP server would ask the name service who it is."""

    allow_reuse_address = True
    allow_reuse_port = True
    daemon_threads = True

    def __init__(self, host: str, port: int, answer: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), answer)

    def handle_error(self, *_: Any) -> None:
        """A scraper that hangs up is no news."""


class _Scrape(BaseHTTPRequestHandler):
    """One question, one answer, and the connection ends."""

    timeout = PATIENCE_S
    server_version, sys_version = "sluice", ""

    def __init__(self, gate: Gate, prometheus: Prometheus, *args: Any) -> None:
        self._gate = gate
        self._prometheus = prometheus
        super().__init__(*args)

    def do_GET(self) -> None:
        """The numbers, or why not."""
        if self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"Only /metrics is here.\n")
            return
        try:
            self._gate.admit(self._credentials(), SCOPE, EVERY_MODEL)
        except SluiceError as error:
            status = _STATUS.get(type(error), HTTPStatus.SERVICE_UNAVAILABLE)
            self._answer(status, f"{error}\n".encode())
            return
        self._answer(HTTPStatus.OK, *self._prometheus.render(self.headers.get("Accept", "")))

    def _credentials(self) -> Credentials:
        key, authorization = self.headers.get("X-API-Key"), self.headers.get("Authorization")
        return Credentials.shown(key, authorization, str(self.client_address[0]))

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are no requests of anybody's model."""


def show_metrics(gate: Gate, prometheus: Prometheus, host: str, port: int) -> None:
    """Answer scrapes from a thread of its own, until the process ends.

    Raises:
        OSError: the address cannot be bound.
    """
    listener = _Listener(host, port, partial(_Scrape, gate, prometheus))
    Thread(target=listener.serve_forever, name="metrics-scrapes", daemon=True).start()
