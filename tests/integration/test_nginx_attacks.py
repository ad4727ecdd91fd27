"""Clients that stall, and requests that two readers might read differently: nginx and the server agree, or refuse."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.certificates import self_signed
from tests.client import message
from tests.front import GENEROUS, Front
from tests.models import linear
from tests.programs import HOST, wait_until
from tests.servers import Server

PREDICT = "/v1/models/linear/predict"
BODY = b'{"features": [1, 2]}'
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""What an attacker would like to be taken for a request of its own."""


@dataclass(frozen=True)
class Stack:
    """The server, and nginx before it with and without TLS."""

    server: Server
    front: Front
    secure: Front


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("attacks")
    repository = Repository(folder / "models")
    linear().add(repository)
    with ExitStack() as running:
        server = running.enter_context(Server(folder / "server", {"SLUICE_TRUSTED_PROXIES": HOST}, repository.root))
        behind = [f"{HOST}:{server.port}"]
        front = running.enter_context(Front(folder / "plain", behind, *GENEROUS))
        tls = self_signed(folder)
        yield Stack(server, front, running.enter_context(Front(folder / "secure", behind, *GENEROUS, tls=tls)))


def server_rows(server: Server) -> list[dict[str, object]]:
    """Everything the server says it was asked, understood or not."""
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{") and line.endswith("}")]
    return [line for line in lines if line["event"] in ("request", "request_malformed", "request_crashed")]


def settled(stack: Stack) -> tuple[int, int]:
    """How many rows nginx and the server have, once no more come."""
    before = (-1, -1)
    while (now := (len(stack.front.rows()) + len(stack.secure.rows()), len(server_rows(stack.server)))) != before:
        before = now
        time.sleep(0.1)
    return before


def head(*lines: bytes, method: bytes = b"POST") -> bytes:
    return b"\r\n".join([method + b" " + PREDICT.encode() + b" HTTP/1.1", b"Host: localhost", *lines]) + b"\r\n\r\n"


JSON = b"Content-Type: application/json"
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
HIDDEN_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
H2C = (b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)

