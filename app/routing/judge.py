"""Compares a canary with the stable version and says pass, hold or fail. Pure: counts in, a verdict out.

Three questions, each a statistical test with an effect that must be large enough to matter: does it fail more often, is
its 95th percentile slower, does it predict something else? What cannot be told yet is held, never passed. Requests of
units that stick to a version count as the number of independent ones that tell as much (``units``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2, sqrt
from typing import Any, Literal

from app.routing.evidence import Arm, latency_bin
from app.routing.rollout import Thresholds
from app.routing.significance import fisher_greater, homogeneity, transport, variation
from app.routing.units import INDEPENDENT, Effects, effects_of, failing, late, spread

Decision = Literal["pass", "hold", "fail"]

DOUBT = 0.01
"""A p-value under this, not yet under what fails a canary, is a reason to wait for more."""

FEW_ERRORS = 5
"""So many errors are looked at before there are enough samples for anything else."""

_ENOUGH_ERRORS = 20
"""So many are never waited out where most requests fail: what is unclear about their units costs less than they do."""

_CHANCE = 2.5
"""How far samples of one distribution lie apart by chance, in standard errors: what fails is further apart.

A share's standard error is half at most.
"""

_UNCLEAR = DOUBT / 2
"""A p-value that holds."""

_AS_GOOD = 0.8
"""Where requests of units count as more than so much of their number, nobody needs to be told."""

_LEAST_EXPECTED = 5.0
_LEAST_TIMED = 40.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question, the numbers it rests on, and how many requests count as one for it."""

    decision: Decision
    reason: str
    numbers: Mapping[str, Any]
    effects: Effects = INDEPENDENT


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings together: one that fails decides, then one that holds."""

    decision: Decision
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]


def judge(stable: Arm, canary: Arm, wanted: Thresholds, shadowed: bool = False) -> Verdict:
    """The verdict on a canary; a ``shadowed`` one's latency says nothing, since it ran when there was time."""
    asked = {
        "errors": _errors(stable, canary, wanted),
        "latency": Finding("pass", "", {}) if shadowed else _latency(stable, canary, wanted),
        "predictions": _predictions(stable, canary, wanted),
    }
    findings = {"samples": _samples(stable, canary, wanted, [it.effects for it in asked.values()]), **asked}
    decisions = {finding.decision for finding in findings.values()}
    decision: Decision = "fail" if "fail" in decisions else "hold" if "hold" in decisions else "pass"
    reasons = tuple(it.reason for it in findings.values() if it.decision == decision and it.reason)
    return Verdict(decision, reasons, {name: it.numbers for name, it in findings.items() if it.numbers})


def _samples(stable: Arm, canary: Arm, wanted: Thresholds, effects: Sequence[Effects]) -> Finding:
    """Enough of both, for the question about which they tell least."""
    requests = {"stable": stable.requests, "canary": canary.requests}
    counted = {
        "stable": stable.requests / max(it.stable for it in effects),
        "canary": canary.requests / max(it.canary for it in effects),
    }
    numbers: dict[str, Any] = {**requests, "needed": wanted.min_samples}
    if counted != requests:
        numbers["independent"] = {name: _short(count) for name, count in counted.items()}
    few = [name for name in requests if counted[name] < wanted.min_samples]
    if not few:
        return Finding("pass", "", numbers)
    told = " and ".join(_told(name, requests[name], counted[name]) for name in few)
    return Finding("hold", f"{told}, {wanted.min_samples} are needed", numbers)


def _told(name: str, requests: float, counted: float) -> str:
    told = f"{requests:.0f} requests of {name}"
    return told if counted >= requests * _AS_GOOD else f"{told} (of so few units that they count as {counted:.0f})"


def _errors(stable: Arm, canary: Arm, wanted: Thresholds) -> Finding:
    known = effects_of(failing(stable), failing(canary))
    p = _oftener(canary.errors, canary.requests, stable.errors, stable.requests, known)
    numbers = {"stable": stable.errors, "canary": canary.errors, "p": _short(p)}
    told = (
        f"{canary.errors:.0f} of {canary.requests:.0f} requests failed"
        f" (stable: {stable.errors:.0f} of {stable.requests:.0f})"
    )
    alone = stable.requests == 0 and canary.errors * 2 > canary.requests
    clear = canary.errors >= FEW_ERRORS * known.canary and (alone or p < _strict(wanted.alpha, canary.requests))
    if clear or _hopeless(stable, canary):
        return Finding("fail", told, numbers, known)
    if canary.errors * 2 > canary.requests:
        return Finding("hold", f"{told}; no worse, and nothing to promote", numbers, known)
    return _weighed(p, 0.0, told, numbers, known)


def _hopeless(stable: Arm, canary: Arm) -> bool:
    """Most of its requests fail and others do not: should that be one unit's doing, it is still better off without."""
    return (
        canary.errors >= _ENOUGH_ERRORS
        and canary.errors * 2 > canary.requests
        and stable.errors * 10 <= stable.requests
    )


