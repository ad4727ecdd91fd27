"""What happened, for Prometheus: counters and histograms of all workers of one master, added up when asked.

Each worker writes its numbers through to a file in a folder they share, so a worker that is killed loses none. The
files of the dead are folded into one (``bury``), so that replacing workers for months neither fills the folder nor
slows a scrape. Without such a folder (``flask run``, commands, tests) the numbers are those of this process.

Labels are bounded: routes are rules and not paths, models are those that exist, and beyond ``MAX_SERIES`` label sets
everything goes to one named ``other``.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from struct import error as StructError  # noqa: N812
from threading import Lock, Thread
from time import sleep
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, disable_created_metrics, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from app.telemetry.graveyard import reading
from app.telemetry.memory import memory
from app.telemetry.metrics import Facts
from app.telemetry.numbers import Numbers
from app.version import VERSION

SAMPLE_S = 1.0
MAX_SERIES = 2000
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets in seconds: three to a decade from 100 us to 10 s."""

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds of the buckets for rows of a run."""

_DURATION = "sluice_request_duration_seconds"
_LABELS = ("route", "model", "version", "status", "cache")
_Key = tuple[str, str, str, int, str]
Reading = Mapping[tuple[str, ...], float]
"""Label values -> what a gauge shows."""

GAUGES: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "sluice_build_info": ("The version that runs; always 1.", ("version",), "livemax"),
    "sluice_workers": ("Worker processes that answer.", (), "livesum"),
    "sluice_requests_in_flight": ("Requests that a thread is working on.", (), "livesum"),
    "sluice_queue_depth": ("Requests that wait for a thread.", (), "livesum"),
    "sluice_queue_room": ("Requests that may wait for a thread; adapts to what can be done in time.", (), "livesum"),
    "sluice_model_queue_rows": ("Rows that wait for the model.", ("model", "version"), "livesum"),
    "sluice_worker_memory_bytes": ("Memory of each worker.", ("kind",), "liveall"),
    "sluice_degraded": ("1 while a worker finds the dependency down or refusing.", ("dependency",), "livemax"),
    "sluice_model_served": ("1 when all workers serve it, 0 when one refuses it.", ("model", "version"), "livemin"),
}
"""Name -> help, labels, and how the workers' values become one."""


class _Series:
    """One label set. ``Histogram.observe`` would walk the bounds in Python and cost twice as much."""

    __slots__ = ("_buckets", "_rows", "_sum")

    def __init__(self, latency: Histogram, rows: Counter) -> None:
        self._sum: Callable[[float], None] = latency._sum.inc  # noqa: SLF001
        self._buckets: list[Callable[[float], None]] = [bucket.inc for bucket in latency._buckets]  # noqa: SLF001
        self._rows: Callable[[float], None] = rows._value.inc  # noqa: SLF001

    def observe(self, seconds: float, rows: int) -> None:
        """One request and its rows; what the count is made of comes last."""
        if rows:
            self._rows(rows)
        self._sum(seconds)
        self._buckets[bisect_left(BOUNDS, seconds)](1)


class Accounts(Protocol):
    """Whether this thread's request was counted by a worker that died over it, and that it is counted now."""

    def settled(self) -> bool:
        """Ask first."""
        ...

    def note(self) -> None:
        """Say it right after, so that next to nothing lies between."""
        ...


