"""How long a model takes for n rows, fitted to what was measured, before it serves and ever since.

Not a line: the kernels for 8 or 16 rows can be slower than those for 32. One point stands for each power of two, and
what lies between two points is on the line between them.

Each point holds two figures, because two questions are asked. When will this be done? What is typical lately tells, in
time that passes. Which size is cheapest? Other programs, other workers and this one's own requests make a run last
longer, often ten times on a busy machine. So sizes are compared by their effort (``Runtime.clock``), and by the least
of it: where that is time that passes too, everything else only ever adds to it.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from time import perf_counter

LARGEST = 128
"""The largest batch that is worth considering."""

RUNS = 3
"""How many runs of a size it takes to judge it."""

_NEW = 0.2
"""Weight of a new run in what is typical."""

_MOST = 2.0
"""What a run counts for at most there, in times of what was typical: one hiccup of the machine teaches little."""

_FORGETS = 0.05
"""How far a slower run takes back the best: a machine that has become slower for good is believed in the end."""


@dataclass(frozen=True, slots=True)
class Point:
    """Runs of about ``rows`` rows, ``count`` of them, the latest at ``seen``: seconds they take, least effort."""

    rows: float
    typical: float
    best: float
    count: int
    seen: float

    def and_then(self, rows: int, seconds: float, effort: float, now: float) -> "Point":
        """After one more run."""
        alike = effort * self.rows / rows
        return Point(
            self.rows + _NEW * (rows - self.rows),
            self.typical + _NEW * (min(seconds, _MOST * self.typical) - self.typical),
            alike if alike < self.best else self.best + _FORGETS * (alike - self.best),
            self.count + 1,
            now,
        )


class Fit:
    """Points by the power of two they stand for. They are replaced whole, so any thread may read them."""

    def __init__(self) -> None:
        self.points: dict[int, Point] = {}

    def add(self, rows: int, seconds: float, effort: float, count: int = 1) -> None:
        """One run, or the best of ``count``. Not for several threads at once."""
        size, now, seconds, effort = size_of(rows), perf_counter(), max(seconds, 1e-9), max(effort, 1e-9)
        old = self.points.get(size)
        point = old.and_then(rows, seconds, effort, now) if old else Point(rows, seconds, effort, count, now)
        self.points = dict(sorted({**self.points, size: point}.items()))

    def forget(self, above: int, before: float) -> None:
        """Drop larger sizes than ``above`` that were not seen since ``before``: what was slow then may not be now."""
        self.points = {size: point for size, point in self.points.items() if size <= above or point.seen >= before}

    def seconds(self, rows: int) -> float:
        """What a run of that many rows should take; 0 for none, and when nothing was measured."""
        return self._between(rows, attrgetter("typical"))

    def effort(self, rows: int) -> float:
        """What a run of that many rows should cost; beyond what was measured as much more per row as up to there."""
        if len(self.points) < 2 or rows <= (last := list(self.points.values())[-2:])[1].rows:
            return self._between(rows, attrgetter("best"))
        low, high = last
        more = max(0.0, high.best - low.best) / (high.rows - low.rows)
        return high.best + more * (rows - high.rows)

    def _between(self, rows: int, figure: Callable[[Point], float]) -> float:
        points = list(self.points.values())
        if not points or rows <= 0:
            return 0.0
        at = bisect_right([point.rows for point in points], rows)
        if at == len(points) or len(points) == 1:
            return figure(points[-1]) * rows / points[-1].rows
        if at == 0:
            return figure(points[0])
        low, high = points[at - 1], points[at]
        return figure(low) + (figure(high) - figure(low)) * (rows - low.rows) / (high.rows - low.rows)

    def row_effort(self, size: int) -> float:
        """What a row costs at best in a batch of that size; 0 when nothing was measured."""
        point = self.points.get(size)
        return point.best / point.rows if point else 0.0

    def useful(self, objective_s: float) -> int:
        """The smallest size whose rows are at most a tenth dearer than the cheapest, among those within the objective.

        The objective bounds a run that nothing else holds up, which takes as long as its effort: on a busy machine
        every size is late, and smaller batches would only mean more work. Where not even the quickest size meets it,
        waiting is what takes long, and the size that clears a queue soonest wins.
        """
        sizes = [size for size in self.points if size <= LARGEST]
        in_time = [size for size in sizes if self.points[size].best <= objective_s] or sizes
        cheapest = min(map(self.row_effort, in_time), default=0.0)
        return next((size for size in in_time if self.row_effort(size) <= 1.1 * cheapest), 1)

    def untried_above(self, size: int, objective_s: float) -> int | None:
        """The next size that was not judged yet, if trying it should not take far longer than is taken anyway."""
        bearable, at = max(objective_s, 4 * self.seconds(1)), size
        while at < LARGEST:
            at *= 2
            point = self.points.get(at)
            if point is None or point.count < RUNS:
                return at if self.row_effort(size) * at <= bearable else None
        return None


def size_of(rows: int) -> int:
    """The nearest power of two."""
    return 1 << ((2 * rows * rows).bit_length() - 1) // 2


def measure(
    fit: Fit,
    run: Callable[[int], object],
    sizes: tuple[int, ...],
    budget_s: float,
    clock: Callable[[], float] = perf_counter,
) -> None:
    """Feed a fit with the best of some runs of each size, leaving out what would take longer than ``budget_s`` in all.

    The first run of a size pays for memory being laid out; it counts only when there is no time for a second.
    """
    until = perf_counter() + budget_s
    for rows in sizes:
        if fit.seconds(rows) > until - perf_counter():
            continue
        runs = [_timed(run, rows, clock)]
        while len(runs) <= RUNS and sum(seconds for seconds, _ in runs) < budget_s / len(sizes):
            runs.append(_timed(run, rows, clock))
        seconds, effort = map(min, zip(*runs, strict=True))
        fit.add(rows, seconds, effort, len(runs) - 1)


def _timed(run: Callable[[int], object], rows: int, clock: Callable[[], float]) -> tuple[float, float]:
    started, effort = perf_counter(), clock()
    run(rows)
    return perf_counter() - started, clock() - effort
