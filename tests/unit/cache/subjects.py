"""Versions to remember answers of: real ONNX models, with a count of how often and how long they run."""

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from app.cache.book import Plan
from app.cache.memory import MemoryTier
from app.cache.tiered import PredictionCache
from app.registry.version import ServedVersion
from app.runtimes.onnx import OnnxRuntime
from app.tensors import ANY_AGE, Array, Feed, Freshness
from tests.models import TinyModel, linear

ALWAYS = Plan("on", "on")


class Counted:
    """A version that notes the rows of each run. ``during`` is called while it runs."""

    def __init__(self, model: TinyModel | None = None, during: Callable[[], None] = lambda: None) -> None:
        made = model or linear()
        self._version = ServedVersion(made.manifest, OnnxRuntime(made.model))
        self._during = during
        self._lock = Lock()
        self.label = self._version.label
        self.digest = self._version.digest
        self.runs: list[int] = []

    def run(self, feed: Feed) -> dict[str, Array]:
        """Compute, count, and take as long as the test wants."""
        with self._lock:
            self.runs.append(len(next(iter(feed.values()))))
        self._during()
        return self._version.run(feed)


class Busy(Counted):
    """A version that keeps the processor busy for so many seconds a row."""

    def __init__(self, seconds: float) -> None:
        super().__init__(during=lambda: _spin(seconds))


def feed_of(rows: Sequence[Sequence[float]]) -> Feed:
    """For ``linear``: two numbers a row."""
    return {"X": np.array(rows, dtype=np.float32)}


def cache_of(plan: Plan = ALWAYS, far: Any = None, entries: int = 10_000, size: int = 1 << 26) -> PredictionCache:
    """A worker's cache that already knows what was cleared."""
    cache = PredictionCache(MemoryTier(entries, size), far, {}, plan)
    cache.turn_epoch(0)
    return cache


def ask(
    cache: PredictionCache, subject: Counted, rows: Sequence[Sequence[float]], freshness: Freshness = ANY_AGE
) -> tuple[list[float], str]:
    """The answers of ``linear`` and where they came from."""
    outcome = cache.outputs(subject, feed_of(rows), len(rows), freshness)
    return outcome.outputs["Y"].ravel().tolist(), outcome.source


def counts_of(cache: PredictionCache, label: str = "linear/v1") -> dict[str, float]:
    """What was counted so far."""
    tally = cache.tallies()[label]
    counts = tally.take()
    tally.give_back(counts)
    return counts


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
