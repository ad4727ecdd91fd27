"""gRPC by hand: HTTP/2 frames that say what the test says, true or not.

Headers go out as literals, so nothing of HPACK's tables is needed; of the answer only ``grpc-status`` is looked for,
which the server's first answer on a connection spells out.
"""

import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress

from tests.programs import HOST

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
END_STREAM = 1
_END_HEADERS = 4
PATH = "/inference.GRPCInferenceService/ModelInfer"


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def opening(path: str = PATH, timeout: str = "") -> bytes:
    """What a connection begins with, and the headers of a call."""
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, b"") + headers(1, path, timeout)


def headers(stream: int, path: str = PATH, timeout: str = "") -> bytes:
    """The headers of a call on a stream of an open connection."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")]
    fields += [("content-type", "application/grpc"), ("te", "trailers")]
    fields += [("grpc-timeout", timeout)] if timeout else []
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
    return frame(_HEADERS, _END_HEADERS, stream, block)


def data(body: bytes, last: bool = False) -> bytes:
    """A piece of the message; ``last`` ends it."""
    return frame(_DATA, END_STREAM if last else 0, 1, body)


def prefixed(message: bytes, length: int | None = None, compressed: int = 0) -> bytes:
    """A message as gRPC frames it; ``length`` may lie."""
    return bytes([compressed]) + struct.pack(">I", len(message) if length is None else length) + message


def exchange(port: int, raw: Iterable[bytes], seconds: float = 5) -> str:
    """Send the pieces, read until the call or the connection ends; its ``grpc-status``, "" when none came."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=seconds) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in raw:
                connection.sendall(piece)
        end = time.monotonic() + seconds
        with suppress(TimeoutError, ConnectionResetError):
            while (left := end - time.monotonic()) > 0 and b"grpc-status" not in answer:
                connection.settimeout(left)
                piece = connection.recv(65_536)
                if not piece:
                    break
                answer += piece
    _, found, rest = answer.partition(b"grpc-status")
    return rest[1 : 1 + rest[0]].decode() if found else ""


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
