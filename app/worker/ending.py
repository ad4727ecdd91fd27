"""How a connection ends: refused in our words, and closed so that the client can read them."""

import socket
from contextlib import suppress
from http import HTTPStatus
from time import monotonic

from app.api.errors import problem_document

LINGER_SECONDS = 1.0
"""How long a client may take to read an answer and hang up before the connection is taken from it."""


def refusal(status: int, reason: str, request_id: str | None) -> bytes:
    """A whole answer to what never became a request."""
    phrase = HTTPStatus(status).phrase
    detail = reason if status < 500 else "Something went wrong here. Quote the request_id when you report it."
    body = problem_document(status, phrase.lower().replace(" ", "-"), detail, request_id)
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nX-Request-ID: {request_id}\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def hang_up(connection: socket.socket) -> None:
    """Close after the client did, or soon: closing with bytes unread would reset the connection and lose the answer."""
    deadline = monotonic() + LINGER_SECONDS
    with suppress(OSError), connection:
        connection.shutdown(socket.SHUT_WR)
        while (left := deadline - monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                return
