"""Gunicorn's threaded worker, hardened: clients that stall are let go, and its own refusals have our error shape.

As it comes, a request thread waits without end for a body that never arrives, and the loop that accepts connections
itself waits up to two seconds for each client that does not hang up: eight of the one kind or a handful of the other
stop a worker.
"""

import socket
import struct
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from random import getrandbits
from time import monotonic
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from app.api.errors import problem_document
from app.telemetry.logs import logger, request_id

STALL_SECONDS = 5
"""How long a request thread waits for the next byte from a client, or for room to send it one."""

LINGER_SECONDS = 1.0
"""How long a client may take to read an answer and hang up before the connection is taken from it."""

_STATUS = {LimitRequestLine: 414, ExpectationFailed: 417, LimitRequestHeaders: 431}
_log = logger("sluice.worker")


class ServerLog(Logger):
    """Gunicorn's log without its access log: ours is written by ``api.hooks``, and gunicorn formats what it drops."""

    access_log_enabled = False


class Worker(ThreadWorker):
    """One process: a loop that accepts, threads that answer."""

    def run(self) -> None:
        """Bound every wait on a client, then serve. Connections inherit the bound from the socket they came through."""
        for listener in self.sockets:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALL_SECONDS, 0))
        _log.info("worker_ready", pid=self.pid)
        super().run()

    def handle(self, conn: Any) -> Any:
        """Answer one request; a connection that ends with it is closed here, by a request thread."""
        outcome = super().handle(conn)
        request_id.set(None)
        if outcome is False:
            _hang_up(conn.sock)
            conn.hung_up = True
        return outcome

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        """Back in the loop: only a connection that goes on needs anything done."""
        if hasattr(conn, "hung_up"):
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Refuse what never became a request: bad framing, bad headers, too long a line."""
        request_id.set(f"{getrandbits(128):032x}")
        status = _STATUS.get(type(exc), 400) if isinstance(exc, ParseException) else 500
        if status == 500:
            _log.error("request_crashed", error=type(exc).__name__, exc_info=exc)
        else:
            _log.warning("request_malformed", status=status, reason=str(exc)[:200], client=addr[0] if addr else "")
        with suppress(OSError):
            client.sendall(_refusal(status, str(exc)[:200]))


def _refusal(status: int, reason: str) -> bytes:
    phrase = HTTPStatus(status).phrase
    detail = reason if status < 500 else "Something went wrong here. Quote the request_id when you report it."
    body = problem_document(status, phrase.lower().replace(" ", "-"), detail, request_id.get())
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nX-Request-ID: {request_id.get()}\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _hang_up(connection: socket.socket) -> None:
    """Close after the client did, or soon: closing with bytes unread would reset the connection and lose the answer."""
    deadline = monotonic() + LINGER_SECONDS
    with suppress(OSError), connection:
        connection.shutdown(socket.SHUT_WR)
        while (left := deadline - monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                return
