"""What the cache knows of one model version: its keys, its plan, its measured costs, its counters."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Protocol

from app import deadlines
from app.cache.key import Keys, fingerprint
from app.cache.likeness import FEWEST_RUNS, LEAST_S, Likeness, likeness
from app.cache.payoff import Cost, Mode, Payoff
from app.cache.recent import Recent
from app.cache.tally import Tally
from app.errors import DeadlineExceeded, ModelFailed, Overloaded
from app.tensors import Array, Feed, Freshness

_FIRST_GUESS_NEAR_S = 3e-6
_FIRST_GUESS_FAR_S = 100e-6
_TRIFLE_NEAR = 0.01
_TRIFLE_FAR = 0.05


class Subject(Protocol):
    """The version whose answers are remembered."""

    label: str
    """``model/version``: names it to people."""
    digest: str
    """Changes whenever its files or its manifest do."""

    def run(self, feed: Feed) -> dict[str, Array]:
        """Compute the outputs.

        Raises:
            ModelFailed
        """
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator says about one model's caching. ``ttl`` is seconds."""

    near: Mode = "auto"
    far: Mode = "auto"
    ttl: float = 3600.0


class Book:
    """The record of one version. ``alone`` and ``together`` make the keys of requests of one row and of several.

    ``engine`` is the version of what computes: another may answer differently, so it has keys of its own.
    """

    def __init__(self, subject: Subject, plan: Plan, has_far: bool, tally: Tally, engine: str = "") -> None:
        self.label = subject.label
        self.digest = subject.digest
        self._engine = engine
        self.ttl = plan.ttl
        self.cost = Cost(0.0, 0)
        recent = Recent() if plan.near == "auto" else None
        self.near = Payoff(plan.near, _FIRST_GUESS_NEAR_S, self.cost, _TRIFLE_NEAR, recent)
        self.far = Payoff(plan.far if has_far else "off", _FIRST_GUESS_FAR_S, self.cost, _TRIFLE_FAR)
        self.tally = tally
        self.likeness: Likeness | None = None
        self._judging = Lock()
        self.turn(0)

    def turn(self, epoch: int) -> None:
        """Make new keys from now on. A request keeps the key it began with: what was computed before is forgotten."""
        self.alone = Keys(self.label, self.digest, self._engine, str(epoch))
        self.together = Keys(self.label, self.digest, self._engine, str(epoch), "together")

    def tiers(self, feed: Feed, freshness: Freshness) -> tuple[bool, bool]:
        """Which of the two tiers take part in answering this feed; on tier 2 ``wants_far`` has the last word."""
        near, far = self.near, self.far
        if not freshness.store:
            return False, False
        if freshness.force:
            return near.mode != "off", far.mode != "off"
        if near.active or far.active or (near.mode == far.mode == "off"):
            return near.active, far.active
        code = fingerprint(feed)
        near.passed(code)
        return near.probes(code), far.probes(code)

    def wants_far(self, feed: Feed) -> bool:
        """Whether tier 2 is asked for what tier 1 does not have."""
        return self.far.active or self.far.probes(fingerprint(feed))

    def keys(self, feed: Feed, rows: int) -> list[bytes]:
        """One key per row."""
        if rows == 1:
            return [self.alone.one(feed)]
        return (self.alone if self.likeness is Likeness.SAME else self.together).many(feed, rows)

    def compute(self, subject: Subject, feed: Feed) -> Mapping[str, Array]:
        """Run the model and learn what a row costs.

        Raises:
            ModelFailed
        """
        started = perf_counter()
        try:
            outputs = subject.run(feed)
        except ModelFailed:
            self.tally.add("failed_n", 1)
            self.tally.add("failed_s", perf_counter() - started)
            raise
        self.cost.add((perf_counter() - started) / len(next(iter(feed.values()))))
        return outputs

    def splits(self, subject: Subject, feed: Feed) -> bool:
        """Whether requests of several rows may be remembered row by row; found out when the first telling one comes.

        One that has too little time for that is only answered.

        Raises:
            ModelFailed: it would not compute these rows.
        """
        if self.likeness is None and self._has_time_to_judge():
            left = deadlines.left()
            if self._judging.acquire(timeout=-1 if left is None else left / 2):
                try:
                    self._judge(subject, feed)
                finally:
                    self._judging.release()
        return self.likeness not in {None, Likeness.MIXED}

    def _judge(self, subject: Subject, feed: Feed) -> None:
        if self.likeness is None and self._has_time_to_judge():
            with suppress(DeadlineExceeded, Overloaded):  # it took longer than was thought; the rows have yet a chance
                self.likeness = likeness(subject.run, feed)

    def _has_time_to_judge(self) -> bool:
        left = deadlines.left()
        return left is None or (self.cost.count > 0 and left > 2 * max(LEAST_S, FEWEST_RUNS * self.cost.value))
