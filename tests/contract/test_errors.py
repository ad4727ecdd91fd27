"""One shape for every error, and an id that leads from an answer to its log lines."""

import json
import re
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.client import message
from tests.conftest import StartServer
from tests.contract.problems import access_line, assert_refused
from tests.models import linear
from tests.programs import wait_until
from tests.servers import Server

LINEAR = "/v1/models/linear/predict"
MADE = re.compile(r"[0-9a-f]{32}\Z")


@pytest.mark.parametrize(
    "path",
    [
        "/predict/", "/v1", "/v1/models/", "/v1/models/linear/", "/v1/models/linear/predict/", "/PREDICT", "/%00",
        "/v1/models/linear/versions", "/v1/models/linear/versions/v1", "/health/", "/docs/", "/favicon.ico", "/%ff",
        "/predict%20", "/%F0%9F%98%80", "/predict;a=b", "/v1//models",
    ],
)  # fmt: skip
def test_404_of_an_address(tiny: Server, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert_refused(tiny.send(message(method, path)), 404, says="There is nothing at this address")


def test_404_of_a_model_or_version_with_the_nearest_name(tiny: Server) -> None:
    assert_refused(tiny.post("/v1/models/lineer/predict", {}), 404, says="Did you mean 'linear'?")
    assert_refused(tiny.get("/v1/models/xyz"), 404, says="There is no model 'xyz' here.")
    assert_refused(tiny.post("/v1/models/linear/versions/v9/predict", {}), 404, says="has no version 'v9'; it has v1")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST", "OPTIONS"}),
        ("GET", LINEAR, {"POST", "OPTIONS"}),
        ("PUT", LINEAR, {"POST", "OPTIONS"}),
        ("TRACE", LINEAR, {"POST", "OPTIONS"}),
        ("BREW", LINEAR, {"POST", "OPTIONS"}),
        ("POST", "/v1/models", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/v1/models/linear", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/health/live", {"GET", "HEAD", "OPTIONS"}),
        ("PATCH", "/openapi.json", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_405_says_what_is_allowed(tiny: Server, method: str, path: str, allowed: set[str]) -> None:
    answer = tiny.send(message(method, path))
    assert_refused(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_head_and_options(tiny: Server) -> None:
    head = tiny.send(message("HEAD", "/v1/models"))
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(tiny.get("/v1/models").body)
    lost = tiny.send(message("HEAD", "/nowhere"))
    assert (lost.status, lost.body) == (404, b"")
    assert set(tiny.send(message("OPTIONS", "/predict")).headers["allow"].split(", ")) == {"POST", "OPTIONS"}


def test_413_and_415(tiny: Server) -> None:
    assert_refused(tiny.post(LINEAR, b"{}", {"Content-Length": "99999999", "Connection": ""}), 413)
    assert_refused(tiny.post(LINEAR, b"{}", {"Content-Type": "text/plain"}), 415)


def test_500_names_no_reason_to_the_caller_but_does_to_the_log(tiny: Server) -> None:
    answer = tiny.post("/v1/models/fragile/predict", {"features": [7]})
    document = assert_refused(answer, 500, says="Model 'fragile' version 'v1' failed on this input.")
    (failed,) = [line for line in lines_of(tiny, document["request_id"]) if line["event"] == "model_failed"]
    assert "Gather" in failed["reason"]
    assert "Gather" not in answer.body.decode()


def test_503_of_a_refused_model(start_server: StartServer, repository: Repository) -> None:
    folder = linear().add(repository)
    (folder / "model.onnx").write_bytes(b"")
    server = start_server(models=repository.root)
    assert_refused(server.post(LINEAR, {"features": [1, 2]}), 503, says="GET /health/ready says why")
    assert_refused(server.post("/v1/models/linear/versions/v1/predict", {}), 503, says="'linear' version 'v1'")
    assert_refused(server.post("/predict", {"features": [1, 2]}), 503)


def test_no_default_model(tiny: Server) -> None:
    assert_refused(tiny.post("/predict", {"features": [1, 2]}), 404, says="Set default_model")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nNo Name: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: 1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", 400),
        (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 8000), 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"a" * 20_000), 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n%s\r\n" % b"".join(b"X-%d: 1\r\n" % number for number in range(300)), 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n", 417),
    ],
)
def test_what_never_became_a_request(tiny: Server, raw: bytes, status: int) -> None:
    answer = tiny.send(raw)
    document = assert_refused(answer, status)
    assert answer.headers["connection"] == "close"
    assert [line["event"] for line in lines_of(tiny, document["request_id"])] == ["request_malformed"]


@pytest.mark.parametrize("given", ["a", "C-1.2:3_4", "4bf92f3577b34da6a3ce929d0e0e4736", "x" * 100])
def test_a_well_formed_id_is_taken(tiny: Server, given: str) -> None:
    answer = tiny.post(LINEAR, {"features": [1, 2]}, {"X-Request-ID": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given
    assert access_line(tiny, given)["path"] == LINEAR
    assert_refused(tiny.get("/nowhere", {"X-Request-ID": given}), 404)


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "a b",
        "a,b",
        "x" * 101,
        "x" * 300,
        '"',
        "<script>",
        "a%0d%0aSet-Cookie: b",
        "über",
        "\u202e",
        "{}",
        "a/b",
        "é",
    ],
)
def test_an_ill_formed_id_is_replaced(tiny: Server, given: str) -> None:
    raw = f"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: {given}\r\n\r\n".encode()
    answer = tiny.send(raw)
    assert answer.status == 200
    assert MADE.match(answer.headers["x-request-id"])


def test_ids_cannot_carry_headers(tiny: Server) -> None:
    base = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: a"
    two = tiny.send(base + b"\r\nX-Evil: 1\r\n\r\n")
    assert "x-evil" not in two.headers
    assert two.headers["x-request-id"] == "a"
    for between in (b"\rX-Evil: 1", b"\nX-Evil: 1", b"\x00X-Evil: 1", b"\r\n X-Evil: 1"):
        answer = tiny.send(base + between + b"\r\n\r\n")
        assert_refused(answer, 400)
        assert "x-evil" not in answer.headers
    twice = tiny.send(base + b"\r\nX-Request-ID: b\r\n\r\n")
    assert MADE.match(twice.headers["x-request-id"])


def test_made_ids_differ(tiny: Server) -> None:
    ids = [tiny.get("/health/live").headers["x-request-id"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert all(map(MADE.match, ids))


def test_log_lines_carry_only_the_id_of_their_own_request(tiny: Server) -> None:
    tiny.post("/v1/models/fragile/predict", {"features": [8]}, {"X-Request-ID": "own-1"})
    events = [line["event"] for line in lines_of(tiny, "own-1")]
    assert sorted(events) == ["model_failed", "request"]


def lines_of(server: Server, request_id: str) -> list[dict[str, Any]]:
    """Every log line that names the request; a later request's line says that they are all there."""
    wait_until(lambda: request_id in server.log, 2, f"a line of {request_id}")
    later = server.get("/health/live")
    access_line(server, later.headers["x-request-id"])
    lines = [json.loads(line) for line in server.log.splitlines() if request_id in line]
    return [line for line in lines if line.get("request_id") == request_id]
