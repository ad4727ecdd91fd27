"""How long a model takes for n rows: ``fixed + per_row * n`` seconds, fitted to what was measured."""

from collections.abc import Callable
from time import perf_counter

_MEMORY = 0.98
"""Weight the past keeps with each new observation."""


class Fit:
    """A least-squares line that forgets slowly. Until sizes differ, nothing is known to be fixed.

    ``line`` is (fixed, per_row) in seconds, neither below 0; it is replaced whole, so any thread may read it.
    """

    def __init__(self) -> None:
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self.line = (0.0, 0.0)

    def add(self, rows: int, seconds: float) -> None:
        """One run. Not for several threads at once."""
        keep = _MEMORY
        self._weight = self._weight * keep + 1
        self._n = self._n * keep + rows
        self._t = self._t * keep + seconds
        self._nn = self._nn * keep + rows * rows
        self._nt = self._nt * keep + rows * seconds
        self.line = self._fitted()

    def _fitted(self) -> tuple[float, float]:
        n, t = self._n / self._weight, self._t / self._weight
        spread = self._nn / self._weight - n * n
        if spread < 1e-9:
            return 0.0, t / n
        per_row = min(max((self._nt / self._weight - n * t) / spread, 0.0), t / n)
        return t - per_row * n, per_row

    def seconds(self, rows: int) -> float:
        """What a run of that many rows should take."""
        fixed, per_row = self.line
        return fixed + per_row * rows


def measure(fit: Fit, run: Callable[[int], None], sizes: tuple[int, ...], budget_s: float) -> None:
    """Feed a fit with runs of several sizes, smallest first, within about ``budget_s``.

    The first run of a size pays for memory being laid out and is left out.
    """
    started = perf_counter()
    for rows in sizes:
        run(rows)
        best = min(_timed(run, rows) for _ in range(3)) if rows == sizes[0] else _timed(run, rows)
        fit.add(rows, best)
        if perf_counter() - started > budget_s:
            return


def _timed(run: Callable[[int], None], rows: int) -> float:
    started = perf_counter()
    run(rows)
    return perf_counter() - started
