"""The few tests that the judge needs, in plain arithmetic: each answers how probable such a difference is by chance."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, lgamma, log, sqrt

_MOST_TERMS = 10_000
_TINY = 1e-300


def fisher_greater(bad: float, n: float, other_bad: float, other_n: float) -> float:
    """P-value of Fisher's exact test, one-sided: is ``bad`` of ``n`` a higher share than ``other_bad`` of ``other_n``?

    Counts are whole numbers; an empty sample proves nothing, 1.0.
    """
    if n <= 0 or other_n <= 0:
        return 1.0
    total_bad = bad + other_bad
    most = min(n, total_bad)
    logs = [_log_hypergeometric(k, n, total_bad, n + other_n) for k in _whole(bad, most)]
    top = max(logs, default=float("-inf"))
    return min(1.0, exp(top) * sum(exp(value - top) for value in logs)) if logs else 1.0


def _whole(first: float, last: float) -> range:
    """Terms fall quickly above the observed one; those far out add nothing that could be told."""
    return range(int(first), min(int(last), int(first) + _MOST_TERMS) + 1)


def _log_hypergeometric(k: float, n: float, bad: float, total: float) -> float:
    if k > bad or n - k > total - bad:
        return float("-inf")
    return _log_choose(bad, k) + _log_choose(total - bad, n - k) - _log_choose(total, n)


def _log_choose(n: float, k: float) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(X >= statistic) for a chi-square variable: the regularized upper incomplete gamma function."""
    a, x = freedom / 2, statistic / 2
    if x <= 0 or a <= 0:
        return 1.0
    return 1 - _gamma_series(a, x) if x < a + 1 else _gamma_fraction(a, x)


def _gamma_series(a: float, x: float) -> float:
    """The lower function by its series, good for x < a + 1."""
    term = total = 1 / a
    at = a
    for _ in range(_MOST_TERMS):
        at += 1
        term *= x / at
        total += term
        if term < total * 1e-15:
            break
    return total * exp(-x + a * log(x) - lgamma(a))


def _gamma_fraction(a: float, x: float) -> float:
    """The upper function by Lentz's continued fraction, good for x >= a + 1."""
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    product = d
    for i in range(1, _MOST_TERMS):
        factor = -i * (i - a)
        b += 2
        d = 1 / (factor * d + b or _TINY)
        c = b + factor / c or _TINY
        product *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return exp(-x + a * log(x) - lgamma(a)) * product


def homogeneity(left: Sequence[float], right: Sequence[float]) -> float:
    """P-value of the chi-square test that two rows of counts, bin by bin, come from one distribution."""
    n, m = sum(left), sum(right)
    if n <= 0 or m <= 0 or len(left) < 2:
        return 1.0
    statistic = 0.0
    for one, other in zip(left, right, strict=True):
        expected = (one + other) * n / (n + m)
        rest = one + other - expected
        statistic += (one - expected) ** 2 / expected + (other - rest) ** 2 / rest
    return chi_square_tail(statistic, len(left) - 1)


def transport(left: Mapping[int, float], right: Mapping[int, float]) -> float:
    """How far counts lie apart on a line: Wasserstein's distance in standard deviations of ``left``, at least one bin.

    Unlike measures that compare bin by bin it does not take fright when a model with few distinct answers moves one of
    them over the edge of a bin.
    """
    n, m = sum(left.values()), sum(right.values())
    if n <= 0 or m <= 0:
        return 0.0
    distance = ahead = 0.0
    places = sorted(left.keys() | right.keys())
    for at, following in pairwise(places):
        ahead += left.get(at, 0.0) / n - right.get(at, 0.0) / m
        distance += abs(ahead) * (following - at)
    mean = sum(at * count for at, count in left.items()) / n
    variance = sum((at - mean) ** 2 * count for at, count in left.items()) / n
    return distance / max(sqrt(variance), 1.0)


def variation(left: Mapping[str, float], right: Mapping[str, float]) -> float:
    """Total variation distance: the share of one side that would have to be of another class."""
    n, m = sum(left.values()), sum(right.values())
    if n <= 0 or m <= 0:
        return 0.0
    return sum(abs(left.get(name, 0.0) / n - right.get(name, 0.0) / m) for name in left.keys() | right.keys()) / 2
