"""Framing: where a request ends is never in doubt, and a connection that nobody can go on with is closed soon."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.client import exchange, message, read_answer
from tests.contract.problems import assert_quick, assert_refused
from tests.programs import HOST
from tests.servers import Server

LINEAR = "/v1/models/linear/predict"
BODY = b'{"features": [1, 2]}'
LENGTH = b"Content-Length: 20"
CHUNKED = b"Transfer-Encoding: chunked"
IN_CHUNKS = b"14\r\n" + BODY + b"\r\n0\r\n\r\n"


@pytest.fixture(autouse=True)
def _still_answers(tiny: Server) -> Iterator[None]:
    """After each test, whatever it sent."""
    yield
    assert tiny.post(LINEAR, BODY).json()["prediction"] == 5.5


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: -5", b"Content-Length: +20", b"Content-Length: 20.0", b"Content-Length: abc",
        b"Content-Length: 0x14", b"Content-Length: ", b"Content-Length: 20,20", b"Content-Length: 2_0",
        b"Content-Length: \xb2", b"Content-Length: 20\xa0", "Content-Length: ٢٠".encode(),
        b"Content-Length: " + b"9" * 5000,
        LENGTH + b"\r\n" + LENGTH, LENGTH + b"\r\nContent-Length: 21", LENGTH + b"\r\n" + CHUNKED,
        CHUNKED + b"\r\n" + LENGTH, CHUNKED + b"\r\n" + CHUNKED, b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: identity",
        b"Transfer-Encoding: identity\r\n" + LENGTH,
        b"Content-Length:\r\n 20", b"Transfer-Encoding:\r\n\tchunked", b" " + LENGTH, b"Content-Length : 20",
        b"Transfer-Encoding\t: chunked", b"X-A: b\n" + LENGTH, b"X-A: b\r" + LENGTH, b"X-A: \x00\r\n" + LENGTH,
        LENGTH + b"\r\nHost: y",
    ],
)  # fmt: skip
def test_framing_that_cannot_be(tiny: Server, framing: bytes) -> None:
    """What follows, which somebody else might take for a request of its own, is never answered."""
    refused = _only_answer(tiny, framing, IN_CHUNKS if b"Transfer" in framing else BODY)
    assert refused.startswith(b"400 "), refused


@pytest.mark.parametrize(
    "codings",
    [
        b"gzip, chunked", b"gzip\r\nTransfer-Encoding: chunked", b"identity, chunked", b"deflate,chunked", b"xchunked",
        b"chunked;q=1", b'"chunked"', b",chunked", b"chunked,", b"",
    ],
)  # fmt: skip
def test_transfer_codings_that_nobody_undoes(tiny: Server, codings: bytes) -> None:
    refused = _only_answer(tiny, b"Transfer-Encoding: " + codings, IN_CHUNKS)
    assert refused.startswith(b"501 "), refused
    assert b"Unsupported transfer coding" in refused


def test_no_chunks_before_http_1_1(tiny: Server) -> None:
    assert _only_answer(tiny, CHUNKED, IN_CHUNKS, b"HTTP/1.0").startswith(b"400 ")


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: CHUNKED", b"Content-Length: 0020", b"content-length:20"])
def test_framing_that_only_looks_odd(tiny: Server, framing: bytes) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n" % LINEAR.encode()
    body = IN_CHUNKS if b"CHUNKED" in framing else BODY
    assert tiny.send(head + framing + b"\r\n\r\n" + body).json()["prediction"] == 5.5


def _only_answer(server: Server, framing: bytes, body: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Everything that comes back, from the status on, for a request with another one behind it."""
    head = b"POST %s %s\r\nHost: x\r\nContent-Type: application/json\r\n" % (LINEAR.encode(), version)
    smuggled = message("GET", "/health/live")
    with socket.create_connection((HOST, server.port), timeout=10) as connection:
        connection.sendall(head + framing + b"\r\n\r\n" + body + smuggled)
        answers = b"".join(iter(lambda: connection.recv(65_536), b"")).split(b"HTTP/1.1 ")[1:]
    assert len(answers) == 1, answers
    assert b"\r\nConnection: close\r\n" in answers[0]
    return answers[0]


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "Script-Name", "X-Forwarded-Prefix"])
def test_no_header_moves_a_request_elsewhere(tiny: Server, name: str) -> None:
    """Gunicorn believes the first two when they come from this machine, unless it is told not to."""
    answer = tiny.post(LINEAR, BODY, {name: "/health"})
    assert (answer.status, answer.json()["model"]) == (200, "linear")


def test_content_length_too_short(tiny: Server) -> None:
    """The body is cut where the header says, and what is left is no request."""
    with socket.create_connection((HOST, tiny.port), timeout=10) as connection:
        connection.sendall(message("POST", LINEAR, BODY, {"Content-Length": "5", "Connection": ""}) + b"\r\n\r\n")
        answers = b"".join(iter(lambda: connection.recv(65_536), b"")).split(b"HTTP/1.1 ")[1:]
    assert [answer[:4] for answer in answers] == [b"400 ", b"400 "]
    assert b"no valid JSON" in answers[0]
    assert b"Invalid HTTP" in answers[1]


