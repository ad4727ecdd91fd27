"""How many independent requests those of sticky units count as.

Units are hashed into ``GROUPS`` groups, whatever their number. How far the groups of a version differ, measured by how
far they would by chance, is its design effect (Kish 1965; here by deleting one group at a time): so many requests count
as one. Of a version with few groups little is known, so that what the other's units are like counts for it, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log1p, sqrt
from statistics import NormalDist

from app.routing.evidence import Arm

GROUPS = 64

Bins = Mapping[str, float]
"""What one group counted, by bin."""

_NORMAL = NormalDist()
_LEAST_P = 1e-300


@dataclass(frozen=True, slots=True)
class Side:
    """One version: ``n`` requests, of which ``grouped`` were of units.

    ``effect`` of these counts as one, as far as its own groups tell; ``kish`` would, were all answers to a unit alike.
    ``groups`` is how many groups of the same size would tell as much.
    """

    n: float
    grouped: float = 0.0
    effect: float = 1.0
    kish: float = 1.0
    groups: float = inf

    def counted(self, effect: float) -> float:
        """How many requests count as one, over all: those without a unit are independent.

        Of a store that forgot, workers give back what they counted by group: an effect of more requests than there are.
        """
        if not self.n or not self.grouped:
            return 1.0
        return 1 + min(self.grouped / self.n, self.n / self.grouped) * (effect - 1)


@dataclass(frozen=True, slots=True)
class Effects:
    """How many requests of each version count as one, 1 at least, and the degrees of freedom that this rests on."""

    stable: float = 1.0
    canary: float = 1.0
    freedom: float = inf

    def p(self, p: float) -> float:
        """A p-value that supposed these effects to be known, when they are estimated: Student's instead of the normal.

        By Wallace's approximation (1959): to 4 standard errors at most 5 % too careful from 3 degrees of freedom on.
        """
        if p >= 0.5 or self.freedom == inf:
            return p
        z = -_NORMAL.inv_cdf(max(p, _LEAST_P))
        v = self.freedom
        return _NORMAL.cdf(-(8 * v + 1) / (8 * v + 3) * sqrt(v * log1p(z * z / v)))


INDEPENDENT = Effects()


def side_of(n: float, groups: Sequence[Bins], ordered: bool = False) -> Side:
    """A version by its groups. Where bins are ``ordered`` numbers, the effect on their mean is looked at as well."""
    tables = [table for table in groups if sum(table.values()) > 0]
    sizes = [sum(table.values()) for table in tables]
    grouped, squares = sum(sizes), sum(size * size for size in sizes)
    if not tables:
        return Side(n)
    kish = (squares - grouped * grouped / GROUPS) / (1 - 1 / GROUPS) / grouped
    effect = _effect(tables, sizes, ordered) if len(tables) > 1 else grouped
    return Side(n, grouped, min(effect, grouped), min(max(kish, 1.0), grouped), grouped * grouped / squares)


def failing(arm: Arm) -> Side:
    """What a version's requests tell of how often it fails."""
    return side_of(arm.requests, [{"bad": it.errors, "good": it.ok} for it in arm.groups])


def late(arm: Arm, edge: int) -> Side:
    """What they tell of how often its latency is beyond a bin."""
    timed = [(it.beyond(edge), it.timed) for it in arm.groups]
    return side_of(arm.timed, [{"bad": beyond, "good": n - beyond} for beyond, n in timed])


def spread(arm: Arm, kind: str) -> Side:
    """What they tell of how its predictions are distributed; the rows of a request count together."""
    rows = sum(arm.predictions.get(kind, {}).values())
    share = min(1.0, arm.ok / rows) if rows else 0.0
    tables = [{name: n * share for name, n in it.predictions.get(kind, {}).items()} for it in arm.groups]
    return side_of(min(arm.ok, rows), tables, ordered=kind != "c")


def effects_of(stable: Side, canary: Side) -> Effects:
    """Both sides together: a version whose own groups are few is taken to have units like the other's."""
    alike = _alike((stable, canary))
    effects = [max(1.0, side.effect, 1 + alike * (side.kish - 1)) for side in (stable, canary)]
    counted = [side.counted(effect) for side, effect in zip((stable, canary), effects, strict=True)]
    return Effects(counted[0], counted[1], _freedom((stable, canary), counted))


def alone(side: Side) -> float:
    """How many requests of a version by itself count as one."""
    return side.counted(max(1.0, side.effect))


def _alike(sides: Sequence[Side]) -> float:
    """How alike the answers to one unit are, from 0 (as those to anybody) to 1, over both versions."""
    most = sum(side.grouped * (side.kish - 1) for side in sides)
    seen = sum(side.grouped * (side.effect - 1) for side in sides)
    return min(1.0, max(0.0, seen / most)) if most > 0 else 0.0


def _freedom(sides: Sequence[Side], counted: Sequence[float]) -> float:
    """Satterthwaite's: only what exceeds the variance of independent requests is estimated, the rest is known."""
    whole = known = 0.0
    for side, effect in zip(sides, counted, strict=True):
        if side.n > 0:
            whole += effect / side.n
            known += ((effect - 1) / side.n) ** 2 / max(side.groups - 1, 0.01)
    return whole * whole / known if known > 0 else inf


def _effect(tables: Sequence[Bins], sizes: Sequence[float], ordered: bool) -> float:
    """The variance between groups by that of independent draws; the greater of that of bins and that of their mean."""
    n = sum(sizes)
    total: dict[str, float] = {}
    for table in tables:
        for name, count in table.items():
            total[name] = total.get(name, 0.0) + count
    shares = {name: count / n for name, count in total.items()}
    effect = _bins_effect(tables, sizes, shares)
    return max(effect, _mean_effect(tables, sizes, shares)) if ordered else effect


def _bins_effect(tables: Sequence[Bins], sizes: Sequence[float], shares: Bins) -> float:
    chance = 1 - sum(share * share for share in shares.values())
    between = sum(
        weight * sum((table.get(name, 0.0) - size * share) ** 2 for name, share in shares.items())
        for table, size, weight in zip(tables, sizes, _weights(sizes), strict=True)
    )
    return between / (chance * sum(sizes)) if chance > 0 else 1.0


def _mean_effect(tables: Sequence[Bins], sizes: Sequence[float], shares: Bins) -> float:
    places = {name: int(name) for name in shares}
    mean = sum(share * places[name] for name, share in shares.items())
    chance = sum(share * (places[name] - mean) ** 2 for name, share in shares.items())
    between = sum(
        weight * sum(count * (places[name] - mean) for name, count in table.items()) ** 2
        for table, weight in zip(tables, _weights(sizes), strict=True)
    )
    return between / (chance * sum(sizes)) if chance > 0 else 1.0


def _weights(sizes: Sequence[float]) -> list[float]:
    """How much a group's deviation counts: more the heavier it is, as the mean was drawn towards it."""
    n, few = sum(sizes), 1 - 1 / len(sizes)
    return [few / (1 - size / n) ** 2 for size in sizes]