def _latency(stable: Arm, canary: Arm, wanted: Thresholds) -> Finding:
    """What is counted is slower than what matters: a canary that is a little slower must not fail by a few hiccups."""
    slow, other = canary.quantile(0.95), stable.quantile(0.95)
    timed, others = canary.timed, stable.timed
    if slow is None or other is None or min(timed, others) < _LEAST_TIMED:
        return Finding("pass", "", {"timed": timed})
    edge = latency_bin(max(other * wanted.latency_ratio, other + wanted.latency_floor_ms / 1000))
    known = effects_of(late(stable, edge), late(canary, edge))
    p = _oftener(canary.beyond(edge), timed, stable.beyond(edge), others, known)
    numbers = {"stable_p95_ms": _short(other * 1000), "canary_p95_ms": _short(slow * 1000), "p": _short(p)}
    if slow < other * wanted.latency_ratio or (slow - other) * 1000 < wanted.latency_floor_ms:
        return Finding("pass", "", numbers, known)
    told = f"p95 is {slow * 1000:.1f} ms (stable: {other * 1000:.1f} ms)"
    return _weighed(p, _strict(wanted.alpha, timed), told, numbers, known)


def _oftener(bad: float, n: float, other_bad: float, other_n: float, known: Effects) -> float:
    """Fisher's p-value on as many requests as these count as, rounded in favour of the canary."""
    counted = (
        bad // known.canary,
        ceil(n / known.canary),
        ceil(other_bad / known.stable),
        ceil(other_n / known.stable),
    )
    return known.p(fisher_greater(*counted))


def _predictions(stable: Arm, canary: Arm, wanted: Thresholds) -> Finding:
    """The kind of bin that differs most decides. Rows of one request are no independent draws: they count together."""
    findings = [
        _drift(kind, stable, canary, wanted) for kind in sorted(stable.predictions.keys() | canary.predictions.keys())
    ]
    ranked: Sequence[Decision] = ("pass", "hold", "fail")
    return max(findings, key=lambda it: (ranked.index(it.decision), it.effects.canary), default=Finding("pass", "", {}))


def _drift(kind: str, stable: Arm, canary: Arm, wanted: Thresholds) -> Finding:
    known = effects_of(spread(stable, kind), spread(canary, kind))
    ok, other_ok = stable.ok / known.stable, canary.ok / known.canary
    left = _per_request(stable.predictions.get(kind, {}), ok)
    right = _per_request(canary.predictions.get(kind, {}), other_ok)
    order: Callable[[str], Any] = str if kind == "c" else int
    ours, theirs = merged(left, right, sorted(left.keys() | right.keys(), key=order))
    p = known.p(homogeneity(ours, theirs))
    apart = variation(left, right) if kind == "c" else transport(_placed(left), _placed(right))
    numbers = {"by": _KINDS[kind], "bins": len(ours), "distance": _short(apart), "p": _short(p)}
    if apart < wanted.drift:
        return Finding("pass", "", numbers, known)
    told = f"predictions are distributed otherwise (by {_KINDS[kind]}: distance {apart:.2f})"
    deviation = 0.5 if kind == "c" else 1.0
    chance = _CHANCE * deviation * sqrt(1 / max(ok, 1) + 1 / max(other_ok, 1))
    p = p if apart - chance >= wanted.drift else max(p, _UNCLEAR)
    return _weighed(p, _strict(wanted.alpha, canary.ok), told, numbers, known)


def _placed(counts: Mapping[str, float]) -> dict[int, float]:
    return {int(name): count for name, count in counts.items()}


_KINDS = {"p": "probability", "c": "class", "v": "value"}


def _per_request(counts: Mapping[str, float], requests: float) -> Mapping[str, float]:
    rows = sum(counts.values())
    return {name: count * min(1.0, requests / rows) for name, count in counts.items()} if rows else {}


def merged(
    left: Mapping[str, float], right: Mapping[str, float], order: Iterable[str]
) -> tuple[list[float], list[float]]:
    """Neighbouring bins joined until each is expected to hold enough in either sample; what is left joins the last."""
    n, m = sum(left.values()), sum(right.values())
    smaller = min(n, m) / (n + m) if n and m else 0.0
    bins: list[list[float]] = []
    one = other = 0.0
    for name in order:
        one, other = one + left.get(name, 0.0), other + right.get(name, 0.0)
        if (one + other) * smaller >= _LEAST_EXPECTED:
            bins.append([one, other])
            one = other = 0.0
    if bins:
        bins[-1] = [bins[-1][0] + one, bins[-1][1] + other]
    return [pair[0] for pair in bins], [pair[1] for pair in bins]


def _weighed(p: float, limit: float, told: str, numbers: Mapping[str, Any], known: Effects) -> Finding:
    if p < limit:
        return Finding("fail", told, numbers, known)
    if p < DOUBT:
        return Finding("hold", f"{told}; not yet clear", numbers, known)
    return Finding("pass", "", numbers, known)


def _strict(alpha: float, n: float) -> float:
    """The level of one look. A canary is looked at every second: what may be spent shrinks as its sample doubles."""
    return alpha / (1 + log2(max(n / 16, 1))) ** 2


def _short(value: float) -> float:
    return float(f"{value:.3g}")