def test_content_length_zero_with_a_body(tiny: Server) -> None:
    assert_refused(tiny.post(LINEAR, BODY, {"Content-Length": "0"}), 400, says="no valid JSON")


def test_content_length_too_long_and_the_client_is_done(tiny: Server) -> None:
    with socket.create_connection((HOST, tiny.port), timeout=10) as connection:
        connection.sendall(message("POST", LINEAR, BODY[:-2], {"Content-Length": "900"}))
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection, "POST")
    assert_refused(answer, 400)
    assert_quick(tiny, answer)


def test_clients_that_promise_more_than_they_send_hold_no_thread_for_long(tiny: Server) -> None:
    before = len(tiny.log)
    headless, *held = [socket.create_connection((HOST, tiny.port), timeout=30) for _ in range(9)]
    headless.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
    for connection in held:
        connection.sendall(message("POST", LINEAR, BODY, {"Content-Length": "900", "Connection": ""}))
    started = time.monotonic()
    assert tiny.post(LINEAR, BODY).status == 200
    assert time.monotonic() - started < 8
    for connection in held:
        answer = read_answer(connection, "POST")
        assert_refused(answer, 408, says="stopped arriving")
        assert answer.headers["connection"] == "close"
        connection.close()
    assert headless.recv(100) == b"", "who has not asked yet has no answer"
    assert '"event":"client_stalled"' in tiny.log[before:]
    assert "Traceback" not in tiny.log[before:]
    headless.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/health/live", {}), ("/nowhere", {"Content-Length": "900"}), ("/nowhere", {"Transfer-Encoding": "chunked"})],
)
def test_clients_that_stay_after_the_last_answer_hold_up_nobody(
    tiny: Server, path: str, headers: dict[str, str]
) -> None:
    """More of them than there are request threads; the second and third kind leave a body to be waited for."""
    idle = [socket.create_connection((HOST, tiny.port), timeout=30) for _ in range(40)]
    started = time.monotonic()
    for connection in idle:
        connection.sendall(message("GET", path, headers={"Connection": "" if headers else "close"} | headers))
    answers = [read_answer(connection) for connection in idle]
    assert tiny.get("/health/live").status == 200
    assert time.monotonic() - started < 0.7
    assert {answer.headers["connection"] for answer in answers} == {"close"}
    for connection in idle:
        assert connection.recv(1) == b""
        connection.close()


def test_a_refusal_ends_no_connection_whose_request_is_all_there(tiny: Server) -> None:
    with socket.create_connection((HOST, tiny.port), timeout=30) as connection:
        connection.sendall(message("POST", "/nowhere", BODY, {"Connection": ""}))
        first = read_answer(connection, "POST")
        connection.sendall(message("POST", LINEAR, BODY))
        second = read_answer(connection, "POST")
    assert (first.status, first.headers["connection"]) == (404, "keep-alive")
    assert (second.status, second.headers["connection"]) == (200, "close")


def test_headers_that_never_end(tiny: Server) -> None:
    held = [socket.create_connection((HOST, tiny.port), timeout=30) for _ in range(8)]
    for connection in held:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    started = time.monotonic()
    assert tiny.get("/health/live").status == 200
    assert time.monotonic() - started < 8
    for connection in held:
        connection.close()


def test_chunked(tiny: Server) -> None:
    pieces = b"".join(b"%x\r\n%s\r\n" % (1, BODY[at : at + 1]) for at in range(len(BODY)))
    assert exchange(HOST, tiny.port, _chunked(pieces + b"0\r\n\r\n")).json()["prediction"] == 5.5


@pytest.mark.parametrize(
    ("chunks", "status", "goes_on"),
    [
        (b"zz\r\n", 400, False),
        (b"14\n" + BODY + b"\r\n0\r\n\r\n", 400, False),
        (b"14\r\n" + BODY + b"\n0\r\n\r\n", 400, False),
        (b"0x14\r\n" + BODY + b"\r\n0\r\n\r\n", 400, False),
        (b"14 \r\n" + BODY + b"\r\n0\r\n\r\n", 400, False),
        (b"14\r\n" + BODY + b"\r\n0\r\nContent-Length: 3\r\n\r\n", 400, False),
        (b"5\r\n{}\r\n0\r\n\r\n", 400, False),
        (b"-1\r\n\r\n", 400, False),
        (b"ffffffffffffffffffff\r\n", 413, False),
        (b"0\r\n\r\n", 400, True),
        (b"1000000\r\n" + b" " * 0x1000000 + b"\r\n1\r\n \r\n0\r\n\r\n", 413, True),
    ],
)
def test_chunks_that_cannot_be(tiny: Server, chunks: bytes, status: int, goes_on: bool) -> None:
    with socket.create_connection((HOST, tiny.port), timeout=30) as connection:
        connection.sendall(_chunked(chunks))
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection, "POST")
    assert answer.status in (status, 400)
    assert_refused(answer, answer.status)
    assert answer.headers["connection"] == ("keep-alive" if goes_on else "close")


def _chunked(chunks: bytes) -> bytes:
    head = {"Content-Length": "", "Transfer-Encoding": "chunked", "Connection": ""}
    return message("POST", LINEAR, b"", head) + chunks
