"""A look at a request that still lies in the socket: what it is, whether it is all there, how long it can wait.

Used only while every thread is taken, by the loop, which must not be kept: a few searches in the bytes of the head.
What is not plain is taken for work and judged later by those who parse properly.
"""

import socket
from typing import NamedTuple

from app.api.urgency import read_timeout
from app.errors import InvalidInput
from app.telemetry.request_ids import is_harmless

MOST_BYTES = 65_536


_WORK = (b"/predict", b"/infer", b"/score", b"/invocations")
_PLAIN = (b"/predict", b"/infer")


class Glance(NamedTuple):
    """``size`` is how many bytes the whole request has, 0 when they are not all there; ``id`` its own, if it has one.

    ``work``: a prediction; anything else is answered however much work waits. ``seconds``: its timeout. ``plain``: of
    a protocol whose errors the loop can write. ``last``: the connection ends with it.
    """

    work: bool = True
    size: int = 0
    bulk: bool = False
    seconds: float | None = None
    id: str = ""
    path: str = ""
    last: bool = False
    plain: bool = False


def look(connection: socket.socket) -> Glance | None:
    """What there is to see; None when nothing has come yet.

    Raises:
        OSError: the connection is broken.
    """
    try:
        data = connection.recv(MOST_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    return read(data)


def read(data: bytes) -> Glance:
    """The same for bytes that were seen."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return Glance(work=bool(data))
    head = data[: end + 2].lower()
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    work = method == b"post" and (path.endswith(_WORK) or b"%" in path)
    length = _field(head, b"content-length")
    whole = end + 4 + int(length) if length.isdigit() and len(length) < 9 else end + 4 if not length else 0
    if whole > len(data) or b"\r\ntransfer-encoding:" in head or b"\r\nexpect:" in head or _is_odd(head):
        whole = 0
    return Glance(
        work,
        whole,
        _field(head, b"x-priority") == b"bulk",
        _seconds(_field(head, b"x-request-timeout")),
        _own_id(_field(data[: end + 2], b"x-request-id", head)),
        path.decode("latin-1"),
        _field(head, b"connection") == b"close" or b" http/1.1\r\n" not in head,
        path.endswith(_PLAIN),
    )


def _is_odd(head: bytes) -> bool:
    """Whether another parser might see the request end elsewhere than we do: then gunicorn's own shall judge."""
    lines = head.count(b"\r\n")
    folded = b"\r\n " in head or b"\r\n\t" in head
    spaced = b" :" in head or b"\t:" in head
    return head.count(b"\n") != lines or head.count(b"\r\ncontent-length:") > 1 or folded or spaced


def _field(data: bytes, name: bytes, lower: bytes | None = None) -> bytes:
    at = (lower or data).find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    return data[start : data.find(b"\r\n", start)].strip()


def _own_id(text: bytes) -> str:
    found = is_harmless(text.decode("latin-1"))
    return found[0] if found else ""


def _seconds(text: bytes) -> float | None:
    try:
        return read_timeout(text.decode("latin-1")) if text else None
    except InvalidInput:
        return None
