"""What the cache knows of one model version: its key seed, its plan, its measured costs, its counters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.cache.key import in_sample, seed
from app.cache.payoff import SAMPLE, Average, Mode, Payoff
from app.cache.tally import Tally
from app.tensors import Array, Feed, Freshness

_FIRST_GUESS_NEAR_S = 3e-6
_FIRST_GUESS_FAR_S = 100e-6


class Subject(Protocol):
    """The version whose answers are remembered."""

    label: str
    """``model/version``: names it to people."""
    digest: str
    """Changes whenever its files do."""

    def run(self, feed: Feed) -> dict[str, Array]:
        """Compute the outputs."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator says about one model's caching. ``ttl`` is seconds."""

    near: Mode = "auto"
    far: Mode = "auto"
    ttl: float = 3600.0


class Book:
    """One version's page."""

    def __init__(self, subject: Subject, plan: Plan, epoch: int, has_far: bool) -> None:
        self.label = subject.label
        self.seed = seed(subject.label, subject.digest, str(epoch))
        self.ttl = plan.ttl
        self.compute = Average(0.0, 0)
        self.near = Payoff(plan.near, _FIRST_GUESS_NEAR_S, self.compute)
        self.far = Payoff(plan.far if has_far else "off", _FIRST_GUESS_FAR_S, self.compute)
        self.tally = Tally()
        self.rowwise = True

    def tiers(self, feed: Feed, freshness: Freshness) -> tuple[bool, bool]:
        """Which of the two tiers take part in answering this feed."""
        if not self.rowwise or not (freshness.read or freshness.store):
            return False, False
        if freshness.force:
            return self.near.mode != "off", self.far.mode != "off"
        near, far = self.near.active, self.far.active
        if (near or self.near.mode != "auto") and (far or self.far.mode != "auto"):
            return near, far
        sampled = in_sample(feed, SAMPLE)
        return near or (sampled and self.near.mode == "auto"), far or (sampled and self.far.mode == "auto")

    def computed(self, outputs: Mapping[str, Array], rows: int, seconds: float) -> None:
        """Learn what computing costs, and whether each output has one entry per row (else nothing can be kept)."""
        self.compute.add(seconds / rows)
        if self.rowwise and any(len(array) != rows for array in outputs.values()):
            self.rowwise = False
