"""Asked again after 429, 503 and broken connections; never longer, more often or sooner than is right."""

import threading
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice_client import (
    Client,
    InvalidInput,
    QuotaExceeded,
    Refused,
    Retries,
    ServerFailed,
    TimedOut,
    Unavailable,
    Unreachable,
    UnreadableAnswer,
)
from sluice_client.retries import read_retry_after

from tests.programs import HOST, free_port
from tests.python_client.moody_server import GOOD, Behaviour, MoodyServer, answer, half, hang_up, silent

QUICK = Retries(base=0.01, cap=0.05)
PROBLEM = {"type": "urn:sluice:problem:quota-exceeded", "detail": "used up", "request_id": "r-9"}


@pytest.mark.parametrize("mood", [answer(429, PROBLEM), answer(503, b"busy"), hang_up, half])
def test_what_may_pass_is_asked_again(mood: Behaviour) -> None:
    with MoodyServer(mood, mood, answer(200, GOOD)) as server, Client(server.url, retries=QUICK) as client:
        assert client.predict("m", [1]).value == 1.5
        assert len(server.requests) == 3
        assert len(set(server.header("X-Request-ID"))) == 1, "one request, whatever it takes"


@pytest.mark.parametrize(
    ("status", "error"), [(400, InvalidInput), (422, InvalidInput), (500, ServerFailed), (418, Refused)]
)
def test_what_will_not_pass_is_not_asked_again(status: int, error: type[Refused]) -> None:
    with MoodyServer(answer(status, {"detail": "no"})) as server, Client(server.url, retries=QUICK) as client:
        with pytest.raises(error) as raised:
            client.predict("m", [1])
        assert (raised.value.status, len(server.requests)) == (status, 1)


def test_retry_after_is_honoured() -> None:
    refused = answer(429, PROBLEM, Retry_After="1")
    with MoodyServer(refused, answer(200, GOOD)) as server, Client(server.url, retries=QUICK) as client:
        assert client.predict("m", [1]).value == 1.5
        assert 1.0 <= server.waits[0] < 1.5


def test_retry_after_as_a_date() -> None:
    refused = answer(503, b"", Retry_After=formatdate(time.time() + 2, usegmt=True))
    with MoodyServer(refused, answer(200, GOOD)) as server, Client(server.url, retries=QUICK) as client:
        client.predict("m", [1])
        assert 0.9 <= server.waits[0] < 2.5


def test_a_wait_beyond_the_total_is_not_begun() -> None:
    refused = answer(429, PROBLEM, Retry_After="60")
    with MoodyServer(refused) as server, Client(server.url, retries=Retries(total=5)) as client:
        started = time.monotonic()
        with pytest.raises(QuotaExceeded) as raised:
            client.predict("m", [1])
        assert time.monotonic() - started < 1
        assert (raised.value.retry_after, raised.value.request_id, raised.value.kind) == (60, "r-9", "quota-exceeded")


def test_attempts_are_bounded() -> None:
    with MoodyServer(answer(503, b"")) as server, Client(server.url, retries=Retries(3, base=0.01)) as client:
        with pytest.raises(Unavailable):
            client.predict("m", [1])
        assert len(server.requests) == 3


def test_time_is_bounded() -> None:
    patient = Retries(attempts=1000, total=1.0, base=0.05, cap=0.2)
    with MoodyServer(answer(503, b"")) as server, Client(server.url, retries=patient) as client:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            client.predict("m", [1])
        assert time.monotonic() - started < 1.5
        assert 4 < len(server.requests) < 100


def test_a_server_that_says_nothing_is_not_asked_twice() -> None:
    with MoodyServer(silent) as server, Client(server.url, timeout=0.3, retries=QUICK) as client:
        with pytest.raises(TimedOut, match=r"within 0\.3 s") as raised:
            client.predict("m", [1])
        assert len(server.requests) == 1
        assert raised.value.request_id == server.header("X-Request-ID")[0]
        assert server.header("X-Request-Timeout") == ["0.300"]


def test_a_server_that_is_not_there() -> None:
    with Client(f"http://{HOST}:{free_port()}", retries=QUICK) as client, pytest.raises(Unreachable) as raised:
        client.predict("m", [1])
    assert raised.value.request_id


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"prediction": 1}'])
def test_something_else_answers(body: bytes) -> None:
    with MoodyServer(answer(200, body)) as server, Client(server.url) as client, pytest.raises(UnreadableAnswer):
        client.predict("m", [1])


def test_a_proxy_that_redirects_is_not_followed() -> None:
    moved = answer(302, b"", Location="http://127.0.0.1:1/")
    with MoodyServer(moved) as server, Client(server.url) as client, pytest.raises(UnreadableAnswer, match="302"):
        client.predict("m", [1])


def test_connections_are_kept_and_shared() -> None:
    with MoodyServer(answer(200, GOOD)) as server, Client(server.url, connections=3) as client:
        for _ in range(5):
            client.predict("m", [1])
        assert server.connections == 1
        threads = [threading.Thread(target=client.predict, args=("m", [1])) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert server.connections <= 3
        assert len(server.requests) == 25


@given(st.integers(1, 10), st.floats(0, 20), st.one_of(st.none(), st.floats(0, 20)))
def test_waits_stay_within_their_bounds(failures: int, elapsed: float, retry_after: float | None) -> None:
    retries = Retries(attempts=6, total=15, base=0.5, cap=4)
    seconds = retries.wait(failures, elapsed, retry_after)
    if failures >= 6 or elapsed + (retry_after or 0) >= 15:
        assert seconds is None
    elif seconds is not None:
        assert (retry_after or 0) <= seconds <= (retry_after or 0) + min(4, 0.5 * 2 ** (failures - 1))
        assert elapsed + seconds < 15


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("", None), ("0", 0), ("7", 7), (" 7 ", 7), ("-1", None), ("1e3", None), ("\u0661", None),
     ("soon", None), ("9" * 30, None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_texts(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text) == seconds
