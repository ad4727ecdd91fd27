"""What is known of each version under a plan: how it is counted in shared state, and read back for the judge.

A field of the table is ``<version>|<what>``: ``ok`` and ``errors`` count requests, ``t<bin>`` latencies of answers that
were computed, ``p<bin>``, ``c<class>`` and ``v<bin>`` predicted rows by probability, class and value.

Of requests that stick by their unit the same is counted once more by group of units. That table has one record of each
worker, ``{"<version>|<group>": {"<what>": count}}``, since it has too many fields to add to one by one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import copysign, isfinite, log2
from typing import Any

_LATENCY_STEPS = 8
_VALUE_STEPS = 8
PROBABILITY_BINS = 20


@dataclass(frozen=True, slots=True)
class Arm:
    """One version's counts. ``latency`` is by bin; ``predictions`` by kind (``p``, ``c``, ``v``), then by bin.

    ``groups`` are the same counts by group of units, of requests that stick to a version by their unit.
    """

    ok: float = 0
    errors: float = 0
    latency: Mapping[int, float] = field(default_factory=dict)
    predictions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    groups: tuple["Arm", ...] = ()

    @property
    def requests(self) -> float:
        """How many ended, one way or the other."""
        return self.ok + self.errors

    @property
    def timed(self) -> float:
        """How many answers have a latency."""
        return sum(self.latency.values())

    def beyond(self, edge: int) -> float:
        """How many of them lie beyond a bin."""
        return sum(count for bin_, count in self.latency.items() if bin_ > edge)

    def quantile(self, share: float) -> float | None:
        """The latency in seconds that this share of answers did not exceed, None without any."""
        wanted, seen = share * self.timed, 0.0
        for bin_ in sorted(self.latency):
            seen += self.latency[bin_]
            if seen >= wanted:
                return latency_of(bin_)
        return None


def table(model: str, generation: int) -> str:
    """Where the outcomes of a plan generation are summed."""
    return f"outcomes:{model}:{generation}"


def group_table(model: str, generation: int) -> str:
    """Where they are kept by group of units."""
    return f"units:{model}:{generation}"


def arm_of(numbers: Mapping[str, float], version: str, groups: Mapping[str, Mapping[str, float]] | None = None) -> Arm:
    """A version's counts out of a table, and by group out of ``grouped``.

    Raises:
        ValueError: a count that is none; there is nothing to be learnt from such a table.
    """
    counts = {name.partition("|")[2]: value for name, value in numbers.items() if name.partition("|")[0] == version}
    parts = (part for name, part in (groups or {}).items() if name.rpartition("|")[0] == version)
    return _arm(counts, tuple(map(_arm, parts)))


def grouped(records: Iterable[bytes]) -> dict[str, dict[str, float]]:
    """Counts by version and group, over all workers.

    Raises:
        ValueError: a record that is none of ours.
    """
    sums: dict[str, dict[str, float]] = {}
    try:
        for record in records:
            for name, counts in json.loads(record).items():
                held = sums.setdefault(name, {})
                for what, count in counts.items():
                    held[what] = held.get(what, 0.0) + count
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return sums


def _arm(counts: Mapping[str, float], groups: tuple[Arm, ...] = ()) -> Arm:
    if not all(isfinite(value) and value >= 0 for value in counts.values()):
        raise ValueError("a count is not finite")
    latency = {int(what[1:]): value for what, value in counts.items() if what[:1] == "t"}
    predictions: dict[str, dict[str, float]] = {}
    for what, value in counts.items():
        if what[:1] in ("p", "c", "v"):
            predictions.setdefault(what[0], {})[what[1:]] = value
    return Arm(counts.get("ok", 0), counts.get("errors", 0), latency, predictions, groups)


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
        bins.append(f"p{min(int(answer['probability'] * PROBABILITY_BINS), PROBABILITY_BINS - 1)}")
    if isinstance(prediction, str) or (isinstance(prediction, int) and "probability" in answer):
        bins.append(f"c{str(prediction)[:40]}")
    elif isinstance(prediction, int | float):
        bins.append(f"v{_value_bin(float(prediction))}")
    return bins


def _value_bin(value: float) -> int:
    """Signed: bins grow with the distance from 0, the finest lies within 0.001 of it."""
    return int(copysign(log2(abs(value) * 1000 + 1) * _VALUE_STEPS, value))