class Prometheus:
    """One worker's numbers, and the way to everybody's. ``folder`` is None where one process is all there is."""

    def __init__(self, folder: Path | None = None, counted: Accounts | None = None) -> None:
        disable_created_metrics()
        vars(values)["MmapedDict"] = Numbers
        self._folder = folder
        self._counted = counted
        own = self._own = CollectorRegistry()
        self._latency = Histogram(_DURATION, "Time to answer a request.", _LABELS, buckets=BOUNDS, registry=own)
        self._rows = Counter(
            "sluice_rows", "Rows predicted, by where the answer came from.", ("model", "version", "cache"), registry=own
        )
        self._refused = Counter("sluice_refused", "Callers turned away.", ("gate", "reason"), registry=own)
        self._dropped = Counter("sluice_dropped", "Metrics, log lines and the like, lost.", ("what",), registry=own)
        self._batches = Histogram(
            "sluice_batch_rows",
            "Rows of one run of a model that stands in line.",
            ("model",),
            buckets=BATCHES,
            registry=own,
        )
        self._gauges = {
            name: Gauge(name, text, labels, multiprocess_mode=mode, registry=own)
            for name, (text, labels, mode) in GAUGES.items()
        }
        self._watched: dict[str, Callable[[], Reading]] = {
            "sluice_build_info": lambda: {(VERSION,): 1},
            "sluice_workers": lambda: {(): 1},
            "sluice_worker_memory_bytes": _memory,
        }
        self._series: dict[_Key, _Series] = {}
        self._opening = Lock()
        self._started = False

    def request(self, route: str, status: int, seconds: float, facts: Facts) -> None:
        """See ``Metrics.request``."""
        key = (route, facts.model, facts.version, status, facts.cache)
        series = self._series.get(key) or self._open(key)
        if self._counted is None:
            series.observe(seconds, facts.rows)
        elif not self._counted.settled():
            series.observe(seconds, facts.rows)
            self._counted.note()

    def refused(self, gate: str, reason: str) -> None:
        """See ``Metrics.refused``."""
        self._refused.labels(gate, reason).inc()

    def dropped(self, what: str, count: int = 1) -> None:
        """See ``Metrics.dropped``."""
        self._dropped.labels(what).inc(count)

    def batch(self, model: str, rows: int) -> None:
        """See ``Metrics.batch``."""
        self._batches.labels(model).observe(rows)

    def watch(self, name: str, read: Callable[[], Reading]) -> None:
        """Show what ``read`` returns under one of ``GAUGES``; it is asked once a second by a thread of its own."""
        if name not in GAUGES:
            raise KeyError(name)
        self._watched[name] = read

    def start(self) -> None:
        """Start that thread, once; called in the worker, after any fork."""
        with self._opening:
            if self._started:
                return
            self._started = True
        Thread(target=self._sample_forever, name="metrics-gauges", daemon=True).start()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition in the format that ``accept`` prefers, and its content type."""
        self._sample()
        try:
            encode, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # the library compares whatever stands after "version="
            encode, content_type = choose_encoder("")
        return encode(_Exposition(self._collect())), content_type

    def _open(self, key: _Key) -> _Series:
        with self._opening:
            if key not in self._series and len(self._series) >= MAX_SERIES:
                key = ("other", "", "", key[3], "")
            if key not in self._series:
                route, model, version, status, cache = key
                latency = self._latency.labels(route, model, version, str(status), cache)
                self._series[key] = _Series(latency, self._rows.labels(model, version, cache))
            return self._series[key]

    def _sample_forever(self) -> None:
        while True:
            self._sample()
            sleep(SAMPLE_S)

    def _sample(self) -> None:
        for name, read in list(self._watched.items()):
            gauge = self._gauges[name]
            with suppress(Exception):  # a gauge that cannot be read keeps its last value
                for labels, value in read().items():
                    (gauge.labels(*labels) if labels else gauge).set(value)

    def _collect(self) -> list[Metric]:
        if self._folder is None:
            return list(self._own.collect())
        with reading(self._folder):
            return _whole(MultiProcessCollector(None, str(self._folder)))


class _Exposition:
    """The families as they are shown: with the request count, which the histogram holds already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """What the encoders ask for."""
        for family in self._families:
            yield family
            if family.name == _DURATION:
                yield _request_count(family)


def _memory() -> Reading:
    return {(kind,): float(held) for kind, held in memory()._asdict().items()}


def _request_count(latency: Metric) -> Metric:
    requests = Metric("sluice_requests", "Requests answered.", "counter")
    for sample in latency.samples:
        if sample.name == f"{_DURATION}_count":
            requests.add_sample("sluice_requests_total", sample.labels, sample.value)
    return requests


def _whole(collector: Any, attempts: int = 5) -> list[Metric]:
    """Every worker's numbers. A file that a worker is creating at this moment is empty; it has its header soon."""
    for _ in range(attempts):
        with suppress(StructError, FileNotFoundError):
            return list(collector.collect())
        sleep(0.01)
    return list(collector.collect())