MALFORMED: dict[str, bytes] = {
    # Length against chunks
    "CL.TE": head(JSON, b"Content-Length: %d" % (len(CHUNKS) + len(HIDDEN)), CHUNKED) + CHUNKS + HIDDEN,
    "CL.TE ending early": head(JSON, b"Content-Length: 6", CHUNKED) + b"0\r\n\r\nG" + HIDDEN,
    "TE.CL": head(JSON, CHUNKED, b"Content-Length: 4") + HIDDEN_CHUNK,
    "TE.CL with length first": head(b"Content-Length: 4", CHUNKED, JSON) + HIDDEN_CHUNK,
    "TE twice": head(JSON, CHUNKED, CHUNKED) + CHUNKS,
    "TE chunked and identity": head(JSON, CHUNKED, b"Transfer-Encoding: identity", LENGTH) + CHUNKS + HIDDEN,
    "TE list": head(JSON, b"Transfer-Encoding: gzip, chunked", LENGTH) + CHUNKS,
    "TE misspelt": head(JSON, b"Transfer-Encoding: xchunked", LENGTH) + BODY + HIDDEN,
    "TE quoted": head(JSON, b'Transfer-Encoding: "chunked"', LENGTH) + CHUNKS,
    "TE with vertical tab": head(JSON, b"Transfer-Encoding: \x0bchunked", LENGTH) + CHUNKS,
    "TE with space before colon": head(JSON, b"Transfer-Encoding : chunked", LENGTH) + CHUNKS + HIDDEN,
    "TE folded": head(JSON, b"Transfer-Encoding:\r\n chunked", LENGTH) + CHUNKS,
    "TE by underscore": head(JSON, b"Transfer_Encoding: chunked", LENGTH) + BODY,
    "TE in HTTP/1.0": (head(JSON, CHUNKED, LENGTH) + CHUNKS + HIDDEN).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "TE behind bare CR": head(JSON, b"X: a\rTransfer-Encoding: chunked", LENGTH) + CHUNKS,
    # Lengths that are none, or several
    "CL twice, different": head(JSON, b"Content-Length: 0", LENGTH) + BODY,
    "CL twice, equal": head(JSON, LENGTH, LENGTH) + BODY,
    "CL list": head(JSON, b"Content-Length: %d, %d" % (len(BODY), len(BODY))) + BODY,
    "CL negative": head(JSON, b"Content-Length: -1") + BODY,
    "CL signed": head(JSON, b"Content-Length: +%d" % len(BODY)) + BODY,
    "CL hexadecimal": head(JSON, b"Content-Length: 0x14") + BODY,
    "CL with underscore": head(JSON, b"Content-Length: 2_0") + BODY,
    "CL huge": head(JSON, b"Content-Length: 99999999999999999999999999") + BODY,
    "CL empty": head(JSON, b"Content-Length:") + BODY,
    "CL with space before colon": head(JSON, b"Content-Length : %d" % len(BODY)) + BODY,
    "CL on a GET, hiding another": head(b"Content-Length: %d" % len(HIDDEN), method=b"GET") + HIDDEN,
    # Chunks
    "chunk size negative": head(JSON, CHUNKED) + b"-1\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with 0x": head(JSON, CHUNKED) + b"0x14\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size huge": head(JSON, CHUNKED) + b"fffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size empty": head(JSON, CHUNKED) + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk too short": head(JSON, CHUNKED) + b"5\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "chunk extension": head(JSON, CHUNKED) + b'14;a="0\r\n' + BODY + b"\r\n0\r\n\r\n",
    "chunk extension with bare LF": head(JSON, CHUNKED) + b"14;\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "chunk ended by bare LF": head(JSON, CHUNKED) + b"14\n" + BODY + b"\n0\n\n",
    "chunk trailer as header": head(JSON, CHUNKED) + b"14\r\n" + BODY + b"\r\n0\r\nContent-Length: 50\r\n\r\n",
    # Lines and names
    "folded header": head(JSON, b"X-Long: a\r\n b", LENGTH) + BODY,
    "folded first header": head(JSON, LENGTH).replace(b"Host", b" Host") + BODY,
    "bare LF all along": head(JSON, LENGTH).replace(b"\r\n", b"\n") + BODY,
    "bare CR": head(JSON, b"X-A: a\rb", LENGTH) + BODY,
    "NUL in a value": head(JSON, b"X-A: a\0b", LENGTH) + BODY,
    "NUL in a name": head(JSON, b"X\0A: a", LENGTH) + BODY,
    "name with a space": head(JSON, b"X A: a", LENGTH) + BODY,
    "no colon": head(JSON, b"nonsense", LENGTH) + BODY,
    "empty name": head(JSON, b": a", LENGTH) + BODY,
    "two hosts": head(JSON, b"Host: other", LENGTH) + BODY,
    "host with a path": head(JSON, LENGTH).replace(b"localhost", b"localhost/hidden") + BODY,
    # First lines
    "absolute address": head(JSON, LENGTH).replace(b" /", b" http://other/", 1) + BODY,
    "address with a space": b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two spaces": b"GET  /health  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "lower-case method": b"get /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "method with a slash": b"GET/ /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n",
    "HTTP/1.9": b"GET /health HTTP/1.9\r\nHost: localhost\r\n\r\n",
    "HTTP/2.0 in words": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
    "a line ending in the address": b"GET /health%0d%0aX:%20y HTTP/1.1\r\nHost: localhost\r\n\r\n",
    # Another protocol
    "HTTP/2 without TLS": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "upgrade to h2c": head(JSON, LENGTH, b"Connection: Upgrade, HTTP2-Settings", *H2C) + BODY + HIDDEN,
    "upgrade to websocket": head(b"Connection: Upgrade", b"Upgrade: websocket", method=b"GET"),
    "expectation of something else": head(JSON, LENGTH, b"Expect: 200-ok") + BODY,
    "connection names a header": head(JSON, LENGTH, b"Connection: close, Content-Length") + BODY,
    "PROXY protocol": b"PROXY TCP4 203.0.113.9 127.0.0.1 1 80\r\n" + head(JSON, LENGTH) + BODY,
    "TLS on the plain port": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 32,
}  # fmt: skip


def answers_to(port: int, raw: bytes) -> int:
    """How many answers come before nginx hangs up, or says nothing for a while."""
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(raw)
        received = b""
        connection.settimeout(0.7)
        with suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    return received.count(b"HTTP/1.1 ") + (1 if received and not received.startswith(b"HTTP/") else 0)


def test_there_are_more_than_thirty() -> None:
    assert len(MALFORMED) >= 60


@pytest.mark.parametrize("name", MALFORMED)
def test_one_answer_and_one_row_for_each_request(stack: Stack, name: str) -> None:
    nginx_before, server_before = settled(stack)
    answers = answers_to(stack.front.port, MALFORMED[name])
    nginx_after, server_after = settled(stack)
    rows = server_rows(stack.server)[server_before:]
    assert nginx_after - nginx_before == answers, "nginx has one row for each answer"
    passed_on = [row for row in stack.front.rows()[-answers:] if row["upstream"]] if answers else []
    assert len(rows) == len(passed_on), "the server has one row for each that nginx passed on"
    assert all(row["event"] == "request" for row in rows), "what is passed on is well-formed"
    hidden = [row for row in rows if row["path"] == "/hidden"]
    if hidden:
        assert answers == 2, "if the second was a request at all, it has its own answer"
    assert server_after == server_before + len(rows)


def test_the_next_on_the_same_connection_to_the_server_gets_its_own_answer(stack: Stack) -> None:
    """A request that left bytes behind between nginx and the server would poison the next one there."""
    for number, raw in enumerate(MALFORMED.values()):
        with suppress(OSError):
            answers_to_nobody(stack.front.port, raw)
        request_id = f"clean-{number}"
        answer = stack.front.send(message("POST", PREDICT, BODY, {"X-Request-ID": request_id}))
        assert answer.status == 200
        assert answer.json()["request_id"] == request_id
        assert answer.json()["prediction"] == 5.5


