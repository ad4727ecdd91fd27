"""Whether calls of a model are joined, and how many rows at most: decided by measurement, again and again.

What was measured before the first request may be wrong: another worker was loading, another program had the machine.
So each run that is timed anyway corrects the fit, the decision is taken anew every few runs, and a size that is not
known, or was slow long ago, is tried when enough waits to fill it.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from app.runtimes.fit import LARGEST, Fit

HAND_OVER_S = 150e-6
"""What it costs to wake the thread that runs the next batch. A model that saves less by joining runs where it is."""

LONG_S = 2e-3
"""A run worth standing in line for even where joining saves nothing."""

UNMEASURED_ROWS = 32
_EVERY = 8
"""Runs between decisions, where a run is short; after a long one it costs nothing to think."""
_FORGET_S = 10.0
_WORTH_BEGINNING = 0.5
_WORTH_KEEPING = 0.2
"""Of what a row costs alone, what joining must save: more to begin with than to go on with, so that it stays put."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How calls of a model are joined. ``max_rows`` None: as many as measured to be useful under ``objective_s``.

    ``delay_s`` is how long a batch that is not full waits for more, counted from its oldest call; ``queue_s`` how much
    work may wait before more is refused; ``slots`` how many runs go on at a time where calls wait for each other.
    """

    mode: Literal["auto", "on", "off"] = "auto"
    max_rows: int | None = None
    delay_s: float = 0.0
    objective_s: float = 0.1
    queue_s: float = 2.0
    slots: int = 1


class Sizing:
    """``joins``: calls run together, ``max_rows`` of them at most; ``queues``: they wait for each other, joined or not.

    ``pays``: running together was measured to be cheaper, and is not only asked for or being tried.
    Written under the batcher's lock, read without.
    """

    def __init__(self, plan: BatchPlan) -> None:
        self.fit = Fit()
        self.joins = self.queues = plan.mode == "on"
        self.max_rows = plan.max_rows or UNMEASURED_ROWS
        self.pays = False
        self._plan = plan
        self._mixes: bool | None = None
        self._trying = False
        self._observed = 0

    @property
    def piece_rows(self) -> int:
        """A request of more rows is split. Not as finely as a batch may be while sizes are being tried."""
        return self._plan.max_rows or max(self.max_rows, UNMEASURED_ROWS)

    def seconds_for(self, rows: int) -> float:
        """How long so many waiting rows take, one batch after the other.

        While sizes are being tried batches may soon be larger: nobody is refused for what is not known.
        """
        most = max(self.max_rows, LARGEST) if self._trying else self.max_rows
        full, rest = divmod(rows, most)
        return full * self.fit.seconds(self.max_rows) + self.fit.seconds(min(rest, self.max_rows))

    def judge(self, mixes: bool | None) -> None:
        """Decide for the first time. ``mixes``: whether a row's outputs depend on its neighbours, None if unknown."""
        self._mixes = mixes
        self._decide()

    def observe(self, rows: int, seconds: float, effort: float) -> None:
        """A run was timed."""
        self.fit.add(rows, seconds, effort)
        self._observed += 1
        if self._plan.mode == "auto" and (seconds > LONG_S or self._observed % _EVERY == 0):
            self.fit.forget(self.max_rows, perf_counter() - _FORGET_S)
            self._decide()

    def never_join(self) -> None:
        """Outputs of several rows cannot be told apart."""
        self._mixes = True
        self.joins = False

    def _decide(self) -> None:
        plan, single = self._plan, self.fit.row_effort(1)
        asked, useful = plan.mode == "on", self.fit.useful(plan.objective_s)
        pays = self.pays = self._pays(single, min(useful, plan.max_rows or useful))
        trial = self.fit.untried_above(useful, plan.objective_s) if pays or single > LONG_S else None
        if plan.max_rows is None and single:
            self.max_rows = trial or (useful if pays or asked else 1)
        tries = plan.max_rows is None and trial is not None
        self.joins = not self._mixes and (asked or (self._mixes is not None and (pays or tries)))
        self._trying = tries and self.joins
        self.queues = self.joins or asked or single > LONG_S

    def _pays(self, single: float, size: int) -> bool:
        saved = single - (self.fit.row_effort(size) or self.fit.effort(size) / size)
        least = _WORTH_KEEPING if self.joins else _WORTH_BEGINNING
        return saved > HAND_OVER_S and saved > single * least
