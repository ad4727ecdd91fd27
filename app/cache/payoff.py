"""Does a tier pay? Measured per model version and tier, decided by arithmetic, said in words.

A lookup costs L and spares the computation C with probability h; a miss costs a store S besides. The tier pays while

    h * C  >  L + (1 - h) * S

or while all it costs is a trifle beside C: then it stays as insurance against the day when everybody asks the same. A
tier that does not pay is bypassed. It is watched all the same, in two ways that together leave no blind spot: a small
share of all inputs, fixed by a hash of the input, goes on using the tier, which keeps L and S and (for the tier that
others fill too) h known without bias; and tier 1, whose h depends on this worker alone, looks every bypassed request
up in a list of those it saw lately, so that one hot input is noticed even when it is outside the share.
"""

from dataclasses import dataclass
from typing import Literal

from app.cache.recent import Recent

Mode = Literal["auto", "on", "off"]

PROBING_SHARE = 0.01
"""The most that probing a bypassed tier may cost, as a part of the computing."""

_MEMORY = 256
_PROBES = 16
_FIRST_LOOK = 8
_RECONSIDER = 16
_FILLING = 4096
_PATIENCE = 128
_LONGEST_PATIENCE = 1 << 20
_HYSTERESIS = 1.1
_LEAST_MASK, _MOST_MASK = 63, 8_191


class Average:
    """A running mean that forgets: plain at first, then exponential over the last ``memory`` observations.

    Threads add without a lock; an observation lost in a collision does not matter.
    """

    __slots__ = ("count", "value")

    def __init__(self, value: float, count: int) -> None:
        self.value = value
        self.count = count

    def add(self, value: float, memory: int = _MEMORY) -> None:
        """One observation."""
        self.count = min(self.count + 1, memory)
        self.value += (value - self.value) / self.count


class Cost(Average):
    """Seconds. One observation counts at most eight times the mean: a thread that was preempted measured the others."""

    __slots__ = ()

    def add(self, value: float, memory: int = _MEMORY) -> None:
        """One observation."""
        super().add(min(value, 8 * self.value) if self.count >= _FIRST_LOOK else value, memory)


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict on a tier and what it rests on; seconds per row. ``weighed`` is False before the first verdict."""

    mode: Mode
    active: bool
    weighed: bool
    hit: float
    compute_s: float
    saved_s: float
    spent_s: float
    trifle_s: float


class Payoff:
    """The verdict on one tier for one version. Costs are seconds per row.

    ``trifle`` is the share of the computing that a tier may cost without having to earn it; ``recent`` is given to the
    tier whose hits depend on nothing but what this worker was asked.
    """

    def __init__(
        self, mode: Mode, lookup_s: float, compute: Average, trifle: float, recent: Recent | None = None
    ) -> None:
        self.mode = mode
        self.lookup = Cost(lookup_s, 4)
        self.store = Cost(lookup_s, 4)
        self.hit = Average(0.5, 8)
        self.active = mode != "off"
        self._compute = compute
        self._trifle = trifle
        self._recent = recent
        self._mask = _LEAST_MASK
        self._until_verdict = _FIRST_LOOK
        self._patience = _PATIENCE
        self._weighed = False

    def observe(self, lookup_s: float, hits: int, rows: int) -> None:
        """One lookup of ``rows`` rows, of which ``hits`` were there."""
        self.lookup.add(lookup_s / rows, _MEMORY if self.active else _PROBES)
        if self.active or self._recent is None:
            self.hit.add(hits / rows)
            self._count_down()

    def passed(self, code: int) -> None:
        """A request that bypasses the tier; ``code`` is its fingerprint."""
        if self._recent is not None:
            self.hit.add(self._recent.seen(code))
            self._count_down()

    def probes(self, code: int) -> bool:
        """Whether a request belongs to the fixed share of inputs that uses the tier although it is bypassed."""
        return self.mode == "auto" and not code & self._mask

    def decide(self) -> None:
        """Weigh again; a little more than even is asked of whichever side would have it changed."""
        self._until_verdict = _RECONSIDER if self.active or self._recent is None else self._patience
        if self.mode != "auto" or not self._compute.count:
            return
        self._weighed = True
        now = self.standing()
        margin = _HYSTERESIS if self.active else 1 / _HYSTERESIS
        pays = now.saved_s * margin > now.spent_s or now.spent_s < now.trifle_s * margin
        if pays != self.active:
            self._turn(pays)
        if not pays:
            self._mask = _mask(now.spent_s / max(PROBING_SHARE * now.compute_s, 1e-12))

    def standing(self) -> Standing:
        """Where it stands now."""
        hit, compute = self.hit.value, self._compute.value
        spent = self.lookup.value + (1 - hit) * self.store.value
        trifle = self._trifle * compute
        return Standing(self.mode, self.active, self._weighed, hit, compute, hit * compute, spent, trifle)

    def _count_down(self) -> None:
        self._until_verdict -= 1
        if self._until_verdict <= 0:
            self.decide()

    def _turn(self, active: bool) -> None:
        """A tier that comes back is empty and gets time to fill; each time that was in vain the next takes longer."""
        self.active = active
        if active:
            self._until_verdict = _FILLING
        else:
            self._until_verdict = self._patience if self._recent is not None else _RECONSIDER
            self._patience = min(self._patience * 2, _LONGEST_PATIENCE)
            if self._recent is not None:
                self._recent.clear()


def _mask(one_in: float) -> int:
    """Selects one fingerprint in at least so many."""
    bits = int(min(max(one_in, _LEAST_MASK), _MOST_MASK)).bit_length()
    return (1 << bits) - 1
