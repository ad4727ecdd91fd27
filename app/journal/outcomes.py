"""What each version of a model did under the traffic plan in force: errors, latency, and how its predictions spread.

Only models with a plan are watched. Counts are kept here and delivered to shared state once a second, one table per
plan generation, so that a step of a rollout starts from nothing and every worker and machine adds to the same sums.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from math import copysign, log2
from threading import Lock, Thread
from time import sleep
from typing import Any

from app.state.base import State, StateUnavailable

PUBLISH_S = 1.0
MAX_ROWS_BINNED = 64
_LATENCY_STEPS = 8
_VALUE_STEPS = 8
_PROBABILITY_BINS = 20

Key = tuple[str, int]


def table(model: str, generation: int) -> str:
    """Where the outcomes of a plan generation are summed."""
    return f"outcomes:{model}:{generation}"


class Outcomes:
    """Counters of one worker. Thread-safe."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._counts: dict[Key, dict[str, float]] = {}
        self._lock = Lock()
        self._started = False

    def start(self) -> None:
        """Start delivering, once per worker."""
        with self._lock:
            if self._started:
                return
            self._started = True
        Thread(target=self._publish_forever, name="outcomes", daemon=True).start()

    def answered(
        self, model: str, generation: int, version: str, seconds: float, answers: Sequence[Mapping[str, Any]]
    ) -> None:
        """A request that was answered; ``answers`` is what ``Prediction.answers`` says of its rows."""
        fields = [f"{version}|ok", f"{version}|t{latency_bin(seconds)}"]
        fields += [f"{version}|{bin_}" for answer in islice(answers, MAX_ROWS_BINNED) for bin_ in bins_of(answer)]
        self._count(model, generation, fields)

    def failed(self, model: str, generation: int, version: str) -> None:
        """A request that the version could not answer through a fault of its own."""
        self._count(model, generation, [f"{version}|errors"])

    def publish(self) -> None:
        """Deliver what was counted; what cannot be delivered is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        for key, fields in counts.items():
            try:
                self._state.add(table(*key), fields)
            except StateUnavailable:
                self._give_back(key, fields)

    def _count(self, model: str, generation: int, fields: Sequence[str]) -> None:
        with self._lock:
            counts = self._counts.setdefault((model, generation), {})
            for field in fields:
                counts[field] = counts.get(field, 0) + 1

    def _give_back(self, key: Key, fields: Mapping[str, float]) -> None:
        with self._lock:
            counts = self._counts.setdefault(key, {})
            for field, amount in fields.items():
                counts[field] = counts.get(field, 0) + amount

    def _publish_forever(self) -> None:
        while True:
            sleep(PUBLISH_S)
            with suppress(Exception):
                self.publish()


def latency_bin(seconds: float) -> int:
    """Eighth-octave bin of a latency: ``latency_of`` gives it back to within 5 %."""
    return int(log2(max(seconds * 1e6, 1.0)) * _LATENCY_STEPS)


def latency_of(bin_: int) -> float:
    """The middle of a latency bin, in seconds."""
    return float(2 ** ((bin_ + 0.5) / _LATENCY_STEPS)) / 1e6


def bins_of(answer: Mapping[str, Any]) -> list[str]:
    """The bins a row's answer falls into: its class and its probability's twentieth, or its value's eighth-octave."""
    prediction = answer.get("prediction")
    bins = []
    if "probability" in answer:
        bins.append(f"p{min(int(answer['probability'] * _PROBABILITY_BINS), _PROBABILITY_BINS - 1)}")
    if isinstance(prediction, str) or (isinstance(prediction, int) and "probability" in answer):
        bins.append(f"c{str(prediction)[:40]}")
    elif isinstance(prediction, int | float):
        bins.append(f"v{_value_bin(float(prediction))}")
    return bins


def _value_bin(value: float) -> int:
    """Signed: bins grow with the distance from 0, the finest lies within 0.001 of it."""
    return int(copysign(log2(abs(value) * 1000 + 1) * _VALUE_STEPS, value))
