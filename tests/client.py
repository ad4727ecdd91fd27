"""A small HTTP client that sends exactly the bytes it is given, and reads JSON as strictly as the standard says."""

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPResponse
from typing import Any, NoReturn

MAX_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back. ``headers`` has lower-case names; ``seconds`` runs from the first byte out to the last one in.

    ``sent`` is the whole request, where one was sent for this answer alone.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    sent: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as strict JSON: UTF-8, no NaN or Infinity, no name twice."""
        return strict_json(self.body)


def strict_json(raw: bytes) -> Any:
    """Parse as RFC 8259 has it; ``json`` alone would let NaN, Infinity and equal names pass."""
    return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_distinct)


def message(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole request. A header given as an empty string is left out, so a default can be taken away."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Host": "localhost", "Connection": "close"}
    if body is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    fields |= dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data


def exchange(host: str, port: int, raw: bytes, timeout: float = 30) -> Answer:
    """Send the bytes on a new connection and read one answer.

    The answer may come, and the connection close, before everything was sent: a server need not read what it refuses.
    """
    with socket.create_connection((host, port), timeout=timeout) as connection:
        started = time.perf_counter()
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(raw)
        return replace(read_answer(connection, raw.partition(b" ")[0].decode("latin-1"), started), sent=raw)


def read_answer(connection: socket.socket, method: str = "GET", started: float | None = None) -> Answer:
    """Read one answer from an open connection."""
    begun = time.perf_counter() if started is None else started
    with HTTPResponse(connection, method=method) as response:
        response.begin()
        body = response.read(MAX_ANSWER)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body, time.perf_counter() - begun)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members
