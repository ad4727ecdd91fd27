"""A small HTTP server that answers as it is told: refusals, waits, half answers, hang-ups, and then something good."""

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Self

from tests.programs import HOST

GOOD = {"prediction": 1.5, "model": "m", "model_version": "v1", "cached": False, "request_id": "r"}

Behaviour = Callable[[socket.socket], None]


def answer(status: int, body: Any, **headers: str) -> Behaviour:
    """A whole answer; the connection stays open."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    raw = "\r\n".join([*lines, "", ""]).encode() + data
    return lambda connection: connection.sendall(raw)


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""
    connection.close()


def half(connection: socket.socket) -> None:
    """Begin an answer and close in the middle of it."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    connection.close()


def silent(connection: socket.socket) -> None:
    """Take the question and say nothing for a while."""
    time.sleep(1.5)
    connection.close()


class MoodyServer:
    """Request number n gets ``behaviours[n]``, later ones the last of them. Remembers what was asked, and when."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = behaviours
        self._guard = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self.requests: list[tuple[float, bytes]] = []
        self.connections = 0

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    @property
    def waits(self) -> Sequence[float]:
        """Seconds between one request and the next."""
        times = [moment for moment, _ in self.requests]
        return [after - before for before, after in pairwise(times)]

    def header(self, name: str) -> list[str]:
        """What each request said in a header."""
        lines = [raw.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n") for _, raw in self.requests]
        wanted = f"{name.lower()}: "
        return [line[len(wanted) :] for request in lines for line in request if line.lower().startswith(wanted)]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, suppress(OSError):
            while raw := _request(connection):
                with self._guard:
                    self.requests.append((time.monotonic(), raw))
                    number = len(self.requests) - 1
                self._behaviours[min(number, len(self._behaviours) - 1)](connection)


def _request(connection: socket.socket) -> bytes:
    """One request with its body, b"" when the client has hung up."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
