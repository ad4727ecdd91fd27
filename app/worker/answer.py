"""Answers that leave whole.

As it comes, gunicorn sends the head of an answer and then its body. A worker that is killed in between has promised an
answer that nobody can ask for again: whoever waits has read the status. One piece also spares a system call, and with
it one change of threads.
"""

import socket
from collections.abc import Iterable
from functools import lru_cache
from time import time
from typing import Any

from gunicorn.http.message import TOKEN_RE
from gunicorn.http.wsgi import HEADER_VALUE_RE, Response
from gunicorn.util import http_date, is_hoppish

LARGEST_REST = 65_535
"""Bytes of a body that nobody wanted which are read nevertheless, so that the connection can go on."""


class Answer(Response):
    """Gunicorn's response, whose head leaves with the first of its body."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._head = b""
        self.begun = False

    def start_response(self, *args: Any) -> Any:
        """What the application says; the connection ends with an answer to a request that is not all there yet.

        What is missing would have to be waited for, by a thread, before the next request could be read.
        """
        write = super().start_response(*args)
        if self._is_early():
            self.force_close()
        return write

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """As gunicorn does; whether a name is one for it to act on is found out once for all answers."""
        kept: Any = self.headers
        for name, value in headers:
            if _is_plain(name) and HEADER_VALUE_RE.fullmatch(value):
                kept.append((name, value.strip(" \t")))
            else:
                super().process_headers([(name, value)])

    def default_headers(self) -> list[str]:
        """Gunicorn's own, with a date that is formatted once a second: that takes longer than all the rest."""
        version: Any = self.req.version
        kept = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        status = f"HTTP/{version[0]}.{version[1]} {self.status}\r\n"
        lines = [status, f"Server: {self.version}\r\n", _date(int(time())), f"Connection: {kept}\r\n"]
        return [*lines, "Transfer-Encoding: chunked\r\n"] if self.chunked else lines

    def send_headers(self) -> None:
        """Write the head, and keep it until there is something to send it with."""
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def sendfile(self, respiter: Any) -> bool:
        """A file goes from the kernel's hand to the kernel's hand; the head has to be there first."""
        self.send_headers()
        self._send(b"")
        return bool(super().sendfile(respiter))

    def close(self) -> None:
        """The end; an answer without a body is its head."""
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked else b"")

    def _emit_body(self, data: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _is_early(self) -> bool:
        """Whether some of the request's body has neither been read nor lies in the socket."""
        body: Any = self.req.body
        if body.failed or getattr(body.reader, "parser", None) is not None:
            return True
        missing: int = body.reader.length if hasattr(body.reader, "length") else 0
        return missing > 0 and missing > body.reader.unreader.buf.getbuffer().nbytes + _waiting(self.sock, missing)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head or data:
            self.begun = True
            self.sock.sendall(head + data if head else data)


def _waiting(connection: socket.socket, at_most: int) -> int:
    """Bytes that can be read without waiting."""
    if at_most > LARGEST_REST:
        return 0
    try:
        return len(connection.recv(at_most, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return 0


@lru_cache
def _is_plain(name: str) -> bool:
    return bool(TOKEN_RE.fullmatch(name)) and name.lower() not in {"content-length", "upgrade"} and not is_hoppish(name)


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {http_date(second)}\r\n"
