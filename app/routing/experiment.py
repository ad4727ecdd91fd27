"""What is known of the arms of an experiment: sizes, shares with confidence intervals, and whether it is decidable."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt

from app.routing.evidence import PROBABILITY_BINS, Arm
from app.routing.units import alone, failing, spread

Z = 1.959964
"""Two-sided 95 %."""

_POWER_Z = 0.841621
"""80 % power."""


@dataclass(frozen=True, slots=True)
class Measure:
    """An estimate with its 95 % confidence interval, from ``n`` requests, or as many as those of units count as."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure of an arm against the control's. ``needed`` requests of each arm would tell the difference."""

    measure: str
    difference: float
    low: float
    high: float
    decidable: bool
    needed: int | None


def measures_of(arm: Arm) -> dict[str, Measure]:
    """Share of failed requests; share of each predicted class, or the mean probability where there is one."""
    counts_once = alone(failing(arm))
    found = {"error_rate": share_of(arm.errors / counts_once, arm.requests / counts_once)}
    probability = arm.predictions.get("p", {})
    if probability:
        found["mean_probability"] = _mean(probability, arm.ok / alone(spread(arm, "p")))
    classes = arm.predictions.get("c", {})
    rows = sum(classes.values())
    for name in sorted(classes, key=lambda name: -classes[name])[:10]:
        independent = min(rows, arm.ok / alone(spread(arm, "c")))
        found[f"class {name}"] = share_of(classes[name] * independent / rows, independent)
    return found


def share_of(hits: float, n: float) -> Measure:
    """A proportion with Wilson's interval, which behaves at 0 and at 1."""
    if n <= 0:
        return Measure(0.0, 0.0, 1.0, 0)
    p, z2 = hits / n, Z * Z
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Measure(p, max(0.0, middle - half), min(1.0, middle + half), int(n))


def _mean(bins: Mapping[str, float], requests: float) -> Measure:
    """From the middles of the bins; rows of one request count together."""
    rows = sum(bins.values())
    middles = {(int(name) + 0.5) / PROBABILITY_BINS: count for name, count in bins.items()}
    mean = sum(at * count for at, count in middles.items()) / rows
    variance = sum((at - mean) ** 2 * count for at, count in middles.items()) / rows
    n = min(rows, requests)
    half = Z * sqrt(variance / n) if n else 1.0
    return Measure(mean, max(0.0, mean - half), min(1.0, mean + half), int(n))


def compare(control: Mapping[str, Measure], arm: Mapping[str, Measure]) -> list[Comparison]:
    """Every measure that both have. Intervals of differences are Newcombe's, from those of the two sides."""
    return [_comparison(name, control[name], arm[name]) for name in control if name in arm]


def _comparison(name: str, control: Measure, arm: Measure) -> Comparison:
    difference = arm.value - control.value
    low = difference - sqrt((arm.value - arm.low) ** 2 + (control.high - control.value) ** 2)
    high = difference + sqrt((arm.high - arm.value) ** 2 + (control.value - control.low) ** 2)
    known = bool(control.n and arm.n)
    return Comparison(name, difference, low, high, known and not low <= 0 <= high, _needed(difference, control, arm))


def _needed(difference: float, control: Measure, arm: Measure) -> int | None:
    """From the spread that the intervals imply; None where the two are level."""
    if not difference or not (control.n and arm.n):
        return None
    spread = sum(((side.high - side.low) / (2 * Z)) ** 2 * side.n for side in (control, arm))
    return ceil((Z + _POWER_Z) ** 2 * spread / difference**2)
