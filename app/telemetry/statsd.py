"""What happened, for statsd: put aside by the request, counted and sent by a thread of its own.

A request pays for one append. Names are looked up, datagrams built and sent elsewhere, so a host that is away, a name
that does not resolve and a name server that hangs cost it nothing; what does not fit the queue meanwhile is counted.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

from statsd import StatsClient
from statsd.client.udp import Pipeline

from app.telemetry.metrics import Facts

FLUSH_S = 1.0
LOOK_UP_S = 30.0
"""How long an address is used before the name is looked up again."""
LOOK_UP_AGAIN_S = 5.0
"""The same after a look-up that failed."""
QUEUE = 20_000
"""Observations that may wait; with a longer queue a host that comes back would hear old news."""
CHUNK = 200
"""Observations worked on before the thread lets the requests have the interpreter."""
DATAGRAM = 1432
"""Bytes that fit an Ethernet frame, with room for tunnels."""

Tags = tuple[tuple[str, str], ...]
Name = tuple[str, Tags]


class _Client(StatsClient):  # type: ignore[misc]
    """The statsd package's client, which here says whether a datagram left."""

    lost = 0

    def _send(self, data: str) -> None:
        try:
            self._sock.sendto(data.encode("ascii"), self._addr)
        except (OSError, UnicodeError):
            self.lost += data.count("\n") + 1


class Statsd:
    """Metrics as counters and timers. ``tagged`` writes labels as DogStatsD tags, else they are parts of the name."""

    def __init__(self, address: tuple[str, int], prefix: str, tagged: bool, lost: Callable[[int], None]) -> None:
        self._address = address
        self._prefix = prefix
        self._render = _tagged if tagged else _dotted
        self._tell_lost = lost
        self._requests: deque[tuple[str, int, float, Facts]] = deque()
        self._counts: Counter[Name] = Counter()
        self._guard = Lock()
        self._overflow = 0
        self._client: _Client | None = None
        self._look_up_at = 0.0
        self._started = False

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        """See ``Metrics.request``."""
        if len(self._requests) >= QUEUE:
            self._overflow += 1
        else:
            self._requests.append((route, status, seconds, facts))

    def refused(self, gate: str, reason: str) -> None:
        """See ``Metrics.refused``."""
        self._add(("refused", (("gate", gate), ("reason", reason))), 1)

    def dropped(self, what: str, count: int = 1) -> None:
        """See ``Metrics.dropped``."""
        self._add(("dropped", (("what", what),)), count)

    def batch(self, model: str, rows: int) -> None:
        """See ``Metrics.batch``."""
        labels = (("model", model),)
        self._add(("batches", labels), 1)
        self._add(("batched_rows", labels), rows)

    def health(self) -> str:
        """``up`` while the name resolves, else ``down``; UDP cannot tell more."""
        return "up" if self._client else "down"

    def start(self) -> None:
        """Start the thread, once; called in the worker, after any fork."""
        with self._guard:
            if self._started:
                return
            self._started = True
        Thread(target=self._flush_forever, name="statsd", daemon=True).start()

    def flush(self) -> None:
        """Send what has gathered; without an address it is lost, and counted."""
        self._look_up()
        timings, counts = self._drain()
        with self._guard:
            lost, self._overflow = self._overflow, 0
        if self._client is None:
            lost += len(timings) + len(counts)
        else:
            self._send(self._client, timings, counts)
            lost += self._client.lost
            self._client.lost = 0
        if lost:
            self._tell_lost(lost)

    def _add(self, name: Name, count: int) -> None:
        with self._guard:
            self._counts[name] += count

    def _flush_forever(self) -> None:
        while True:
            begun = monotonic()
            self.flush()
            sleep(max(0.0, FLUSH_S - (monotonic() - begun)))

    def _look_up(self) -> None:
        """Find the address again from time to time: a host behind a name moves."""
        if monotonic() < self._look_up_at:
            return
        found = _connect(self._address, self._prefix)
        self._look_up_at = monotonic() + (LOOK_UP_S if found else LOOK_UP_AGAIN_S)
        if found:
            previous, self._client = self._client, found
            if previous:
                previous.close()

    def _drain(self) -> tuple[list[tuple[Name, float]], Mapping[Name, int]]:
        """The latencies that wait, one by one, and everything else counted."""
        with self._guard:
            counts, self._counts = self._counts, Counter()
        timings: list[tuple[Name, float]] = []
        for _ in range(len(self._requests)):
            route, status, seconds, facts = self._requests.popleft()
            labels = _labels(route, status, facts.model, facts.version, facts.cache)
            timings.append((("latency", labels), seconds * 1000))
            counts["requests", labels] += 1
            if facts.rows:
                counts["rows", labels] += facts.rows
            if len(timings) % CHUNK == 0:
                sleep(0)
        return timings, counts

    def _send(self, client: _Client, timings: list[tuple[Name, float]], counts: Mapping[Name, int]) -> None:
        pipe = Pipeline(client)
        for name, count in counts.items():
            self._render(pipe, name, f"{count}|c")
        for chunk in _chunks(timings):
            for name, milliseconds in chunk:
                self._render(pipe, name, f"{milliseconds:.3f}|ms")
            pipe.send()
            sleep(0)
        pipe.send()


def _connect(address: tuple[str, int], prefix: str) -> _Client | None:
    for version_6 in (False, True):
        try:
            return _Client(*address, prefix=prefix or None, maxudpsize=DATAGRAM, ipv6=version_6)
        except (OSError, UnicodeError):
            continue
    return None


def _chunks(timings: list[tuple[Name, float]]) -> Iterator[list[tuple[Name, float]]]:
    rest = iter(timings)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


@lru_cache(maxsize=2048)
def _labels(route: str, status: int, model: str, version: str, cache: str) -> Tags:
    known = {"route": route, "status": str(status), "model": model, "version": version, "cache": cache}
    return tuple((name, value) for name, value in known.items() if value)


@lru_cache(maxsize=2048)
def _word(text: str) -> str:
    """A label's value as a part of a name or a tag: no separator of the protocol can be in it."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "_"


def _dotted(pipe: Any, name: Name, value: str) -> None:
    stat, tags = name
    pipe._send_stat(".".join([stat, *(_word(text) for _, text in tags)]), value, 1)  # noqa: SLF001


def _tagged(pipe: Any, name: Name, value: str) -> None:
    stat, tags = name
    pipe._send_stat(stat, f"{value}|#{','.join(f'{key}:{_word(text)}' for key, text in tags)}", 1)  # noqa: SLF001
