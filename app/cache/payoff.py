"""Does a tier pay? Measured per model version and tier, decided by arithmetic, said in words.

A lookup costs L and saves the computation C with probability h; a miss costs a store S besides. The tier pays while

    h * C  >  L + (1 - h) * S

A tier that does not pay is bypassed, except for a fixed one in ``SAMPLE`` of all inputs, which go on using it so that
h, L and C stay known and the verdict can turn.
"""

from typing import Literal

Mode = Literal["auto", "on", "off"]

SAMPLE = 64
_MEMORY = 256
_FIRST_LOOK = 8
_RECONSIDER = 16
_HYSTERESIS = 1.1


class Average:
    """A running mean that forgets: plain at first, then exponential over the last ``_MEMORY`` observations."""

    __slots__ = ("count", "value")

    def __init__(self, value: float, count: int) -> None:
        self.value = value
        self.count = count

    def add(self, value: float) -> None:
        """One observation."""
        self.count = min(self.count + 1, _MEMORY)
        self.value += (value - self.value) / self.count


class Payoff:
    """The verdict on one tier for one version. Costs are seconds per row."""

    def __init__(self, mode: Mode, lookup_s: float, compute: Average) -> None:
        self.mode = mode
        self.lookup = Average(lookup_s, 4)
        self.store = Average(lookup_s, 4)
        self.hit = Average(0.5, 8)
        self.compute = compute
        self.active = mode != "off"
        self._until_verdict = _FIRST_LOOK

    def observe(self, lookup_s: float, hits: int, rows: int) -> None:
        """One lookup of ``rows`` rows, of which ``hits`` were there."""
        self.lookup.add(lookup_s / rows)
        self.hit.add(hits / rows)
        self._until_verdict -= 1
        if self._until_verdict <= 0:
            self.decide()

    def decide(self) -> None:
        """Weigh again; a little more than even is asked of whichever side would have it changed."""
        self._until_verdict = _RECONSIDER
        if self.mode == "auto" and self.compute.count:
            saved, spent = self.weigh()
            self.active = saved * _HYSTERESIS > spent if self.active else saved > spent * _HYSTERESIS

    def weigh(self) -> tuple[float, float]:
        """Seconds a lookup saves and seconds it costs, on average."""
        hit = self.hit.value
        return hit * self.compute.value, self.lookup.value + (1 - hit) * self.store.value

    def words(self) -> str:
        """The verdict for people."""
        if self.mode != "auto":
            return f"forced {self.mode} in the deployment file"
        saved, spent = self.weigh()
        verb = "pays" if self.active else "does not pay, bypassed"
        return (
            f"{verb}: a lookup costs {spent * 1e6:.1f} us and saves {saved * 1e6:.1f} us "
            f"({self.hit.value:.0%} hits x {self.compute.value * 1e6:.1f} us of computing)"
        )