def answers_to_nobody(port: int, raw: bytes) -> None:
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(raw)
        connection.settimeout(0.05)
        connection.recv(65536)


def test_pipelined_requests_are_answered_in_order(stack: Stack) -> None:
    """Several requests on one connection are several: each has its answer and its rows."""
    before = settled(stack)
    raw = (head(JSON, LENGTH) + BODY) * 3 + message("GET", "/health")
    assert answers_to(stack.front.port, raw) == 4
    after = settled(stack)
    assert (after[0] - before[0], after[1] - before[1]) == (4, 4)


# HTTP/2 by hand: curl would not send these.


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _http_2(*headers: tuple[bytes, bytes], body: bytes = b"", path: bytes = PREDICT.encode()) -> bytes:
    pseudo = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", path), (b":authority", b"localhost")]
    block = b"".join(_literal(*pair) for pair in [*pseudo, (b"content-type", b"application/json"), *headers])
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"")
    return preface + _frame(1, 4, 1, block) + _frame(0, 1, 1, body)


HTTP_2: dict[str, bytes] = {
    "well-formed": _http_2(body=BODY),
    "transfer-encoding": _http_2((b"transfer-encoding", b"chunked"), body=b"0\r\n\r\n" + HIDDEN),
    "length too short": _http_2((b"content-length", b"4"), body=BODY + HIDDEN),
    "length too long": _http_2((b"content-length", b"4000"), body=BODY),
    "line ending in a value": _http_2((b"x-a", b"b\r\nTransfer-Encoding: chunked"), body=BODY),
    "request in a value": _http_2((b"x-a", b"b\r\n\r\n" + HIDDEN), body=BODY),
    "line ending in a name": _http_2((b"x-a\r\nhost", b"other"), body=BODY),
    "colon in a name": _http_2((b"x-a: b", b"c"), body=BODY),
    "upper-case name": _http_2((b"X-A", b"b"), body=BODY),
    "line ending in the path": _http_2(body=BODY, path=b"/health HTTP/1.1\r\nX: y"),
    "space in the path": _http_2(body=BODY, path=b"/hidden HTTP/1.1"),
    "connection header": _http_2((b"connection", b"close"), body=BODY),
    "path twice": _http_2((b":path", b"/hidden"), body=BODY),
    "unknown pseudo-header": _http_2((b":hidden", b"1"), body=BODY),
    "NUL in a value": _http_2((b"x-a", b"b\0c"), body=BODY),
}


@pytest.mark.parametrize("name", HTTP_2)
def test_nothing_is_smuggled_in_http_2(stack: Stack, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    nginx_before, server_before = settled(stack)
    with (
        socket.create_connection((HOST, stack.secure.port), timeout=5) as connection,
        context.wrap_socket(connection) as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        secure.sendall(HTTP_2[name])
        secure.settimeout(0.7)
        with suppress(TimeoutError, OSError):
            while secure.recv(65536):
                pass
    nginx_after, server_after = settled(stack)
    rows = server_rows(stack.server)[server_before:]
    assert len(rows) <= nginx_after - nginx_before <= 1
    assert all(row["event"] == "request" and row["path"] != "/hidden" for row in rows)
    assert server_after - server_before == (1 if name == "well-formed" else len(rows))


# Clients that stall.


class Stalling:
    """Clients that each send another byte from time to time, until told to stop."""

    def __init__(self, port: int, count: int, first: bytes, rest: bytes) -> None:
        self._connections = [socket.create_connection((HOST, port), timeout=5) for _ in range(count)]
        self._ending = threading.Event()
        for connection in self._connections:
            connection.sendall(first)
        self._thread = threading.Thread(target=self._drip, args=(rest,))
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()

    def _drip(self, rest: bytes) -> None:
        for at in range(len(rest)):
            for connection in self._connections:
                with suppress(OSError):
                    connection.sendall(rest[at : at + 1])
            if self._ending.wait(0.5):
                return


def test_clients_that_stall_hold_up_nobody(stack: Stack, tmp_path: Path) -> None:
    with Front(tmp_path / "nginx", [f"{HOST}:{stack.server.port}"]) as front:  # its default limits
        port = front.port
        stalling = [
            Stalling(port, 60, b"GET /health HTTP/1.1\r\nX-Slow: ", b"a" * 1000),
            Stalling(port, 60, message("POST", PREDICT, b"", {"Content-Length": "1000"}), BODY.ljust(1000)),
        ]
        try:
            times: list[float] = []
            for _ in range(60):
                probe = front.get("/health/ready")
                answer = front.post(PREDICT, {"features": [1, 2]})
                assert (probe.status, answer.status) == (200, 200)
                times += [probe.seconds, answer.seconds]
                time.sleep(0.1)
        finally:
            for one in stalling:
                one.stop()
        assert sorted(times)[int(len(times) * 0.95)] < 0.1, sorted(times)[-10:]
        wait_until(lambda: sum(row["status"] >= 400 for row in front.rows()) >= 60, 5, "a row of each that stalled")
        stalled = [row for row in front.rows() if row["status"] >= 400]
        assert all(row["upstream"] == "" for row in stalled), "none of them ever held a thread of the server"
