"""What is seen of a request before anybody parses it."""

import socket

from hypothesis import given
from hypothesis import strategies as st

from app.worker.glance import Glance, look, read
from tests.client import message

BODY = {"features": [1, 2]}


def test_a_prediction_that_is_all_there() -> None:
    headers = {"Connection": "keep-alive", "X-Priority": "Bulk", "X-Request-Timeout": "250ms", "X-Request-ID": "Ab-1"}
    raw = message("POST", "/v1/models/M/predict?x=1", BODY, headers)
    assert read(raw) == Glance(True, len(raw), True, 0.25, "Ab-1", "/v1/models/m/predict", False, True)


def test_bytes_of_the_next_request_are_not_counted() -> None:
    raw = message("POST", "/predict", BODY)
    assert read(raw + raw).size == len(raw)


def test_what_is_not_all_there_has_no_size() -> None:
    raw = message("POST", "/predict", BODY)
    assert read(raw[:-1]).size == 0
    assert read(message("POST", "/predict", headers={"Transfer-Encoding": "chunked"}) + b"0\r\n\r\n").size == 0
    assert read(message("POST", "/predict", BODY, {"Expect": "100-continue"})).size == 0
    assert read(message("POST", "/predict", BODY, {"Content-Length": "x"})).size == 0


def test_what_a_parser_might_read_otherwise_has_no_size() -> None:
    """Refused in the loop, the rest of such a request would be read as the next one."""
    raw = message("POST", "/predict", BODY)
    assert read(raw).size == len(raw)
    length = b"Content-Length: %d" % len(raw.partition(b"\r\n\r\n")[2])
    for instead in (
        length + b"\r\n" + length,
        length.replace(b":", b" :"),
        b"X: y\n" + length,
        length + b"\r\n folded",
    ):
        assert read(raw.replace(length, instead)).size == 0, instead


def test_probes_and_administration_are_no_work() -> None:
    for method, path in (("GET", "/health/ready"), ("GET", "/metrics"), ("POST", "/admin/reload"), ("GET", "/predict")):
        assert not read(message(method, path)).work


def test_disguised_addresses_are_work() -> None:
    assert read(message("POST", "/v1/models/m/pred%69ct", BODY)).work


def test_a_connection_that_ends_with_its_request() -> None:
    assert read(message("POST", "/predict", BODY)).last
    assert read(message("POST", "/predict", BODY, {"Connection": "keep-alive"}).replace(b"1.1", b"1.0", 1)).last


def test_an_id_that_is_none_is_not_taken_over() -> None:
    assert read(message("POST", "/predict", BODY, {"X-Request-ID": 'a"b'})).id == ""


def test_nothing_and_the_end_are_told_apart() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert look(ours) is None
        theirs.close()
        assert look(ours) == Glance(work=False)


@given(st.binary(max_size=300))
def test_anything_can_be_looked_at(noise: bytes) -> None:
    seen = read(b"POST /predict HTTP/1.1\r\n" + noise)
    assert 0 <= seen.size <= 324
