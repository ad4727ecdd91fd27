"""What reaches a real UDP socket, and what a host that is not there costs."""

import socket
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from app.telemetry import statsd as module
from app.telemetry.metrics import NO_FACTS, Facts
from app.telemetry.statsd import QUEUE, Statsd
from tests.programs import HOST, wait_until

FACTS = Facts("churn", "v2", 3, "hit-l1")
Lost = Callable[[int], None]
NOWHERE = ("no-such-host.invalid", 8125)


class Receiver:
    """A statsd host: keeps the lines of every datagram."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.settimeout(0.05)
        self.address: tuple[str, int] = self._socket.getsockname()
        self.datagrams: list[bytes] = []
        self._ending = False
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    @property
    def lines(self) -> list[str]:
        return [line for datagram in self.datagrams for line in datagram.decode().split("\n")]

    def close(self) -> None:
        self._ending = True
        self._thread.join()
        self._socket.close()

    def _receive(self) -> None:
        while not self._ending:
            try:
                self.datagrams.append(self._socket.recv(65536))
            except TimeoutError:
                continue


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


class StartStatsd(Protocol):
    """A ``Statsd`` whose socket is closed when the test ends."""

    def __call__(self, address: tuple[str, int], tagged: bool = False, lost: Lost = ...) -> Statsd: ...


@pytest.fixture
def statsd_to() -> Iterator[StartStatsd]:
    made: list[Statsd] = []

    def make(address: tuple[str, int], tagged: bool = False, lost: Lost = lambda _: None) -> Statsd:
        made.append(Statsd(address, "sluice", tagged, lost))
        return made[-1]

    yield make
    for statsd in made:
        if statsd._client:
            statsd._client.close()


def test_counters_are_summed_and_every_latency_is_sent(receiver: Receiver, statsd_to: StartStatsd) -> None:
    lost: list[int] = []
    statsd = statsd_to(receiver.address, lost=lost.append)
    for _ in range(3):
        statsd.request("/v1/models/<name>/predict", 200, 0.0015, FACTS)
    statsd.request("", 404, 0.0001, NO_FACTS)
    statsd.refused("quota", "rows in 60 s")
    statsd.dropped("access_log", 2)
    statsd.flush()
    wait_until(lambda: len(receiver.lines) >= 9, 5, "nine lines")
    series = "v1_models_name_predict.200.churn.v2.hit-l1"
    assert sorted(receiver.lines) == sorted(
        [f"sluice.latency.{series}:1.500|ms"] * 3
        + [f"sluice.requests.{series}:3|c", f"sluice.rows.{series}:9|c"]
        + ["sluice.latency.404:0.100|ms", "sluice.requests.404:1|c"]
        + ["sluice.refused.quota.rows_in_60_s:1|c", "sluice.dropped.access_log:2|c"]
    )
    assert lost == []


def test_batches_are_counted_with_their_rows(receiver: Receiver, statsd_to: StartStatsd) -> None:
    statsd = statsd_to(receiver.address)
    for rows in (1, 31, 32):
        statsd.batch("churn", rows)
    statsd.flush()
    wait_until(lambda: len(receiver.lines) == 2, 5, "both lines")
    assert sorted(receiver.lines) == ["sluice.batched_rows.churn:64|c", "sluice.batches.churn:3|c"]


def test_labels_as_tags(receiver: Receiver, statsd_to: StartStatsd) -> None:
    statsd = statsd_to(receiver.address, tagged=True)
    statsd.request("/predict", 200, 0.0015, FACTS._replace(model="a|b,c#d:e\nf"))
    statsd.flush()
    wait_until(lambda: len(receiver.lines) >= 3, 5, "three lines")
    tags = "route:predict,status:200,model:a_b_c_d_e_f,version:v2,cache:hit-l1"
    assert sorted(receiver.lines) == [
        f"sluice.latency:1.500|ms|#{tags}",
        f"sluice.requests:1|c|#{tags}",
        f"sluice.rows:3|c|#{tags}",
    ]


def test_datagrams_fit_a_frame(receiver: Receiver, statsd_to: StartStatsd) -> None:
    statsd = statsd_to(receiver.address, tagged=True)
    for _ in range(1000):
        statsd.request("/predict", 200, 0.0015, FACTS)
    statsd.flush()
    wait_until(lambda: len(receiver.lines) >= 1002, 5, "all lines")
    assert max(map(len, receiver.datagrams)) <= 1432
    assert len(receiver.datagrams) < 100


def test_its_own_thread_sends(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, statsd_to: StartStatsd) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.05)
    statsd = statsd_to(receiver.address)
    statsd.start()
    statsd.start()
    statsd.request("/health", 200, 0.001, NO_FACTS)
    wait_until(lambda: "sluice.requests.health.200:1|c" in receiver.lines, 5, "the line")
    assert statsd.health() == "up"


def test_a_name_that_does_not_resolve_loses_what_there_is_and_counts_it(statsd_to: StartStatsd) -> None:
    lost: list[int] = []
    statsd = statsd_to(NOWHERE, lost=lost.append)
    statsd.request("/health", 200, 0.001, NO_FACTS)
    statsd.flush()
    assert statsd.health() == "down"
    assert lost == [2], "its latency and its count"


def test_a_name_server_that_hangs_costs_nothing(monkeypatch: pytest.MonkeyPatch, statsd_to: StartStatsd) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        asked.set()
        released.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    statsd = statsd_to(NOWHERE)
    statsd.start()
    assert asked.wait(5)
    took = []
    for _ in range(2000):
        begun = time.perf_counter()
        statsd.request("/health", 200, 0.001, NO_FACTS)
        took.append(time.perf_counter() - begun)
    released.set()
    assert sorted(took)[int(len(took) * 0.99)] < 0.0005


def test_the_queue_is_bounded_and_what_overflows_is_counted(statsd_to: StartStatsd) -> None:
    lost: list[int] = []
    statsd = statsd_to(NOWHERE, lost=lost.append)
    for _ in range(QUEUE + 7):
        statsd.request("/health", 200, 0.001, NO_FACTS)
    statsd.flush()
    assert sum(lost) == QUEUE + 7 + 1


def test_a_host_that_moves_is_found_again(monkeypatch: pytest.MonkeyPatch, statsd_to: StartStatsd) -> None:
    first, second = Receiver(), Receiver()
    monkeypatch.setattr(module, "LOOK_UP_S", 0.0)
    resolve, current = socket.getaddrinfo, [first]

    def moving(host: str, port: int, *rest: int) -> object:
        here = current[0].address if host == "statsd.test" else (host, port)
        return resolve(*here, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", moving)
    statsd = statsd_to(("statsd.test", 8125))
    try:
        for receiver in (first, second):
            current[0] = receiver
            statsd.dropped("log")
            statsd.flush()
            wait_until(lambda to=receiver: bool(to.lines), 5, "the line")  # type: ignore[misc]
        assert [receiver.lines for receiver in (first, second)] == [["sluice.dropped.log:1|c"]] * 2
    finally:
        first.close()
        second.close()


def test_a_request_pays_for_one_append(statsd_to: StartStatsd) -> None:
    statsd = statsd_to(NOWHERE)
    once = min(timeit.repeat(lambda: statsd.request("/predict", 200, 0.001, FACTS), number=500, repeat=20)) / 500
    assert once < 2e-6, f"{once * 1e6:.2f} us"
